// `portcullis certificate FILE`: what identity a certificate carries, its validity, whether it verifies.
// Enters: a PEM file. Leaves: its names as policies see them. Exit code 0 when it verifies (or no bundle was given), 1 when it does not.

internal import ArgumentParser
internal import DecisionText
internal import Foundation
internal import PeerIdentity

struct CertificateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "certificate", abstract: "Show the identities that a certificate carries, and whether it verifies.",
    discussion: """
      EXAMPLES:
        portcullis certificate peer.pem
        portcullis certificate peer.pem --trust-bundle cluster.local=ca.pem
      """)

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
    let report = try read()
    print(output == .json ? try report.json() : report.text)
    if report.verified == .no { throw ExitCode(Answer.no.rawValue) }
  }

  private func read() throws -> CertificateReport {
    let text = try InputFile.bytes(of: file, limit: 1 << 20)
    do {
      // There is at least one.
      let certificate = try Certificate(der: try PEM.certificates(in: text)[0])
      var report = CertificateReport(
        identities: try certificate.identities(), details: try certificate.details(), validity: try certificate.validity(),
        now: Int64(Date().timeIntervalSince1970))
      if !trustBundle.isEmpty { try verify(certificate, &report) }
      return report
    } catch let error as CertificateError {
      throw CommandProblem("`\(Printable.text(file))`: \(error)", help: "name a file with a certificate in PEM")
    }
  }

  private func verify(_ certificate: borrowing Certificate, _ report: inout CertificateReport) throws {
    let bundles: TrustBundles
    do {
      bundles = try TrustBundles(reading: trustBundle.compactMap { TrustBundleSource(argument: $0) })
    } catch {
      throw CommandProblem("\(error)", help: "`--trust-bundle DOMAIN=FILE` wants a PEM file of certificate authorities")
    }
    switch bundles.resolve(certificate, at: report.now).outcome {
    case .success: report.verified = .yes
    case .failure(let rejection): (report.verified, report.reason) = (.no, rejection.description)
    }
  }
}
