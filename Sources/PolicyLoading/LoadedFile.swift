// What one file holds: the usable objects, the broken ones as far as they can be identified, and what to tell the user.
// Plain values; nothing here reads text.

public import PolicyModel

/// An object that is usable. One word: the objects of a file stand in one array, where the largest kind would make all others as large.
public enum LoadedObject: Sendable {
  case policy(AuthorizationPolicy)
  indirect case peerAuthentication(PeerAuthentication)
  indirect case requestAuthentication(RequestAuthentication)
  indirect case destinationRule(DestinationRule)
  indirect case workload(Workload)
  indirect case inventory(InventoryObject)

  /// Name, namespace, place and age.
  public var metadata: ObjectMetadata {
    switch self {
    case .policy(let policy): policy.metadata
    case .peerAuthentication(let policy): policy.metadata
    case .requestAuthentication(let policy): policy.metadata
    case .destinationRule(let rule): rule.metadata
    case .workload(let workload): workload.metadata
    case .inventory(let object): object.metadata
    }
  }

  /// Which object it is.
  public var key: ObjectKey {
    switch self {
    case .policy(let policy): policy.metadata.key
    case .peerAuthentication(let policy): policy.metadata.key
    case .requestAuthentication(let policy): policy.metadata.key
    case .destinationRule(let rule): rule.metadata.key
    case .workload(let workload): workload.metadata.key
    case .inventory(let object): object.metadata.key
    }
  }
}

/// An object that exists in the file and cannot be used. What could not be read is nil, never guessed.
public struct BrokenObject: Sendable {
  /// The API group; empty for the core group.
  public var group: ExactText?
  /// The kind as object keys have it.
  public var kind: ExactText?
  /// The namespace; `default` when the metadata was read and names none.
  public var namespace: ExactText?
  /// The name.
  public var name: ExactText?
  /// The selector of a policy when it was read completely; without labels when the policy has none.
  public var selector: LabelSelector?
  /// Where the object is written.
  public var location: SourceLocation
  /// What is wrong, as one sentence on one line: the message of its first error, with control characters escaped.
  public var reason: String

  /// The key, when all of it could be read.
  public var key: ObjectKey? {
    guard let kind, let namespace, let name else { return nil }
    return ObjectKey(kind: kind, namespace: namespace, name: name)
  }

  /// Whether the object could be one that decides requests: its group could not be read, or is Istio's security group.
  public var couldDecide: Bool { group == nil || kind == nil || group == "security.istio.io" }
}

/// The content of one file.
///
/// A file has a broken object if and only if it has a diagnostic that is an error.
public struct LoadedFile: Sendable {
  /// The usable objects in the order of the text.
  public var objects: [LoadedObject] = []
  /// The objects that cannot be used, in the order of the text. One without a key stands for anything that the file may hold.
  public var broken: [BrokenObject] = []
  /// Kinds that have nothing to do with policies, and how many objects of each there are.
  public var skipped: [ExactText: Int] = [:]
  /// Errors and warnings in the order of the text.
  public var diagnostics: [Diagnostic] = []
}
