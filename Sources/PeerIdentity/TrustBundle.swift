// The authorities of one trust domain. What enters: PEM files, then leaf certificates. What leaves: a verdict on each leaf, and the
// stretch of time for which the verdict stays the same. Never here: the choice of the bundle (TrustBundles.swift), and a change after
// construction, which is what makes it safe to share between threads.

internal import COpenSSL

/// Roots and intermediates that may vouch for names of one trust domain.
///
/// `@unchecked Sendable`: every stored property is a `let`, and OpenSSL locks inside the store while chains are built from it.
@safe
final class TrustBundle: @unchecked Sendable {
  /// The trust domain, as in `spiffe://DOMAIN/…`.
  let trustDomain: [UInt8]
  /// Every `notBefore` and `notAfter` of the certificates, ascending.
  private let timeBoundaries: [Int64]
  private let store: OpaquePointer

  /// The years 0 to 9999, all that a certificate can name. Beyond them OpenSSL finds no time instead of an early or late one.
  private static let firstSecond: Int64 = -62_167_219_200
  private static let lastSecond: Int64 = 253_402_300_799

  /// Takes the certificates of `files` as anchors.
  ///
  /// - Throws: `TrustBundleError` if a file has no certificate, an unreadable one, or one that is not an authority. The last matters:
  ///   with partial chains an end certificate in a bundle would vouch for itself.
  init(trustDomain: String, files: [(path: String, text: [UInt8])]) throws(TrustBundleError) {
    guard let store = unsafe X509_STORE_new() else { throw TrustBundleError(.outOfMemory, trustDomain: trustDomain) }
    var boundaries: Set<Int64> = []
    do {
      for file in files {
        try unsafe TrustBundle.add(file, to: store, of: trustDomain, boundaries: &boundaries)
      }
    } catch {
      unsafe X509_STORE_free(store)
      throw error
    }
    self.trustDomain = Array(trustDomain.utf8)
    unsafe self.store = store
    timeBoundaries = boundaries.sorted()
  }

  deinit {
    unsafe X509_STORE_free(store)
  }

  private static func add(
    _ file: (path: String, text: [UInt8]), to store: OpaquePointer, of trustDomain: String, boundaries: inout Set<Int64>
  ) throws(TrustBundleError) {
    do {
      for (index, der) in try PEM.certificates(in: file.text).enumerated() {
        let certificate = try Certificate(der: der)
        guard certificate.isSigner else {
          throw TrustBundleError(.notAnAuthority(index: index + 1), trustDomain: trustDomain, path: file.path)
        }
        let validity = try certificate.validity()
        boundaries.insert(validity.notBefore)
        boundaries.insert(validity.notAfter)
        guard unsafe certificate.withX509({ unsafe X509_STORE_add_cert(store, $0) }) == 1 else {
          throw CertificateError(.outOfMemory, detail: drainOpenSSLErrors())
        }
      }
    } catch let error as CertificateError {
      throw TrustBundleError(.unreadable(error), trustDomain: trustDomain, path: file.path)
    } catch let error as TrustBundleError {
      throw error
    } catch {
      throw TrustBundleError(.outOfMemory, trustDomain: trustDomain, path: file.path)
    }
  }

  /// Builds and checks a chain from `certificate` to a certificate of this bundle.
  ///
  /// Partial chains are accepted, because the proxy sends the leaf only: an intermediate in the bundle is an anchor of its own. Checked
  /// are signatures, validity at `now`, basic constraints, path lengths, name constraints, key usage, extended key usage for a TLS client
  /// (in the leaf and in its authorities, where present), and keys and digests of at least 112 bits of strength.
  ///
  /// - Parameter now: Unix seconds.
  /// - Returns: nil if it verifies.
  func rejection(of certificate: borrowing Certificate, at now: Int64) -> PeerRejection? {
    ERR_clear_error()
    defer { ERR_clear_error() }
    guard let context = unsafe X509_STORE_CTX_new() else { return PeerRejection(.unverifiable) }
    defer { unsafe X509_STORE_CTX_free(context) }
    let result = unsafe certificate.withX509 { x509 -> Int32 in
      guard unsafe X509_STORE_CTX_init(context, store, x509, nil) == 1, let parameters = unsafe X509_STORE_CTX_get0_param(context),
        unsafe X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_CLIENT) == 1,
        unsafe X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_PARTIAL_CHAIN)) == 1
      else { return -1 }
      unsafe X509_VERIFY_PARAM_set_auth_level(parameters, 2)
      unsafe X509_VERIFY_PARAM_set_time(parameters, Int(min(max(now, TrustBundle.firstSecond), TrustBundle.lastSecond)))
      return unsafe X509_verify_cert(context)
    }
    if result == 1 { return nil }
    return unsafe PeerRejection(chainError: X509_STORE_CTX_get_error(context))
  }

  /// The longest stretch of time around `now` in which no certificate of the bundle, nor the leaf, begins or ceases to be valid.
  ///
  /// A verdict depends on the time only through these instants, so it is the same throughout: an authority that expires, and another
  /// that becomes valid and saves the chain, both lie outside.
  func constantVerdict(around now: Int64, leaf: CertificateValidity) -> (from: Int64, until: Int64) {
    var from = Int64.min
    var until = Int64.max
    for boundary in timeBoundaries {
      if boundary <= now { from = max(from, boundary) } else { until = min(until, boundary) }
    }
    for boundary in [leaf.notBefore, leaf.notAfter] {
      if boundary <= now { from = max(from, boundary) } else { until = min(until, boundary) }
    }
    return (from, until)
  }
}
