// The drawing: boxes for namespaces, workloads in them, lines with locks.
// Enters: a graph and a layout. Leaves: SVG that needs nothing else: no font, no image, no link. Names are escaped for XML, and cut where they
// would run out of their box; the full name stands in the title. Never here: a script.

internal import PolicyModel

extension AccessGraph {
  /// The drawing as a document of its own, or, with `isEmbedded`, as a part of a page that brings the style.
  package func svg(_ layout: GraphLayout, isEmbedded: Bool = false) -> String {
    let size = "\(GraphLayout.rounded(layout.width)) \(GraphLayout.rounded(layout.height))"
    var parts = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"graph\" viewBox=\"0 0 \(size)\" role=\"img\" aria-label=\"who may call whom\">"
    ]
    if !isEmbedded {
      let dimensions = "width=\"\(GraphLayout.rounded(layout.width))\" height=\"\(GraphLayout.rounded(layout.height))\""
      parts[0] = parts[0].replacing("<svg ", with: "<svg \(dimensions) ")
      parts.append("<style>\(Self.drawingStyle)</style><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>")
    }
    parts.append(Self.symbols(layout))
    parts.append("<g id=\"boxes\">")
    for place in groups.indices { parts.append(Self.box(place, layout)) }
    parts.append("</g><g id=\"edges\">")
    if edges.count > GraphLayout.mostEdges {
      parts += bundles(layout)
    } else {
      for place in edges.indices { parts.append(drawing(of: place, layout)) }
    }
    // Above the lines, so that they stay readable.
    parts.append("</g><g id=\"titles\">")
    for (place, group) in groups.enumerated() { parts.append(Self.title(place, group.namespace, layout)) }
    parts.append("</g><g id=\"nodes\">")
    for place in nodes.indices { parts.append(drawing(ofNode: place, layout)) }
    return (parts + ["</g></svg>"]).joined(separator: "\n")
  }

  private static func box(_ place: Int, _ layout: GraphLayout) -> String {
    let (r, box) = (GraphLayout.rounded, layout.boxes[place])
    return
      "<g class=\"ns\" data-g=\"\(place)\"><rect x=\"\(r(box.x))\" y=\"\(r(box.y))\" width=\"\(r(box.width))\" height=\"\(r(box.height))\" rx=\"10\"/></g>"
  }

  private static func title(_ place: Int, _ namespace: ExactText, _ layout: GraphLayout) -> String {
    let (r, box, size) = (GraphLayout.rounded, layout.boxes[place], layout.titleSize)
    return
      "<g class=\"ns\" data-g=\"\(place)\"><text x=\"\(r(box.x + 12))\" y=\"\(r(box.y + 6 + size))\" font-size=\"\(r(size))\">\(shown(namespace))</text></g>"
  }

  private func drawing(ofNode place: Int, _ layout: GraphLayout) -> String {
    let r = GraphLayout.rounded
    let (middle, width) = (layout.nodes[place], layout.widths[place])
    let left = r(middle.x - width / 2)
    let isOutside = nodes[place].workload == nil
    return "<g class=\"n \(isOutside ? "outside" : nodes[place].proxy.kind.rawValue)\" data-n=\"\(place)\" tabindex=\"0\">"
      + "<title>\(Self.xmlText(title(place)))</title>"
      + "<rect x=\"\(left)\" y=\"\(r(middle.y - GraphLayout.nodeHeight / 2))\" width=\"\(r(width))\" height=\"\(r(GraphLayout.nodeHeight))\" "
      + "rx=\"\(isOutside ? 15 : 6)\"/><text x=\"\(r(middle.x))\" y=\"\(r(middle.y + 4))\">\(Self.shown(nodes[place].name))</text></g>"
  }

  private func drawing(of place: Int, _ layout: GraphLayout) -> String {
    let edge = edges[place]
    let drawn = layout.curves[GraphLayout.Pair(from: edge.from, to: edge.to)].map { Self.spline($0) }
    let (path, middle) = drawn ?? GraphCurve(clearIn: layout, from: edge.from, to: edge.to).drawn
    let name = edge.access == .none ? "denied" : edge.protection.rawValue
    return "<g class=\"e \(name) \(edge.access.rawValue)\" data-e=\"\(place)\"><title>\(Self.xmlText(summary(edge)))</title>"
      + "<path class=\"hit\" d=\"\(path)\"/><path class=\"line\" d=\"\(path)\" marker-end=\"url(#to-\(name))\"/>"
      + "<use href=\"#is-\(name)\" x=\"\(GraphLayout.rounded(middle.x - 7))\" y=\"\(GraphLayout.rounded(middle.y - 8))\"/></g>"
  }

  /// A curve of Graphviz's, and where it is about half way.
  private static func spline(_ points: [GraphPoint]) -> (path: String, middle: GraphPoint) {
    let r = GraphLayout.rounded
    let rest = points.dropFirst().map { "\(r($0.x)) \(r($0.y))" }.joined(separator: " ")
    return ("M\(r(points[0].x)) \(r(points[0].y))C\(rest)", GraphLayout.middle(points))
  }

  /// One arrow for each pair of namespaces, with the number of pairs of workloads.
  private func bundles(_ layout: GraphLayout) -> [String] {
    var groupOf: [Int: Int] = [:]
    for (index, group) in groups.enumerated() {
      for place in group.nodes { groupOf[place] = index }
    }
    var counts: [[Int]: Int] = [:]
    for edge in edges where edge.access != .none {
      guard let from = groupOf[edge.from], let to = groupOf[edge.to], from != to else { continue }
      counts[[from, to], default: 0] += 1
    }
    return counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { pair, count in
      let (path, middle) = GraphCurve(between: layout.boxes[pair[0]], and: layout.boxes[pair[1]]).drawn
      let names = "\(groups[pair[0]].namespace) to \(groups[pair[1]].namespace): \(count) pairs of workloads"
      return
        "<g class=\"bundle\" data-a=\"\(pair[0])\" data-b=\"\(pair[1])\"><title>\(Self.xmlText(names))</title><path class=\"line\" d=\"\(path)\" marker-end=\"url(#to-bundle)\"/>"
        + "<text x=\"\(GraphLayout.rounded(middle.x))\" y=\"\(GraphLayout.rounded(middle.y))\" "
        + "font-size=\"\(GraphLayout.rounded(layout.titleSize * 0.8))\">\(count > 1 ? "\(count)" : "")</text></g>"
    }
  }

  /// A name, cut to what its box holds.
  private static func shown(_ name: ExactText) -> String {
    let scalars = Array(name.string.unicodeScalars)
    guard scalars.count > GraphLayout.longestName else { return xmlText(name.string) }
    var cut = String.UnicodeScalarView()
    cut.append(contentsOf: scalars.prefix(GraphLayout.longestName - 1))
    return xmlText(String(cut)) + "…"
  }

  /// Text between the tags or the quotes of XML and HTML. What XML cannot hold, and what turns the direction of writing, is replaced.
  package static func xmlText(_ text: String) -> String {
    var written = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": written += "&amp;"
      case "<": written += "&lt;"
      case ">": written += "&gt;"
      case "\"": written += "&quot;"
      case "'": written += "&#39;"
      default: written.unicodeScalars.append(isPlain(scalar) ? scalar : "\u{fffd}")
      }
    }
    return written
  }

  private static let colors = ["mTLS": "#1a7f4b", "open": "#b45309", "failure": "#c0262d", "denied": "#7d8798", "bundle": "#7b8799"]

  /// Arrows and signs.
  private static func symbols(_ layout: GraphLayout) -> String {
    let arrows = colors.sorted { $0.key < $1.key }.map { name, color in
      // Arrows between namespaces must be seen where workloads are dots.
      let size = GraphLayout.rounded(name.utf8.elementsEqual("bundle".utf8) ? layout.titleSize * 0.7 : 7)
      return "<marker id=\"to-\(name)\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"\(size)\" markerHeight=\"\(size)\" "
        + "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"\(color)\"/></marker>"
    }
    return "<defs>\n\(arrows.joined(separator: "\n"))\n\(signs)\n</defs>"
  }

  private static let signs = """
    <symbol id="is-mTLS" width="14" height="16" viewBox="0 0 14 16"><path d="M4 7V4.5a3 3 0 0 1 6 0V7" fill="none" stroke="#1a7f4b" stroke-width="1.8"/>\
    <rect x="2" y="7" width="10" height="7" rx="1.5" fill="#1a7f4b" stroke="#fff" stroke-width=".8"/></symbol>
    <symbol id="is-open" width="14" height="16" viewBox="0 0 14 16"><path d="M4 7V4a3 3 0 0 1 5.6-1.5" fill="none" stroke="#b45309" stroke-width="1.8"/>\
    <rect x="2" y="7" width="10" height="7" rx="1.5" fill="#fff" stroke="#b45309" stroke-width="1.6"/></symbol>
    <symbol id="is-failure" width="14" height="16" viewBox="0 0 14 16"><path d="M7 1.5L13.4 14H.6z" fill="#c0262d" stroke="#fff" stroke-width=".8"/>\
    <path d="M7 6v3.6M7 11v1.6" stroke="#fff" stroke-width="1.6"/></symbol>
    <symbol id="is-denied" width="14" height="16" viewBox="0 0 14 16"><path d="M3 4l8 8M11 4l-8 8" stroke="#7d8798" stroke-width="2"/></symbol>
    """

  /// How the drawing looks; a page that embeds it brings this too.
  package static let drawingStyle = """
    svg{font:12px system-ui,sans-serif}
    .ns rect{fill:#f5f7fa;stroke:#c3cad5}.ns text{fill:#3d4859;font-weight:600;paint-order:stroke;stroke:#f5f7fa;stroke-width:4px;pointer-events:none}
    .n rect{fill:#fff;stroke:#5b6778;stroke-width:1.2}.n text{text-anchor:middle;fill:#16202e}
    .n.none rect{stroke-dasharray:4 3}.n.outside rect{fill:#fdf3e3;stroke-dasharray:4 3}.n.ambient rect{stroke:#3b6fd4}
    .n.gateway rect,.n.waypoint rect{fill:#eef3fd}
    .e path{fill:none}.e .line{stroke-width:1.5}.e .hit{stroke:transparent;stroke-width:11}
    .e.mTLS .line{stroke:#1a7f4b}.e.open .line{stroke:#b45309}.e.failure .line{stroke:#c0262d}.e.denied .line{stroke:#7d8798;stroke-dasharray:2 4}
    .e.some .line{stroke-dasharray:7 4}
    .bundle .line{fill:none;stroke:#7b8799;stroke-width:1.2;opacity:.6}.bundle text{fill:#3d4859;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px}
    """
}
