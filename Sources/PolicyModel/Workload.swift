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
  /// What tells whether a proxy runs beside it. No decision depends on it.
  public var runtime: WorkloadRuntime

  /// Makes a workload.
  public init(
    metadata: ObjectMetadata, labels: [ExactText: ExactText], serviceAccount: ExactText = "default", addresses: [IPAddress] = [],
    runtime: WorkloadRuntime = WorkloadRuntime()
  ) {
    self.metadata = metadata
    self.labels = labels
    self.serviceAccount = serviceAccount
    self.addresses = addresses
    self.runtime = runtime
  }
}

/// How a workload runs, as far as a manifest says it: what decides whether it has a sidecar or is in ambient mode, and its named ports.
public struct WorkloadRuntime: Sendable, Hashable {
  /// The annotation `sidecar.istio.io/inject`.
  public var injectAnnotation: ExactText?
  /// The annotation `inject.istio.io/templates`: what is injected in place of a sidecar.
  public var templatesAnnotation: ExactText?
  /// The annotation `ambient.istio.io/redirection`, which the node agent writes.
  public var redirectionAnnotation: ExactText?
  /// Whether a container, or a container that starts first, is called `istio-proxy`.
  public var hasProxyContainer = false
  /// Whether the manifest is one that the injector has already seen (`sidecar.istio.io/status`), or that came from a running pod (it has
  /// an address): then a missing proxy container means that there is none.
  public var isObserved = false
  /// `hostNetwork`: such pods get no proxy.
  public var usesHostNetwork = false
  /// Whether the manifest names a service account (Istio: an entry with one is taken to have a proxy).
  public var namesServiceAccount = false
  /// The annotation `traffic.sidecar.istio.io/includeInboundPorts`.
  public var includedInboundPorts: ExactText?
  /// The annotation `traffic.sidecar.istio.io/excludeInboundPorts`.
  public var excludedInboundPorts: ExactText?
  /// The ports that the containers declare.
  public var containerPorts: [UInt16] = []
  /// The ports of the containers that have a name.
  public var namedPorts: [NamedPort] = []

  /// A container port with a name, which a Service may use as its target.
  public struct NamedPort: Sendable, Hashable {
    /// The name.
    public var name: ExactText
    /// The container port.
    public var number: UInt16

    /// Makes a port.
    public init(name: ExactText, number: UInt16) {
      self.name = name
      self.number = number
    }
  }

  /// Knows nothing.
  public init() {}

  /// The ports of the proxy's own pages, which are never redirected.
  public static let proxyPorts: Set<UInt16> = [15_020, 15_021, 15_090]

  /// Whether connections to a port of the pod go around its sidecar, so that neither its mutual TLS nor its policies hold there (Istio: the two
  /// annotations, and the ports of the proxy's own pages, which are never redirected).
  public func bypassesSidecar(_ port: UInt16) -> Bool {
    func lists(_ annotation: ExactText) -> Bool {
      annotation.string.split(separator: ",").contains { UInt16($0.filter { $0 != " " }) == port }
    }
    if Self.proxyPorts.contains(port) { return true }
    if let included = includedInboundPorts, included != "*", !lists(included) { return true }
    return excludedInboundPorts.map(lists) ?? false
  }
}

/// An object of the inventory that nothing is attached to by selectors: ServiceAccount, Service, Namespace, ServiceEntry, Gateway.
public struct InventoryObject: Sendable {
  /// Kind, namespace and name, labels, and where it is written.
  public var metadata: ObjectMetadata
  /// What a Service or a ServiceEntry says about who answers; `nil` for other kinds.
  public var service: ServiceDetail?
  /// The class that a Gateway of the Gateway API is of; `nil` for other kinds.
  public var gatewayClass: ExactText?

  /// Makes an object.
  public init(metadata: ObjectMetadata, service: ServiceDetail? = nil, gatewayClass: ExactText? = nil) {
    self.metadata = metadata
    self.service = service
    self.gatewayClass = gatewayClass
  }
}
