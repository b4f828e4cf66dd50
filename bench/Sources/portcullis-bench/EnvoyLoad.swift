// HTTP/1.1 load by h2load (Debian's `nghttp2-client`). What enters are an address and a file of paths, asked in turns; what leaves is what came back: how many
// of each status, and latencies, from h2load's log of every request.
internal import Foundation

/// Asks one address.
struct EnvoyLoad {
  /// `127.0.0.1:PORT`.
  let address: String
  /// One path in each line.
  let paths: URL
  /// Where h2load writes each request.
  let log: URL

  /// What came back.
  struct Result {
    /// How many answers of each status.
    var statuses: [Int: Int]
    var p50, p99: Double
    /// Requests a second.
    var rate = 0.0
    /// Microseconds of all processes for a request.
    var processorTime = 0.0
  }

  /// Runs h2load on core 1 with these further arguments.
  func run(_ arguments: [String]) throws -> Result {
    if FileManager.default.fileExists(atPath: log.path) { try FileManager.default.removeItem(at: log) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["taskset", "-c", "1", "h2load", "--h1", "-t", "1", "-B", "http://\(address)", "-i", paths.path, "--log-file=\(log.path)"] + arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw BenchError("h2load failed (`apt-get install nghttp2-client`)") }
    // Start, status and duration in microseconds of each request.
    var statuses: [Int: Int] = [:]
    var durations: [Double] = []
    for line in try String(contentsOf: log, encoding: .utf8).split(separator: "\n") {
      let fields = line.split(separator: "\t")
      guard fields.count == 3, let status = Int(fields[1]), let duration = Double(fields[2]) else {
        throw BenchError("h2load wrote `\(line)`")
      }
      statuses[status, default: 0] += 1
      durations.append(duration)
    }
    durations.sort()
    func quantile(_ share: Double) -> Double {
      durations.isEmpty ? 0 : durations[min(Int(Double(durations.count) * share), durations.count - 1)]
    }
    return Result(statuses: statuses, p50: quantile(0.5), p99: quantile(0.99))
  }
}
