// Which workloads an object selects.

/// `spec.selector.matchLabels`: a workload is selected when its labels contain all of these. Without labels it selects all.
public struct LabelSelector: Sendable, Hashable {
  /// The demanded labels, sorted by key.
  public private(set) var matchLabels: [Pair]

  /// One demanded label.
  public struct Pair: Sendable, Hashable, Comparable {
    /// The label's key.
    public var key: ExactText
    /// The label's value.
    public var value: ExactText

    /// Makes a pair.
    public init(key: ExactText, value: ExactText) {
      self.key = key
      self.value = value
    }

    /// By key, then value.
    public static func < (left: Pair, right: Pair) -> Bool {
      left.key != right.key ? left.key < right.key : left.value < right.value
    }
  }

  /// Makes a selector from labels in any order.
  public init(matchLabels: [ExactText: ExactText] = [:]) {
    self.matchLabels = matchLabels.map { Pair(key: $0.key, value: $0.value) }.sorted()
  }

  /// Whether it demands nothing.
  public var isEmpty: Bool { matchLabels.isEmpty }

  /// Whether a workload with these labels is selected (Istio: equality only, no expressions). O(labels of the selector).
  public func selects(_ labels: [ExactText: ExactText]) -> Bool {
    matchLabels.allSatisfy { labels[$0.key] == $0.value }
  }
}
