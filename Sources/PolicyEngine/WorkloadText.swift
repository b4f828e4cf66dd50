// Namespaces and labels as proxies write them.
// Enters: bytes of a hint. Leaves: values, or that they are none. Never here: a slip that is passed over: a name that no policy selects would
// allow what a DENY policy denies.

package import PolicyModel

/// How a proxy's configuration writes its workload.
package enum WorkloadText {
  /// Whether a namespace can have this name (Kubernetes: a DNS label).
  package static func isNamespace(_ bytes: Span<UInt8>) -> Bool {
    guard !bytes.isEmpty, bytes.count <= 63 else { return false }
    for index in bytes.indices {
      switch bytes[index] {
      case 0x30...0x39, 0x61...0x7a, 0x2d: continue
      default: return false
      }
    }
    return true
  }

  /// `k=v,k=v`; `nil` when a pair has no key or no `=`, a key comes twice, or a byte stands there that no label of Kubernetes can have:
  /// no selector would select such a label, so a space too much would take a DENY policy away.
  package static func labels(_ text: [UInt8]) -> [ExactText: ExactText]? {
    var labels: [ExactText: ExactText] = [:]
    for pair in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      guard let equals = pair.firstIndex(of: UInt8(ascii: "=")), equals > pair.startIndex,
        pair[..<equals].allSatisfy({ isLabelByte($0) || $0 == UInt8(ascii: "/") }), pair[(equals + 1)...].allSatisfy(isLabelByte)
      else { return nil }
      let key = ExactText(String(decoding: pair[..<equals], as: UTF8.self))
      guard labels.updateValue(ExactText(String(decoding: pair[(equals + 1)...], as: UTF8.self)), forKey: key) == nil else { return nil }
    }
    return labels
  }

  /// Letters, digits, `-`, `_` and `.`.
  private static func isLabelByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
    default: false
    }
  }
}
