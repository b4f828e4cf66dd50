// A real browser, without a window: a page is opened and used as a person does.
// Enters: a page and steps. Leaves: what the page's script says in between, every complaint of the console, and all that was asked for.
// Never here: a network; the browser's proxy is an address at which nobody listens.

internal import Foundation

/// What is done with a page.
package enum BrowserStep {
  /// JavaScript, whose value is one of the visit's.
  case evaluate(String)
  /// A click on the element that JavaScript names, or on its point `[x, y]`.
  case click(String)
  /// A drag between the two points that JavaScript names.
  case drag(String)
  /// A turn of the wheel: JavaScript of `[x, y, how far]`.
  case wheel(String)
  /// Text for the element that has the focus.
  case type(String)
  /// A key by its name, such as `Enter`.
  case key(String)
  /// Whether the screen is a dark one.
  case dark(Bool)

  fileprivate var json: [String: String] {
    switch self {
    case .evaluate(let script): ["evaluate": script]
    case .click(let script): ["click": script]
    case .drag(let script): ["drag": script]
    case .wheel(let script): ["wheel": script]
    case .type(let text): ["type": text]
    case .key(let name): ["key": name]
    case .dark(let isDark): ["scheme": isDark ? "dark" : "light"]
    }
  }
}

/// What came out of a visit.
package struct BrowserVisit {
  /// The values of the `evaluate` steps, in their order.
  package let values: [Any]
  /// Errors and warnings of the console, exceptions, dialogs.
  package let errors: [String]
  /// Every address that was asked for.
  package let requests: [String]

  /// A value as a text.
  package func text(_ place: Int) -> String { values.indices.contains(place) ? values[place] as? String ?? "\(values[place])" : "" }

  /// A value as a number.
  package func number(_ place: Int) -> Int? { values.indices.contains(place) ? values[place] as? Int : nil }
}

extension Sandbox {
  /// Opens a file in Chromium and takes the steps.
  ///
  /// - Parameter fragment: what stands behind `#` in the address.
  package func browse(_ page: String, fragment: String = "", _ steps: [BrowserStep]) throws -> BrowserVisit {
    let address = "file://\(page)" + (fragment.isEmpty ? "" : "#\(fragment)")
    let file = path("steps-\(UUID().uuidString).json")
    try JSONSerialization.data(withJSONObject: steps.map(\.json)).write(to: URL(fileURLWithPath: file))
    let script = Programs.project() + "/Tests/Browser/browse.py"
    let run = try run(
      "/bin/sh", ["-c", "exec /usr/bin/python3 \"$0\" \"$1\" \"$2\" < \"$3\"", script, Programs.chromium(), address, file], seconds: 120)
    guard run.end == .exited(0) else { throw TestFailure("the browser failed: \(run.errors)") }
    let result = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any] ?? [:]
    return BrowserVisit(
      values: result["values"] as? [Any] ?? [], errors: result["errors"] as? [String] ?? [], requests: result["requests"] as? [String] ?? []
    )
  }
}
