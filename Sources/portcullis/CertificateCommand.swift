// `portcullis certificate FILE`: what identity a certificate carries, its validity, whether it verifies.
// Enters: a PEM file. Leaves: its names as policies see them. Exit code 0 when it verifies (or no bundle was given), 1 when it does not.

internal import ArgumentParser
internal import Foundation
internal import PeerIdentity

struct CertificateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certificate", abstract: "Show the identities that a certificate carries, and whether it verifies.")

  @Argument(help: "A certificate in PEM; of several the first, which is the peer's own.")
  var file: String

  @Option(help: ArgumentHelp("Verify with the certificates of this trust domain (PEM); repeatable.", valueName: "domain=file"))
  var trustBundle: [String] = []

  @Option(help: "Text for people or JSON for programs.")
  var output = OutputFormat.text

  func validate() throws {
    for argument in trustBundle where TrustBundleSource(argument: argument) == nil {
      throw ValidationError("`--trust-bundle \(argument)` is not a trust domain and a file: write `cluster.local=ca.pem`")
    }
  }

  func run() throws {
    let report: Report
    do {
      report = try read()
    } catch {
      StandardError.write("error: `\(file)`: \(error)\n  = help: name a file with a certificate in PEM")
      throw ExitCode(Answer.unusable.rawValue)
    }
    print(output == .json ? try report.json() : report.text)
    if report.verified == "no" { throw ExitCode(Answer.no.rawValue) }
  }

  private func read() throws -> Report {
    let text = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
    let all = try PEM.certificates(in: text)
    guard let der = all.first else { throw CommandProblem("no certificate") }
    let certificate = try Certificate(der: der)
    let identities = try certificate.identities()
    let validity = try certificate.validity()
    let details = try certificate.details()
    let now = Int64(Date().timeIntervalSince1970)
    var verified = "not asked"
    var reason = ""
    if !trustBundle.isEmpty {
      let bundles = try TrustBundles(reading: trustBundle.compactMap { TrustBundleSource(argument: $0) })
      switch bundles.resolve(certificate, at: now).outcome {
      case .success: verified = "yes"
      case .failure(let rejection): (verified, reason) = ("no", rejection.description)
      }
    }
    return Report(
      uri: identities.uris.map { String(decoding: $0, as: UTF8.self) },
      dns: identities.dnsNames.map { String(decoding: $0, as: UTF8.self) },
      subject: String(decoding: identities.subject, as: UTF8.self),
      principal: String(decoding: identities.envoyPrincipal, as: UTF8.self), issuer: String(decoding: details.issuer, as: UTF8.self),
      serial: details.serial, sha256: details.sha256, not_before: Self.time(validity.notBefore), not_after: Self.time(validity.notAfter),
      valid_now: validity.contains(now), authority: details.isAuthority, verified: verified, reason: reason)
  }

  private static func time(_ seconds: Int64) -> String {
    Date(timeIntervalSince1970: TimeInterval(seconds)).ISO8601Format()
  }

  /// The stable JSON shape, and the text made from it.
  private struct Report: Encodable {
    let uri: [String]
    let dns: [String]
    let subject: String
    let principal: String
    let issuer: String
    let serial: String
    let sha256: String
    let not_before: String
    let not_after: String
    let valid_now: Bool
    let authority: Bool
    let verified: String
    let reason: String

    func json() throws -> String {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    var text: String {
      var lines = uri.map { "uri        \($0)" } + dns.map { "dns        \($0)" }
      lines += ["subject    \(subject.isEmpty ? "(empty)" : subject)", "principal  \(principal)   (as Envoy reports it)"]
      lines += ["issuer     \(issuer)", "serial     \(serial)", "sha256     \(sha256)"]
      lines += ["valid      \(not_before) to \(not_after)\(valid_now ? "" : "  NOT NOW")"]
      if authority { lines.append("authority  yes: a peer must not use it") }
      lines.append("verified   \(verified)\(reason.isEmpty ? "" : ": \(reason)")")
      return lines.joined(separator: "\n")
    }
  }
}
