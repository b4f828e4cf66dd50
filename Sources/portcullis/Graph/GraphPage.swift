// The graph as one page: the drawing, a search, filters, and what is known of each call.
// Enters: a graph and a layout. Leaves: HTML that loads nothing: its Content-Security-Policy forbids it. The script sets text, never markup;
// the data stand in a script element that is not run, in which `<` cannot be written.

internal import DecisionText
internal import PolicyAnalysis
internal import PolicyEngine
internal import PolicyModel

struct GraphPage {
  let graph: AccessGraph
  let layout: GraphLayout
  let sources: [String]

  /// The page.
  var html: String {
    let counts = GraphReport(graph).counts
    let workloads = graph.nodes.count { $0.workload != nil }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
      <meta name="viewport" content="width=device-width,initial-scale=1">
      <title>Who may call whom</title>
      <style>\(Self.style)\(AccessGraph.drawingStyle)\(Self.laterStyle)</style>
      </head>
      <body>
      <header>
      <h1>Who may call whom</h1>
      <input id="search" type="search" placeholder="Workload, namespace or service account" aria-label="Search">
      <details id="filter"><summary>Namespaces</summary><div id="namespaces"></div></details>
      <label id="denied-label"><input id="denied" type="checkbox" checked> denied pairs</label>
      <span id="count">\(AccessGraph.xmlText("\(workloads) workloads, \(counts.all) pairs all requests, \(counts.some) some, \(counts.failures) with failures"))</span>
      </header>
      <main>
      <div id="drawing">\(graph.svg(layout, isEmbedded: true))</div>
      <aside id="panel" aria-live="polite"></aside>
      </main>
      <footer><span>\(Self.key("mTLS")) mutual TLS</span><span>\(Self.key("open")) plaintext possible, or TLS that the mesh does not know</span>\
      <span>\(Self.key("failure")) allowed, but the connection fails</span><span>dashed: some requests</span>\
      <span id="denied-key">\(Self.key("denied")) dotted: denied</span>\
      <span class="from">from \(AccessGraph.xmlText(sources.joined(separator: ", ")))</span></footer>
      <script type="application/json" id="data">\(data)</script>
      <script>\(Self.script)</script>
      </body>
      </html>

      """
  }

  /// A sign of the drawing, beside text.
  private static func key(_ name: String) -> String {
    "<svg width=\"14\" height=\"16\" aria-hidden=\"true\"><use href=\"#is-\(name)\"/></svg>"
  }

  /// What the script reads: lists instead of objects, because there may be a quarter of a million pairs.
  private var data: String {
    let nodes = graph.nodes.indices.map { place -> JSONValue in
      let node = graph.nodes[place]
      return .list([
        .text(node.name.string), .text(node.namespace.string), .text(node.kind.string), .text(node.serviceAccount.string),
        .text("\(node.proxy.kind.words): \(node.proxy.because)\(node.proxy.isAssumed ? " (assumed)" : "")"),
        .number(GraphLayout.rounded(layout.nodes[place].x)), .number(GraphLayout.rounded(layout.nodes[place].y)),
        .number(GraphLayout.rounded(layout.widths[place])),
      ])
    }
    let details = graph.details.map { port -> JSONValue in
      .list([
        .text(port.host.string), .optional(port.port.map { .count(Int($0)) }), .text(port.access.words),
        .text(port.reason.map { "\($0.explanation)" } ?? "no proxy stands in front of it, so no policy is enforced"),
        .optional(port.rule.map { .text($0.string) }), .optional(port.ruleLocation.map { .text($0.string) }),
        .text(port.security.rawValue + (port.isConditional ? " (depends)" : "")), .text(port.outcome.text),
      ])
    }
    let edges = graph.edges.map { edge -> JSONValue in
      let name = edge.access == .none ? "denied" : edge.protection.rawValue
      return .list([.count(edge.from), .count(edge.to), .text(edge.access.rawValue), .text(name), .list(edge.ports.map { .count($0) })])
    }
    let value: JSONValue = [
      "nodes": .list(nodes), "details": .list(details), "edges": .list(edges),
      "groups": .list(graph.groups.map { .text($0.namespace.string) }),
      "bundled": .bool(graph.edges.count > GraphLayout.mostEdges),
    ]
    return Self.inScript(value.text)
  }

  /// JSON that cannot end the element that it stands in, nor begin a comment there.
  static func inScript(_ json: String) -> String {
    json.replacing("<", with: "\\u003c").replacing(">", with: "\\u003e").replacing("&", with: "\\u0026")
      .replacing("\u{2028}", with: "\\u2028").replacing("\u{2029}", with: "\\u2029")
  }
}
