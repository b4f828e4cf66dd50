// What a few rounds say together: their median and their range. Never a mean, which one disturbed round would move.

/// The median and range of one figure over all rounds.
struct Spread {
  let median: Double
  let minimum: Double
  let maximum: Double

  /// - Parameter values: at least one, in any order
  init(_ values: [Double]) {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    minimum = sorted.first ?? .nan
    maximum = sorted.last ?? .nan
  }

  /// `median (minimum–maximum)`, each as `format` writes it.
  func text(_ format: (Double) -> String) -> String {
    "\(format(median)) (\(format(minimum))–\(format(maximum)))"
  }
}

extension Double {
  /// With a fixed number of digits after the point.
  func digits(_ count: Int) -> String {
    var scale = 1.0
    for _ in 0..<count { scale *= 10 }
    let rounded = (self * scale).rounded()
    guard rounded.isFinite, rounded.magnitude < 1e15 else { return "\(self)" }
    let whole = Int64(rounded.magnitude)
    let sign = rounded < 0 ? "-" : ""
    guard count > 0 else { return "\(sign)\(whole)" }
    let unit = Int64(scale)
    let fraction = String(whole % unit)
    return "\(sign)\(whole / unit)." + String(repeating: "0", count: count - fraction.utf8.count) + fraction
  }

  /// As a percentage without digits after the point.
  var percent: String { "\((self * 100).digits(0)) %" }
}
