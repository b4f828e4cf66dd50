// `portcullis-bench allocations`: how often a check calls the allocator, beside what gRPC does. What enters are the shop's requests, with and
// without certificates, through the codec and a worker as the server runs them; what leaves is a count, which must be 0. Every answer is
// compared with what the traffic's two sentences say; a wrong one, or one allocation, ends with an error.
internal import ArgumentParser
internal import CAllocations
internal import CProcess
internal import ExtAuthzServer
internal import Foundation
internal import PeerIdentity
internal import PolicyEngine

/// Counts allocations of checks.
struct AllocationsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allocations", abstract: "Calls of the allocator for each check, beside gRPC's own; fails unless there are none.")

  @Option(help: "Different requests; all are asked once before counting, so that callers and workloads are known.")
  var requests = 2_000

  @Option(help: "Times that the counted part walks over all requests.")
  var passes = 5

  @Option(help: "Seed of the requests.")
  var seed: UInt64 = 1

  func run() throws {
    guard requests > 0, passes > 0 else { throw BenchError("at least one request and pass") }
    let directory = try TemporaryDirectory()
    let certificates = try PeerCertificates(for: ShopTraffic.peers, in: directory.url)
    let snapshots = Latest(try CompiledText(ShopPolicies.text).snapshot)
    for isWithCertificate in [false, true] {
      let bundles =
        isWithCertificate
        ? try TrustBundles(reading: [TrustBundleSource(trustDomain: "cluster.local", path: certificates.authority.path)]) : .unverified
      let cases = ShopTraffic.requests(count: requests, seed: seed, certificates: isWithCertificate ? certificates.leaves : [:])
      let (count, time) = try count(cases, snapshots, Latest(bundles))
      let checks = Double(cases.count * passes)
      let name = isWithCertificate ? "certificate" : "no certificate"
      print("\(name): \((Double(count) / checks).digits(3)) allocations/check, \((Double(time) / checks).digits(0)) ns/check")
      guard count == 0 else { throw BenchError("a check allocates") }
    }
  }

  private func count(_ cases: [ExpectedCheck], _ snapshots: Latest<Snapshot>, _ bundles: Latest<TrustBundles>) throws
    -> (allocations: UInt64, nanoseconds: UInt64)
  {
    var doors: [String: DirectChecks] = [:]
    for workload in Set(cases.map(\.workload)) {
      var belief = Belief()
      belief.workload = workload
      doors[workload] = try DirectChecks(belief, snapshots: snapshots, bundles: bundles)
    }
    let prepared = try cases.map { check -> (door: DirectChecks, message: [UInt8], isAllowed: Bool) in
      guard let door = doors[check.workload] else { throw BenchError("no door for \(check.workload)") }
      return (door, check.message.encoded(), check.isAllowed)
    }
    var wrong = 0
    var start: (allocations: UInt64, time: UInt64) = (0, 0)
    for pass in 0...passes {
      if pass == 1 { start = (bench_allocations(), bench_now()) }
      for (door, message, isAllowed) in prepared {
        // An allow begins with an empty `status`, a denial with a code.
        let isAnswered = door.check(message.span) { reply in
          if reply.count < 2 || reply[0] != 0x0a || (reply[1] == 0) != isAllowed { wrong += 1 }
        }
        if !isAnswered { wrong += 1 }
      }
    }
    let (count, time) = (bench_allocations() - start.allocations, bench_now() - start.time)
    guard wrong == 0 else { throw BenchError("\(wrong) wrong answers") }
    return (count, time)
  }
}
