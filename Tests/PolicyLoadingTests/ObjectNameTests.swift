// Names that Kubernetes does not take: an object with one can never be applied, so a policy with one must not be taken for one in force.
// Enters: names. Leaves: a refusal for policies, a warning for what they are attached to. Never here: names inside a spec.

import PolicyLoading
import PolicyModel
import Testing

private func object(_ kind: String, _ version: String, _ metadata: String, spec: String = "{}") -> String {
  "{apiVersion: \(version), kind: \(kind), metadata: {\(metadata)}, spec: \(spec)}"
}

private let security = "security.istio.io/v1"
private let long = String(repeating: "a", count: 64)

@Suite struct `the names of objects` {
  @Test(arguments: [
    ("name: my-policy.v2, namespace: shop", []), ("name: 0, namespace: shop".replacing("0", with: "\"0\""), []),
    ("name: \(long), namespace: shop", []), ("name: \(String(repeating: "a", count: 253)), namespace: shop", []),
    ("name: My-policy, namespace: shop", ["name-invalid"]), ("name: my_policy, namespace: shop", ["name-invalid"]),
    ("name: my policy, namespace: shop", ["name-invalid"]), ("name: -a, namespace: shop", ["name-invalid"]),
    ("name: a-, namespace: shop", ["name-invalid"]), ("name: a..b, namespace: shop", ["name-invalid"]),
    ("name: a.-b, namespace: shop", ["name-invalid"]), ("name: a/b, namespace: shop", ["name-invalid"]),
    ("name: \(String(repeating: "a", count: 254)), namespace: shop", ["name-invalid"]),
    ("name: a, namespace: Shop", ["name-invalid"]), ("name: a, namespace: shop.eu", ["name-invalid"]),
    ("name: a, namespace: \(long)", ["name-invalid"]), ("name: A, namespace: B", ["name-invalid", "name-invalid"]),
  ])
  func `of policies are refused, also where the webhook is not there`(_ metadata: String, _ codes: [String]) {
    for (kind, version, spec) in [
      ("AuthorizationPolicy", security, "{}"), ("PeerAuthentication", security, "{}"), ("RequestAuthentication", security, "{}"),
      ("DestinationRule", "networking.istio.io/v1", "{host: a}"),
    ] {
      let text = object(kind, version, metadata, spec: spec)
      for isLenient in [false, true] {
        let file = loadPolicies(text: Array(text.utf8), file: "test.yaml", isLenient: isLenient)
        #expect(file.codes == codes, "\(kind): \(file.messages)")
        #expect(file.diagnostics.allSatisfy { $0.severity == .error })
        #expect(file.objects.count == (codes.isEmpty ? 1 : 0) && file.broken.count == (codes.isEmpty ? 0 : 1), "\(kind)")
      }
    }
  }

  @Test func `of a refused policy still say where it would be`() {
    let file = load(
      object("AuthorizationPolicy", security, "name: My_policy, namespace: shop", spec: "{selector: {matchLabels: {app: a}}}"))
    #expect(file.broken.map(\.namespace) == ["shop"] && file.broken.first?.selector?.matchLabels.count == 1)
    #expect(file.messages.contains("`metadata.name` `My_policy` is no name that Kubernetes takes"), "\(file.messages)")
  }

  @Test(arguments: [
    ("Deployment", "apps/v1", "name: a.b, namespace: shop", []), ("Deployment", "apps/v1", "name: A, namespace: shop", ["name-invalid"]),
    ("Pod", "v1", "name: a, namespace: Shop", ["name-invalid"]), ("ServiceAccount", "v1", "name: a.b, namespace: shop", []),
    ("Service", "v1", "name: a.b, namespace: shop", ["name-invalid"]), ("Service", "v1", "name: a-b, namespace: shop", []),
    ("Namespace", "v1", "name: a.b", ["name-invalid"]), ("Namespace", "v1", "name: a-b", []),
  ])
  func `of what policies are attached to are warned of`(_ kind: String, _ version: String, _ metadata: String, _ codes: [String]) {
    let file = load(object(kind, version, metadata))
    #expect(file.codes == codes && file.diagnostics.allSatisfy { $0.severity == .warning }, "\(file.messages)")
    #expect(file.objects.count == 1 && file.broken.isEmpty)
  }
}
