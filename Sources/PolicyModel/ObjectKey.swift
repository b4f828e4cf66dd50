// Which Kubernetes object is meant.

/// The identity of an object: kind, namespace and name. At most one object of a key exists in a policy set.
public struct ObjectKey: Sendable, Hashable, Comparable {
  /// The kind as written, for example `AuthorizationPolicy`.
  public var kind: ExactText
  /// The namespace; empty for kinds that have none.
  public var namespace: ExactText
  /// The object's name.
  public var name: ExactText

  /// Names an object.
  public init(kind: ExactText, namespace: ExactText, name: ExactText) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
  }

  /// By namespace, then name, then kind.
  public static func < (left: ObjectKey, right: ObjectKey) -> Bool {
    if left.namespace != right.namespace { return left.namespace < right.namespace }
    if left.name != right.name { return left.name < right.name }
    return left.kind < right.kind
  }

  /// `Kind namespace/name`, as messages show it.
  public var description: String {
    namespace.isEmpty ? "\(kind) \(name)" : "\(kind) \(namespace)/\(name)"
  }
}

/// What every loaded object has: its key, where it is written, and when it was made.
public struct ObjectMetadata: Sendable {
  /// Which object this is.
  public var key: ObjectKey
  /// The file and the span of the object's name (or of the document, when the name is missing).
  public var location: SourceLocation
  /// `metadata.creationTimestamp` in Unix seconds. The largest number for objects without one: a cluster has yet to create them, and then
  /// they are younger than all others (Istio: the oldest wins).
  public var creationTime: Int64
  /// `metadata.labels`.
  public var labels: [ExactText: ExactText]

  /// Collects the metadata.
  public init(key: ObjectKey, location: SourceLocation, creationTime: Int64 = .max, labels: [ExactText: ExactText] = [:]) {
    self.key = key
    self.location = location
    self.creationTime = creationTime
    self.labels = labels
  }
}
