// Which workloads an object selects.

/// `spec.selector.matchLabels`: a workload is selected when its labels contain all of these. Without labels it selects all.
public struct LabelSelector: Sendable, Hashable {
  /// The demanded labels, sorted by key.
  public private(set) var matchLabels: [Pair]
  /// How much of the selector was written.
  public private(set) var form: Form

  /// How much of a selector was written. Without labels a sidecar selects everything in every form; ztunnel tells the forms apart
  /// (Istio, pilot/pkg/serviceregistry/ambient).
  public enum Form: UInt8, Sendable, Hashable {
    /// No `selector`.
    case absent
    /// `selector: {}`.
    case empty
    /// A selector with `matchLabels`, which may be empty.
    case labels
  }

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

  /// Makes a selector from labels in any order; without labels and form it is absent.
  public init(matchLabels: [ExactText: ExactText] = [:], form: Form? = nil) {
    self.matchLabels = matchLabels.map { Pair(key: $0.key, value: $0.value) }.sorted()
    self.form = form ?? (matchLabels.isEmpty ? .absent : .labels)
  }

  /// Whether it demands nothing.
  public var isEmpty: Bool { matchLabels.isEmpty }

  /// Whether a workload with these labels is selected (Istio: equality only, no expressions). O(labels of the selector).
  public func selects(_ labels: [ExactText: ExactText]) -> Bool {
    matchLabels.allSatisfy { labels[$0.key] == $0.value }
  }
}
