// "Did you mean": the known word nearest to a misspelt one. Two short texts are compared; a long or distant one gets no suggestion.

/// The nearest of `known` to `word` if it is near enough to be a misspelling. O(known × length²), words over 64 bytes excluded.
package func suggestion(for word: String, among known: [String]) -> String? {
  // Before anything is done with a word that may be as long as a file.
  guard word.utf8.count <= 64 else { return nil }
  let bytes = lowercased(word)
  guard !bytes.isEmpty else { return nil }
  var best: (word: String, distance: Int)?
  for candidate in known {
    let most = max(1, min(bytes.count, candidate.utf8.count) / 3)
    guard abs(bytes.count - candidate.utf8.count) <= most else { continue }
    let distance = editDistance(bytes, lowercased(candidate))
    guard distance <= most, distance < best?.distance ?? .max else { continue }
    best = (candidate, distance)
  }
  return best?.word
}

private func lowercased(_ text: String) -> [UInt8] {
  text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
}

/// Insertions, removals, replacements and swaps of neighbours that turn one into the other.
private func editDistance(_ one: [UInt8], _ other: [UInt8]) -> Int {
  var beforePrevious = [Int](repeating: 0, count: other.count + 1)
  var previous = Array(0...other.count)
  for row in one.indices {
    var current = [row + 1]
    for column in other.indices {
      let cost = one[row] == other[column] ? 0 : 1
      var least = min(previous[column] + cost, previous[column + 1] + 1, current[column] + 1)
      if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column] {
        least = min(least, beforePrevious[column - 1] + 1)
      }
      current.append(least)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[other.count]
}
