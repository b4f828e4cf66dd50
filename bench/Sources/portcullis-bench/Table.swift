// Prints results as a table that can be pasted into a Markdown page. Text enters, text leaves; nothing is computed here.

/// A table with a heading row.
struct Table {
  private var rows: [[String]]

  init(_ heading: [String]) { rows = [heading] }

  /// Adds a row with as many cells as the heading.
  mutating func add(_ cells: [String]) { rows.append(cells) }

  /// The whole table, columns aligned.
  var text: String {
    let widths = (rows.first ?? []).indices.map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    var lines = rows.map { row in
      "| " + zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }.joined(separator: " | ")
        + " |"
    }
    lines.insert("| " + widths.map { String(repeating: "-", count: max($0, 3)) }.joined(separator: " | ") + " |", at: 1)
    return lines.joined(separator: "\n")
  }
}
