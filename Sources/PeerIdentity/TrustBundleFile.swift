// Trust bundle files. What enters: a path. What leaves: its bytes, or an error that names the file and the trust domain. Never here:
// what the bytes mean.

internal import Glibc

/// A trust bundle that cannot be used.
public struct TrustBundleError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong.
  public enum Problem: Sendable, Equatable {
    /// No bundle was named, where verification was asked for.
    case noSource
    /// The file cannot be opened or read; the operating system's error number.
    case unopened(Int32)
    /// The file is larger than 16 MiB.
    case tooLarge
    /// The file's text is not a series of PEM certificates.
    case unreadable(CertificateError)
    /// The certificate with this number in the file (from 1) does not have basic constraints with CA true.
    case notAnAuthority(index: Int)
    /// OpenSSL could not allocate memory.
    case outOfMemory
  }

  /// What is wrong.
  public let problem: Problem
  /// The trust domain of the bundle.
  public let trustDomain: String
  /// The file, or empty.
  public let path: String

  init(_ problem: Problem, trustDomain: String, path: String = "") {
    self.problem = problem
    self.trustDomain = trustDomain
    self.path = path
  }

  /// One sentence, lower-case and without a full stop.
  public var description: String {
    let place = path.isEmpty ? "" : "`\(path)`: "
    switch problem {
    case .noSource: return "no trust bundle is named"
    case .unopened(let number):
      let text = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
      return "\(place)the trust bundle of `\(trustDomain)` cannot be read: \(text)"
    case .tooLarge: return "\(place)the trust bundle of `\(trustDomain)` is larger than 16 MiB"
    case .unreadable(let error): return "\(place)the trust bundle of `\(trustDomain)` is unusable: \(error)"
    case .notAnAuthority(let index):
      return "\(place)certificate \(index) in the trust bundle of `\(trustDomain)` is not a certificate authority"
    case .outOfMemory: return "\(place)out of memory"
    }
  }
}

/// Reading one trust bundle file.
enum TrustBundleFile {
  private static let maximumLength = 16 << 20

  /// The whole file.
  static func bytes(of source: TrustBundleSource) throws(TrustBundleError) -> [UInt8] {
    let descriptor = unsafe open(source.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw TrustBundleError(.unopened(errno), trustDomain: source.trustDomain, path: source.path) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe read(descriptor, &chunk, chunk.count)
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw TrustBundleError(.unopened(errno), trustDomain: source.trustDomain, path: source.path)
      }
      bytes.append(contentsOf: chunk[..<count])
      guard bytes.count <= maximumLength else {
        throw TrustBundleError(.tooLarge, trustDomain: source.trustDomain, path: source.path)
      }
    }
  }
}
