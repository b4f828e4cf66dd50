// The inventory: what policies can be attached to, read from manifests.

/// Something that runs behind a proxy: a pod, the template of a controller, a workload entry or group.
public struct Workload: Sendable {
  /// Kind, namespace and name, and where it is written.
  public var metadata: ObjectMetadata
  /// The labels that selectors see: the pod's, or those of the controller's pod template.
  public var labels: [ExactText: ExactText]
  /// `spec.serviceAccountName`, or `default`.
  public var serviceAccount: ExactText
  /// Pod IPs or the entry's address, where the manifest has them.
  public var addresses: [IPAddress]

  /// Makes a workload.
  public init(
    metadata: ObjectMetadata, labels: [ExactText: ExactText], serviceAccount: ExactText = "default", addresses: [IPAddress] = []
  ) {
    self.metadata = metadata
    self.labels = labels
    self.serviceAccount = serviceAccount
    self.addresses = addresses
  }
}

/// An object of the inventory that nothing is attached to by selectors: ServiceAccount, Service, Namespace, ServiceEntry, Gateway.
public struct InventoryObject: Sendable {
  /// Kind, namespace and name, labels, and where it is written.
  public var metadata: ObjectMetadata

  /// Makes an object.
  public init(metadata: ObjectMetadata) {
    self.metadata = metadata
  }
}
