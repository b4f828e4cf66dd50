// The graph in the languages of other programs: Graphviz's DOT and Mermaid.
// Enters: a graph. Leaves: text. Every name of a manifest is escaped by the rules of the language that it stands in, and no name is ever an
// identifier: those are numbers of ours. Never here: a layout.

package import PolicyModel

extension AccessGraph {
  /// The namespaces with the places of their nodes; the client outside is in none.
  package var groups: [(namespace: ExactText, nodes: [Int])] {
    var found: [(namespace: ExactText, nodes: [Int])] = []
    for place in nodes.indices where nodes[place].workload != nil {
      if found.last?.namespace == nodes[place].namespace {
        found[found.count - 1].nodes.append(place)
      } else {
        found.append((nodes[place].namespace, [place]))
      }
    }
    return found
  }

  /// Graphviz's DOT, with a box for each namespace.
  package var dot: String {
    var lines = [
      "digraph portcullis {", "  graph [rankdir=LR, fontname=\"sans-serif\", compound=true];",
      "  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];",
      "  edge [fontname=\"sans-serif\", fontsize=10];",
    ]
    for place in nodes.indices where nodes[place].workload == nil {
      lines.append("  n\(place) [label=\"\(Self.dotText(nodes[place].name))\", shape=ellipse, style=dashed];")
    }
    for (index, group) in groups.enumerated() {
      lines.append("  subgraph cluster_\(index) {")
      lines.append("    label=\"\(Self.dotText(group.namespace))\"; style=\"rounded\"; color=\"#8a94a6\";")
      for place in group.nodes {
        lines.append("    n\(place) [label=\"\(Self.dotText(nodes[place].name))\", tooltip=\"\(Self.dotText(ExactText(title(place))))\"];")
      }
      lines.append("  }")
    }
    for edge in edges {
      lines.append(
        "  n\(edge.from) -> n\(edge.to) [label=\"\(edge.mark)\", color=\"\(edge.color)\", style=\(edge.dotStyle), tooltip=\""
          + "\(Self.dotText(ExactText(summary(edge))))\"];")
    }
    return (lines + ["}"]).joined(separator: "\n")
  }

  /// Mermaid's flowchart.
  package var mermaid: String {
    var lines = ["flowchart LR"]
    for place in nodes.indices where nodes[place].workload == nil {
      lines.append("  n\(place)([\"\(Self.mermaidText(nodes[place].name))\"])")
    }
    for (index, group) in groups.enumerated() {
      lines.append("  subgraph s\(index)[\"\(Self.mermaidText(group.namespace))\"]")
      for place in group.nodes { lines.append("    n\(place)[\"\(Self.mermaidText(nodes[place].name))\"]") }
      lines.append("  end")
    }
    for edge in edges {
      let arrow =
        edge.access == .none ? "-. \"\(edge.mark)\" .-x" : edge.access == .some ? "-. \"\(edge.mark)\" .->" : "-- \"\(edge.mark)\" -->"
      lines.append("  n\(edge.from) \(arrow) n\(edge.to)")
    }
    let styles = Dictionary(grouping: edges.indices) { edges[$0].color }.sorted { $0.key < $1.key }
    for (color, places) in styles {
      lines.append("  linkStyle \(places.map { "\($0)" }.joined(separator: ",")) stroke:\(color)")
    }
    return lines.joined(separator: "\n")
  }

  /// Text between quotes of DOT: a backslash would begin an escape, and a line break is none.
  static func dotText(_ text: ExactText) -> String {
    var written = ""
    for scalar in text.string.unicodeScalars {
      switch scalar {
      case "\"": written += "\\\""
      case "\\": written += "\\\\"
      // Graphviz reads entities of HTML in every text.
      case "&": written += "&amp;"
      default: written.unicodeScalars.append(Self.isPlain(scalar) ? scalar : "\u{fffd}")
      }
    }
    return written
  }

  /// Text between quotes of Mermaid, where nearly everything may mean something: all but letters, digits and a few signs as a number.
  static func mermaidText(_ text: ExactText) -> String {
    var written = ""
    for scalar in text.string.unicodeScalars {
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "-", ".", "/", " ": written.unicodeScalars.append(scalar)
      default: written += Self.isPlain(scalar) ? "#\(scalar.value);" : "#65533;"
      }
    }
    return written
  }

  /// Whether a character neither controls nor turns the direction of writing.
  static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f...0x9f, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfffe, 0xffff: false
    default: true
    }
  }

  /// A node in words.
  package func title(_ place: Int) -> String {
    let node = nodes[place]
    guard node.workload != nil else { return "a client outside the mesh" }
    return "\(node.kind) \(node.namespace)/\(node.name), service account \(node.serviceAccount), \(node.proxy.kind.words)"
  }

  /// An edge in words.
  package func summary(_ edge: Edge) -> String {
    let ports = edge.ports.map { place -> String in
      let port = details[place]
      return "\(port.port.map { "\($0)" } ?? "any port"): \(port.access.words), \(port.security.rawValue)"
    }
    return "\(nodes[edge.from].name) to \(nodes[edge.to].name): \(ports.joined(separator: "; "))"
  }
}

extension AccessGraph.Access {
  /// The word of legends and tooltips.
  package var words: String {
    switch self {
    case .none: "denied"
    case .some: "some requests"
    case .all: "all requests"
    }
  }
}

extension AccessGraph.Edge {
  /// A lock, an open lock, a warning, or a cross.
  package var mark: String {
    if access == .none { return "✕" }
    return switch protection {
    case .mutualTLS: "🔒"
    case .open: "🔓"
    case .failure: "⚠"
    }
  }

  /// The colour of its line.
  package var color: String {
    if access == .none { return "#7d8798" }
    return switch protection {
    case .mutualTLS: "#1a7f4b"
    case .open: "#b45309"
    case .failure: "#c0262d"
    }
  }

  fileprivate var dotStyle: String { access == .none ? "dotted" : access == .some ? "dashed" : "solid" }
}
