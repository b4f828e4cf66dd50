// A directory for the time of one benchmark: certificates, policies, logs of servers. It goes away with the object.
internal import Foundation

/// A new, empty directory that only this user can read.
final class TemporaryDirectory {
  /// Where it is.
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appendingPathComponent("portcullis-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit {
    do {
      try FileManager.default.removeItem(at: url)
    } catch {
      print("\(url.path) could not be removed: \(error)")
    }
  }
}
