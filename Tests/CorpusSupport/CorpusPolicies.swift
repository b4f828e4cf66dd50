// The policies of a case.
// Enters: a case. Leaves: its policy set, of what Istio's webhook would refuse as the lenient loader reads it.
// Never here: an error of the loader that is not one of the case's own.

internal import PolicyLoading
package import PolicyModel

extension CorpusCase {
  /// The case's policies, as loaded from text or, where Istio's webhook refuses them, loaded leniently.
  package func policySet() throws -> PolicySet {
    var set = PolicySet()
    let file = loadPolicies(text: Array(objects.utf8), file: ExactText(place))
    let errors = file.diagnostics.filter { $0.severity == .error }
    guard errors.isEmpty else { throw CorpusError(errors.map(\.description).joined(separator: "\n")) }
    for object in file.objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .requestAuthentication(let object): set.requestAuthentications.append(object)
      case .destinationRule(let rule): set.destinationRules.append(rule)
      case .peerAuthentication(let object): set.peerAuthentications.append(object)
      case .workload, .inventory: throw CorpusError("\(object.key) is neither a policy nor a PeerAuthentication")
      }
    }
    for value in unvalidated {
      // What the loader accepts belongs among the objects.
      let text = value.written
      guard loadPolicies(text: Array(text.utf8), file: ExactText(place)).broken.count == 1 else {
        throw CorpusError("the loader does not refuse \(text)")
      }
      let lenient = loadPolicies(text: Array(text.utf8), file: ExactText(place), isLenient: true)
      guard lenient.objects.count == 1, lenient.broken.isEmpty, case .policy(let policy)? = lenient.objects.first else {
        throw CorpusError("not even the lenient loader takes \(text): \(lenient.diagnostics.map(\.description))")
      }
      set.policies.append(policy)
    }
    return set
  }
}

extension JSON {
  /// The value as JSON text.
  package var written: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let text): "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    case .array(let list): "[" + list.map(\.written).joined(separator: ", ") + "]"
    case .object(let members):
      "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value.written)" }.joined(separator: ", ") + "}"
    }
  }
}
