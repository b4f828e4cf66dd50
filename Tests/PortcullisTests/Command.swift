// The built command as a person uses it: words in, text and an exit code out.
//
// Enters: arguments, files. Leaves: what was printed, and how it ended. Never happens here: a call into the command's own code.

internal import Foundation
internal import TestSupport

/// What a run of the command gave.
struct Run {
  let end: ProcessEnd
  let output: String
  let errors: String

  /// The exit code; -1 when a signal ended it.
  var code: Int32 {
    if case .exited(let code) = end { code } else { -1 }
  }

  /// The lines of the answer.
  var lines: [String] { output.split(separator: "\n").map(String.init) }

  /// The answer as a JSON object.
  func json() throws -> [String: Any] {
    guard let object = try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] else {
      throw TestFailure("not a JSON object: \(output)")
    }
    return object
  }
}

extension Sandbox {
  /// Runs `portcullis` to its end.
  func portcullis(_ arguments: String...) throws -> Run {
    try portcullis(arguments)
  }

  /// The same with a list.
  func portcullis(_ arguments: [String]) throws -> Run {
    let ended = try run(Programs.portcullis(), arguments)
    return Run(end: ended.end, output: ended.output, errors: ended.errors)
  }

  /// Runs `portcullis check` on the shop.
  func check(_ arguments: String...) throws -> Run {
    try portcullis(["check", "--policies", Self.shop] + arguments)
  }

  /// Runs `portcullis check` on one policy of the shop's backend, beside the shop's workloads.
  func check(rules: String, action: String = "ALLOW", _ arguments: String...) throws -> Run {
    try check(rules: rules, action: action, arguments)
  }

  /// The same with a list.
  func check(rules: String, action: String = "ALLOW", _ arguments: [String]) throws -> Run {
    let policy = try write(
      """
      apiVersion: security.istio.io/v1
      kind: AuthorizationPolicy
      metadata: {name: only, namespace: shop}
      spec:
        selector: {matchLabels: {app: backend}}
        action: \(action)
        rules: \(rules)

      """, to: "one/policy.yaml")
    return try portcullis(["check", "--policies", policy, "--policies", Self.shop + "/workloads.yaml", "--to", "shop/backend"] + arguments)
  }

  /// The shop example.
  static var shop: String { Programs.project() + "/examples/shop" }
}
