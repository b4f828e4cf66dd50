// C strings for the bridge's options, alive for the length of one call.

internal import CExtAuthz
internal import Glibc

enum CStrings {
  /// Lends the options as C wants them.
  static func with<Result>(
    _ options: ListenOptions,
    _ body: (
      UnsafeBufferPointer<extauthz_listener>, UnsafePointer<CChar>?, UnsafePointer<CChar>?, UnsafePointer<CChar>?
    ) -> Result
  ) -> Result {
    var owned: [UnsafeMutablePointer<CChar>] = unsafe []
    defer { while let pointer = unsafe owned.popLast() { unsafe free(pointer) } }
    func lend(_ text: String?) -> UnsafePointer<CChar>? {
      guard let text, let pointer = unsafe strdup(text) else { return nil }
      unsafe owned.append(pointer)
      return unsafe UnsafePointer(pointer)
    }
    var listeners: [extauthz_listener] = unsafe []
    for address in options.addresses {
      if let text = unsafe lend(address.text) { unsafe listeners.append(extauthz_listener(address: text, tls: address.usesTLS)) }
    }
    let (certificate, key, authority) = unsafe (
      lend(options.tls?.certificate), lend(options.tls?.key), lend(options.tls?.clientAuthority)
    )
    return unsafe listeners.withUnsafeBufferPointer { unsafe body($0, certificate, key, authority) }
  }
}
