// The lines that Graphviz did not draw: curves of the second degree from border to border.
// Enters: places of a layout. Leaves: a curve that runs through as few workloads as one of a few can. Never here: a line that Graphviz drew.

/// A curve of one or two pieces, with one control point each.
struct GraphCurve {
  private let start: GraphPoint
  private let pieces: [(control: GraphPoint, end: GraphPoint)]

  /// Bends that are tried, in units of the usual one, the best first. A negative one lies on the side of the way back, and so beyond it.
  private static let bends = [1, 2.4, -2.4, 4, -4, 6, -6]

  /// The curve from a workload to another one that runs through the fewest others. O(workloads).
  init(clearIn layout: GraphLayout, from: Int, to: Int) {
    let half = { (place: Int, more: Double) in (x: (layout.widths[place] + more) / 2, y: GraphLayout.nodeHeight / 2 + 2) }
    let others = layout.nodes.indices.filter { $0 != from && $0 != to }
    let (one, two) = (layout.nodes[from], layout.nodes[to])
    var tried = Self.bends.map { Self(one, half(from, 0), two, half(to, 4), bend: $0) }
    // Between two rows there is room for a line that turns twice.
    if (two.y - one.y).magnitude > 2 * GraphLayout.nodeHeight { tried.insert(Self(between: one, and: two, half: half(to, 0).y), at: 1) }
    var (best, fewest) = (tried[0], Int.max)
    for curve in tried where fewest > 0 {
      let points = curve.points
      let hits = others.count { place in
        let (middle, size) = (layout.nodes[place], half(place, 4))
        return points.contains { ($0.x - middle.x).magnitude < size.x && ($0.y - middle.y).magnitude < size.y }
      }
      if hits < fewest { (best, fewest) = (curve, hits) }
    }
    self = best
  }

  /// The curve between two boxes of namespaces.
  init(between one: GraphBox, and two: GraphBox) {
    let middle = { (box: GraphBox) in GraphPoint(x: box.x + box.width / 2, y: box.y + box.height / 2) }
    self.init(middle(one), (one.width / 2, one.height / 2), middle(two), (two.width / 2, two.height / 2), bend: 1)
  }

  /// Bent to its left, so that the way back lies beside it.
  private init(_ from: GraphPoint, _ fromHalf: (x: Double, y: Double), _ to: GraphPoint, _ toHalf: (x: Double, y: Double), bend: Double) {
    let (dx, dy) = (to.x - from.x, to.y - from.y)
    let length = max((dx * dx + dy * dy).squareRoot(), 1)
    let offset = min(26, length * 0.12) * bend / length
    let control = GraphPoint(x: (from.x + to.x) / 2 + dy * offset, y: (from.y + to.y) / 2 - dx * offset)
    start = Self.border(from, fromHalf, towards: control)
    pieces = [(control, Self.border(to, toHalf, towards: control))]
  }

  /// From the lower border of one to the upper border of the other, or the other way round; the way back stands beside it.
  private init(between one: GraphPoint, and two: GraphPoint, half: Double) {
    let isDown = two.y > one.y
    let (side, reach) = isDown ? (8.0, half) : (-8.0, -half)
    let (from, to) = (GraphPoint(x: one.x + side, y: one.y + reach), GraphPoint(x: two.x + side, y: two.y - reach))
    let middle = GraphPoint(x: (from.x + to.x) / 2, y: (from.y + to.y) / 2)
    start = from
    pieces = [(GraphPoint(x: from.x, y: middle.y), middle), (GraphPoint(x: to.x, y: middle.y), to)]
  }

  private static func border(_ middle: GraphPoint, _ half: (x: Double, y: Double), towards point: GraphPoint) -> GraphPoint {
    let (dx, dy) = (point.x - middle.x, point.y - middle.y)
    let scale = min(half.x / max(dx.magnitude, 0.01), half.y / max(dy.magnitude, 0.01), 1)
    return GraphPoint(x: middle.x + dx * scale, y: middle.y + dy * scale)
  }

  /// The point at a part of the way, from 0 to 1.
  private func point(at part: Double) -> GraphPoint {
    let place = min(Int(part * Double(pieces.count)), pieces.count - 1)
    let (from, piece) = (place == 0 ? start : pieces[place - 1].end, pieces[place])
    let t = part * Double(pieces.count) - Double(place)
    let (one, two, three) = ((1 - t) * (1 - t), 2 * t * (1 - t), t * t)
    return GraphPoint(
      x: one * from.x + two * piece.control.x + three * piece.end.x, y: one * from.y + two * piece.control.y + three * piece.end.y)
  }

  private var points: [GraphPoint] { (1..<32).map { point(at: Double($0) / 32) } }

  /// What is drawn, and where its sign stands: nearer to the end, because lines that leave one workload part on the way.
  var drawn: (path: String, middle: GraphPoint) {
    let r = GraphLayout.rounded
    let rest = pieces.map { "Q\(r($0.control.x)) \(r($0.control.y)) \(r($0.end.x)) \(r($0.end.y))" }.joined()
    return ("M\(r(start.x)) \(r(start.y))\(rest)", point(at: 0.6))
  }
}
