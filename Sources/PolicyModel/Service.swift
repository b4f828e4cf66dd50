// What a Service or a ServiceEntry says about who answers under its name, as far as the security of a connection depends on it.
// Enters: decoded objects. Leaves: hosts, ports and endpoints, as written. Never here: anything that decides a request.
// What has a wrong type is left out without a word: Kubernetes would not have taken it, and no decision depends on it.

/// A Service or a ServiceEntry.
public final class ServiceDetail: Sendable {
  /// What a ServiceEntry says it is; a Service is inside the mesh.
  public enum Location: Sendable, Hashable {
    /// Its endpoints are in the mesh: a Service, or `MESH_INTERNAL`.
    case mesh
    /// `MESH_EXTERNAL`, the default of a ServiceEntry.
    case external
  }

  /// One port.
  public struct Port: Sendable, Hashable {
    /// `name`; empty when there is none.
    public var name: ExactText
    /// `port` or `number`: what clients connect to.
    public var number: UInt32
    /// `appProtocol` of a Service, `protocol` of a ServiceEntry; `nil` when it is not written.
    public var appProtocol: ExactText?
    /// Where the connection arrives; `nil` for the same number.
    public var target: Target?
    /// Where it is written.
    public var span: SourceSpan

    /// Where a connection arrives.
    public enum Target: Sendable, Hashable {
      /// A container port.
      case number(UInt16)
      /// The name of a container port.
      case name(ExactText)
    }

    /// Makes a port.
    public init(
      name: ExactText = "", number: UInt32, appProtocol: ExactText? = nil, target: Target? = nil, span: SourceSpan = .nowhere
    ) {
      self.name = name
      self.number = number
      self.appProtocol = appProtocol
      self.target = target
      self.span = span
    }
  }

  /// An endpoint that a ServiceEntry itself lists.
  public struct Endpoint: Sendable, Hashable {
    /// Its address, as written.
    public var address: ExactText
    /// Its labels.
    public var labels: [ExactText: ExactText]
    /// Its service account, when one is written.
    public var serviceAccount: ExactText?

    /// Makes an endpoint.
    public init(address: ExactText, labels: [ExactText: ExactText] = [:], serviceAccount: ExactText? = nil) {
      self.address = address
      self.labels = labels
      self.serviceAccount = serviceAccount
    }
  }

  /// The hosts of a ServiceEntry, as written; a Service has the one that its name gives.
  public let hosts: [ExactText]
  /// Inside the mesh or not.
  public let location: Location
  /// The ports in the order of the text.
  public let ports: [Port]
  /// The labels of the pods behind it; `nil` when it selects none.
  public let selector: LabelSelector?
  /// The endpoints that a ServiceEntry lists.
  public let endpoints: [Endpoint]
  /// `clusterIP: None`, or a ServiceEntry without resolution: clients connect to endpoints themselves.
  public let isHeadless: Bool
  /// The name that a Service of type `ExternalName` stands for.
  public let externalName: ExactText?

  /// Makes a description.
  public init(
    hosts: [ExactText] = [], location: Location = .mesh, ports: [Port] = [], selector: LabelSelector? = nil, endpoints: [Endpoint] = [],
    isHeadless: Bool = false, externalName: ExactText? = nil
  ) {
    self.hosts = hosts
    self.location = location
    self.ports = ports
    self.selector = selector
    self.endpoints = endpoints
    self.isHeadless = isHeadless
    self.externalName = externalName
  }
}
