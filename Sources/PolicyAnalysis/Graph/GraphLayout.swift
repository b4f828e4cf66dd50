// Where the nodes of a drawing stand.
// Enters: a graph, or what Graphviz printed of it (`dot -Tplain`). Leaves: positions and boxes in points, y downwards.
// Never here: Graphviz itself; who calls this runs it.

internal import PolicyModel

/// A place in the drawing.
package struct GraphPoint: Sendable, Equatable {
  package var x: Double
  package var y: Double
}

/// The box of a namespace: its upper left corner and its size.
package typealias GraphBox = (x: Double, y: Double, width: Double, height: Double)

/// The positions of a drawing.
package struct GraphLayout: Sendable {
  /// The middle of each node.
  package private(set) var nodes: [GraphPoint]
  /// The width of each node.
  package private(set) var widths: [Double]
  /// The box of each namespace, in the order of the graph's groups.
  package private(set) var boxes: [GraphBox] = []
  /// The control points of the curves that Graphviz drew, by the pair that they lead from and to; none where it drew nothing.
  package private(set) var curves: [Pair: [GraphPoint]] = [:]
  /// The width of all.
  package private(set) var width = 0.0
  /// The height of all.
  package private(set) var height = 0.0
  /// The height of every node.
  package static let nodeHeight = 30.0
  /// More pairs than this are drawn as one arrow for each pair of namespaces.
  package static let mostEdges = 400

  /// Two nodes, by their places.
  package struct Pair: Hashable, Sendable {
    var from: Int
    var to: Int
  }

  /// A layout without Graphviz: namespaces as boxes in rows, workloads in a grid in each.
  package init(simple graph: AccessGraph) {
    widths = graph.nodes.map { Self.width(of: $0) }
    nodes = Array(repeating: GraphPoint(x: 0, y: 0), count: graph.nodes.count)
    let margin = 28.0
    var (x, y, rowHeight) = (margin, margin, 0.0)
    for place in graph.nodes.indices where graph.nodes[place].workload == nil {
      nodes[place] = GraphPoint(x: margin + widths[place] / 2, y: margin + Self.nodeHeight / 2)
      y += Self.nodeHeight + 40
    }
    let grids = graph.groups.map { Grid($0.nodes.map { widths[$0] }) }
    let rowWidth = Self.rowWidth(grids, from: y)
    for (group, grid) in zip(graph.groups, grids) {
      if x > margin, x + grid.width > rowWidth { (x, y, rowHeight) = (margin, y + rowHeight + Self.gap, 0) }
      boxes.append((x, y, grid.width, grid.height))
      for (index, place) in group.nodes.enumerated() {
        let (column, row) = (index % grid.columns, index / grid.columns)
        // Every other row is set off, so that lines between rows do not lie on each other.
        let shift = row % 2 == 1 && grid.columns > 1 ? 12.0 : 0
        nodes[place] = GraphPoint(
          x: x + 10 + grid.cell * (Double(column) + 0.5) + shift, y: y + 46 + Self.nodeHeight / 2 + Double(row) * Grid.rowHeight)
      }
      x += grid.width + Self.gap
      rowHeight = max(rowHeight, grid.height)
    }
    measure(margin: margin)
  }

  /// The workloads of a namespace in rows.
  private struct Grid {
    static let rowHeight = GraphLayout.nodeHeight + 34
    let columns: Int
    let cell: Double
    let width: Double
    let height: Double

    init(_ widths: [Double]) {
      columns = max(1, Int(Double(widths.count).squareRoot().rounded(.up)))
      cell = (widths.max() ?? 100) + 46
      width = Double(columns) * cell + 20
      height = Double((widths.count + columns - 1) / columns) * Self.rowHeight + 40
    }
  }

  /// The room between boxes.
  private static let gap = 50.0

  /// How wide rows of boxes are, so that all of them fill a window best: one of 5 by 4, as a page leaves to its drawing. O(boxes), at most 50 times.
  private static func rowWidth(_ grids: [Grid], from top: Double) -> Double {
    var best = (width: 900.0, scale: 0.0)
    let widest = (grids.map(\.width).max() ?? 0) + gap
    for columns in 1...50 {
      let limit = max(900, Double(columns) * widest)
      var (x, y, rowHeight, right) = (0.0, top, 0.0, 0.0)
      for grid in grids {
        if x > 0, x + grid.width > limit { (x, y, rowHeight) = (0, y + rowHeight + gap, 0) }
        x += grid.width + gap
        (rowHeight, right) = (max(rowHeight, grid.height), max(right, x))
      }
      let scale = min(5 / max(right, 1), 4 / max(y + rowHeight, 1))
      if scale > best.scale { best = (limit, scale) }
      if right + widest < limit { break }
    }
    // The left margin is not a part of the row.
    return best.width + 28
  }

  /// How large the names of namespaces are: they stay readable where names of workloads no longer are.
  var titleSize: Double { min(34, max(13, width / 100)) }

  /// A layout by Graphviz; nil when its text is not one of this graph.
  package init?(plain text: String, of graph: AccessGraph) {
    widths = graph.nodes.map { Self.width(of: $0) }
    var found: [GraphPoint?] = Array(repeating: nil, count: graph.nodes.count)
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 4, words[0].utf8.elementsEqual("node".utf8), let place = Int(words[1].dropFirst()), found.indices.contains(place),
        let x = Double(words[2]), let y = Double(words[3]), x.magnitude < 1e6, y.magnitude < 1e6
      else { continue }
      // Inches, y upwards.
      found[place] = GraphPoint(x: x * 72, y: -y * 72)
    }
    nodes = found.compactMap { $0 }
    guard nodes.count == graph.nodes.count, !nodes.isEmpty else { return nil }
    let margin = 60.0
    let (left, top) = (nodes.map(\.x).min() ?? 0, nodes.map(\.y).min() ?? 0)
    let widest = widths.max() ?? 0
    func moved(_ point: GraphPoint) -> GraphPoint { GraphPoint(x: point.x - left + margin + widest / 2, y: point.y - top + margin + 20) }
    nodes = nodes.map(moved)
    // A curve that runs far around everything is harder to follow than a line of ours.
    let (right, bottom) = ((nodes.map(\.x).max() ?? 0) + widest / 2 + 40, (nodes.map(\.y).max() ?? 0) + 50)
    curves = Self.curves(in: text).mapValues { $0.map(moved) }.filter { _, points in
      points.allSatisfy { $0.x > 0 && $0.y > 0 && $0.x < right && $0.y < bottom }
    }
    // Two ways on one line would hide each other's signs; lines of ours lie beside each other.
    curves = curves.filter { pair, points in
      guard let back = curves[Pair(from: pair.to, to: pair.from)] else { return true }
      let (one, two) = (Self.middle(points), Self.middle(back))
      return max((one.x - two.x).magnitude, (one.y - two.y).magnitude) >= 16
    }
    for group in graph.groups {
      let sides = group.nodes.map { (nodes[$0].x - widths[$0] / 2, nodes[$0].x + widths[$0] / 2, nodes[$0].y) }
      let (minX, maxX) = (sides.map(\.0).min() ?? 0, sides.map(\.1).max() ?? 0)
      let (minY, maxY) = (sides.map(\.2).min() ?? 0, sides.map(\.2).max() ?? 0)
      boxes.append((minX - 14, minY - 42, maxX - minX + 28, maxY - minY + 42 + Self.nodeHeight))
    }
    measure(margin: 28)
  }

  /// The lines `edge nFROM nTO count x y …` of Graphviz's text.
  private static func curves(in text: String) -> [Pair: [GraphPoint]] {
    var found: [Pair: [GraphPoint]] = [:]
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 4, words[0].utf8.elementsEqual("edge".utf8), let from = Int(words[1].dropFirst()),
        let to = Int(words[2].dropFirst()),
        let count = Int(words[3]), count >= 4, count % 3 == 1, count < 1000, words.count >= 4 + 2 * count
      else { continue }
      let numbers = words[4..<4 + 2 * count].compactMap { Double($0) }
      guard numbers.count == 2 * count, numbers.allSatisfy({ $0.magnitude < 1e6 }) else { continue }
      found[Pair(from: from, to: to)] = (0..<count).map { GraphPoint(x: numbers[2 * $0] * 72, y: -numbers[2 * $0 + 1] * 72) }
    }
    return found
  }

  /// About half way: the middle piece of a curve of Graphviz's, at its own middle.
  static func middle(_ points: [GraphPoint]) -> GraphPoint {
    let first = (points.count - 1) / 3 / 2 * 3
    let (one, two, three, four) = (points[first], points[first + 1], points[first + 2], points[first + 3])
    return GraphPoint(x: (one.x + 3 * two.x + 3 * three.x + four.x) / 8, y: (one.y + 3 * two.y + 3 * three.y + four.y) / 8)
  }

  private mutating func measure(margin: Double) {
    let points = curves.values.joined()
    let right = zip(nodes, widths).map { $0.x + $1 / 2 } + boxes.map { $0.x + $0.width } + points.map(\.x)
    width = (right.max() ?? 0) + margin
    let low = nodes.map { $0.y + Self.nodeHeight } + boxes.map { $0.y + $0.height } + points.map(\.y)
    height = (low.max() ?? 0) + margin
  }

  /// What Graphviz is asked to lay out: numbers and sizes only, no text of a manifest.
  package static func question(_ graph: AccessGraph) -> String {
    var lines = [
      "digraph g {", "  graph [rankdir=LR, nodesep=0.5, ranksep=1.1];", "  node [shape=box, fixedsize=true, label=\"\"];",
      "  edge [dir=none];",
    ]
    func node(_ place: Int) -> String {
      "n\(place) [width=\(rounded((Self.width(of: graph.nodes[place]) + 4) / 72)), height=\(rounded((nodeHeight + 4) / 72))];"
    }
    for place in graph.nodes.indices where graph.nodes[place].workload == nil { lines.append("  " + node(place)) }
    for (index, group) in graph.groups.enumerated() {
      lines.append("  subgraph cluster_\(index) { margin=24; label=\" \";")
      for place in group.nodes { lines.append("    " + node(place)) }
      lines.append("  }")
    }
    for edge in graph.edges where edge.access != .none { lines.append("  n\(edge.from) -> n\(edge.to);") }
    return (lines + ["}"]).joined(separator: "\n")
  }

  /// About how wide a name is written; long names are cut in the drawing.
  private static func width(of node: AccessGraph.Node) -> Double {
    Double(min(max(node.name.string.unicodeScalars.count, 6), longestName)) * 7.3 + 24
  }

  /// The longest name that is drawn in full.
  package static let longestName = 26

  /// A number as it stands in a drawing: two places behind the point.
  package static func rounded(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}
