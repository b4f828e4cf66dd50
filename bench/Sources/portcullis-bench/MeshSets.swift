// A mesh: many namespaces, each with its policies for four workloads, in all the forms of a mixed set. What enters are a number of policies and a
// seed; what leaves are policies and requests to different workloads with their verdicts, which never come from the engine.
internal import PolicyEngine

/// A mesh of any number of policies: 200 for a namespace with four workloads, a tenth of them for the whole namespace. 100,000 policies are
/// those of 500 namespaces with 2,000 workloads.
enum MeshSet {
  private static let perNamespace = 200

  /// The set of this size. Each request is for the workload that the policy it was made for selects, or for any of the namespace.
  static func set(size: Int, count: Int, random: inout SplitMix) -> DecisionSet {
    var documents: [String] = []
    for namespace in 0...(size - 1) / perNamespace {
      for workload in 0..<4 { documents.append(PolicyYAML.deployment("service-\(workload)", in: "space-\(namespace)")) }
    }
    for number in 0..<size {
      let (action, rule) = DecisionKind.mixed(number)
      documents.append(
        PolicyYAML.policy(
          "policy-\(number)", in: "space-\(number / perNamespace)",
          labels: isForAll(number) ? [] : [("app", "service-\(number / 8 % 4)")], action: action, rules: [rule]))
    }
    let cases = random.numbers(below: size, count: count).enumerated().map { index, number in
      let workload = isForAll(number) ? Int.random(in: 0..<4, using: &random) : number / 8 % 4
      let isSpoilt = Int.random(in: 0..<4, using: &random) == 0
      var result = DecisionCase(
        workload: "space-\(number / perNamespace)/service-\(workload)", path: "/api/v1/orders/\(index)?page=2",
        verdict: isSpoilt ? .deny : .allow)
      DecisionKind.fillMixed(&result, number, index: index, isSpoilt: isSpoilt)
      return result
    }
    return DecisionSet(name: "mesh", size: size, text: documents.joined(separator: "---\n"), cases: cases)
  }

  private static func isForAll(_ number: Int) -> Bool { number % 10 == 9 }
}
