// Certificates as text and as files. What enters: PEM. What leaves: the encoding that Envoy puts on the wire, and files in a directory
// that goes away with its owner. Never here: the making of certificates.

internal import COpenSSL
internal import Glibc

/// Text forms of certificates.
public enum CertificateText {
  /// Envoy's encoding of `source.certificate`: five characters, upper-case digits.
  public static func urlEncoded(_ pem: String) -> String {
    var encoded = ""
    for character in pem.unicodeScalars {
      switch character {
      case "\n": encoded += "%0A"
      case " ": encoded += "%20"
      case "+": encoded += "%2B"
      case "/": encoded += "%2F"
      case "=": encoded += "%3D"
      default: encoded.unicodeScalars.append(character)
      }
    }
    return encoded
  }

  /// What `write` writes into a memory BIO.
  static func written(_ write: (OpaquePointer) -> Int32) throws -> String {
    guard let out = unsafe BIO_new(BIO_s_mem()) else { throw CertificateWorkshopError(description: "BIO_new") }
    defer { unsafe BIO_free(out) }
    guard unsafe write(out) == 1 else { throw CertificateWorkshopError(description: "writing PEM") }
    var start: UnsafeMutablePointer<CChar>?
    let length = unsafe portcullis_bio_bytes(out, &start)
    return unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
  }
}

/// A temporary directory for PEM files, removed with everything that was written through it when its last owner goes.
public final class CertificateDirectory {
  /// Absolute path.
  public let path: String
  private var files: Set<String> = []

  /// Makes the directory under `/tmp`.
  public init() throws {
    var template = Array("/tmp/certificates-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw CertificateWorkshopError(description: "mkdtemp: \(errno)") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit {
    for file in files { unsafe unlink(file) }
    unsafe rmdir(path)
  }

  /// Writes a file, replacing an older one of that name in one step, and returns its path. Keys are readable by their owner only.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    let target = "\(path)/\(name)"
    let temporary = "\(target).new"
    let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw CertificateWorkshopError(description: "\(temporary): \(errno)") }
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes[written...].withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else {
        close(descriptor)
        throw CertificateWorkshopError(description: "\(temporary): \(errno)")
      }
      written += count
    }
    close(descriptor)
    guard unsafe rename(temporary, target) == 0 else { throw CertificateWorkshopError(description: "\(target): \(errno)") }
    files.insert(target)
    return target
  }

  /// Writes `NAME.pem` (with `chain` after the certificate) and `NAME.key`; returns both paths.
  public func write(
    _ issued: IssuedCertificate, chain: [IssuedCertificate] = [], as name: String
  ) throws -> (certificate: String, key: String) {
    let certificate = try write(issued.pem + chain.map(\.pem).joined(), to: "\(name).pem")
    return (certificate, try write(issued.keyPEM, to: "\(name).key"))
  }
}
