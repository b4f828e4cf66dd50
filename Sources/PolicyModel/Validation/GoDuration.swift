// Durations as Go spells them ("1h30m", "250ms"), because Istio reads them with Go's time.ParseDuration.
// A text enters; nanoseconds leave, or nothing. How long a field may be is the caller's matter.

private let nanosecondsPerUnit: [(unit: StaticString, nanoseconds: Int64)] = [
  // Longer spellings first: "ms" begins like "m".
  ("ns", 1), ("us", 1000), ("\u{b5}s", 1000), ("\u{3bc}s", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
  ("h", 3_600_000_000_000),
]

/// The nanoseconds of a Go duration; nil when the text is none, or is longer than about 292 years. O(bytes).
package func goDuration(_ text: ExactText) -> Int64? {
  var rest = text.bytes[...]
  var isNegative = false
  if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
    isNegative = sign == UInt8(ascii: "-")
    rest = rest.dropFirst()
  }
  if rest.elementsEqual("0".utf8) { return 0 }
  guard !rest.isEmpty else { return nil }
  var total: Int64 = 0
  while !rest.isEmpty {
    guard let part = component(&rest) else { return nil }
    let (sum, overflow) = total.addingReportingOverflow(part)
    guard !overflow else { return nil }
    total = sum
  }
  return isNegative ? -total : total
}

/// Digits, optionally a point and digits, and a unit.
private func component(_ rest: inout ArraySlice<UInt8>) -> Int64? {
  let whole = rest.prefix { (0x30...0x39).contains($0) }
  rest = rest.dropFirst(whole.count)
  var fraction: ArraySlice<UInt8> = []
  if rest.first == UInt8(ascii: ".") {
    rest = rest.dropFirst()
    fraction = rest.prefix { (0x30...0x39).contains($0) }
    rest = rest.dropFirst(fraction.count)
  }
  guard !whole.isEmpty || !fraction.isEmpty else { return nil }
  guard let (unit, length) = unit(rest) else { return nil }
  rest = rest.dropFirst(length)
  guard let count = whole.isEmpty ? 0 : Int64(String(decoding: whole, as: UTF8.self)) else { return nil }
  let (product, overflow) = count.multipliedReportingOverflow(by: unit)
  guard !overflow else { return nil }
  // Below a unit, so that it cannot overflow; digits behind the twelfth stand for less than a nanosecond.
  var part: Int64 = 0
  var scale = unit
  for digit in fraction where scale > 0 {
    scale /= 10
    part += Int64(digit - 0x30) * scale
  }
  let (sum, overflowSum) = product.addingReportingOverflow(part)
  return overflowSum ? nil : sum
}

private func unit(_ text: ArraySlice<UInt8>) -> (nanoseconds: Int64, length: Int)? {
  for (unit, nanoseconds) in nanosecondsPerUnit {
    let spelling = Array("\(unit)".utf8)
    if text.starts(with: spelling) { return (nanoseconds, spelling.count) }
  }
  return nil
}
