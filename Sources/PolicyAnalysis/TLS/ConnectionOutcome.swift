// What becomes of a connection: what the client sends against what the server takes.
// Enters: both sides, resolved. Leaves: mutual TLS, TLS, plaintext or failure, and the reason. Never here: policies; a connection that is
// possible may still be refused by an AuthorizationPolicy.

internal import PolicyModel

/// What becomes of a connection.
package struct ConnectionOutcome: Sendable, Equatable {
  /// How sure it is.
  package enum Verdict: String, Sendable {
    /// It is possible.
    case possible
    /// It is possible if something is so that no manifest says.
    case conditional
    /// It fails.
    case failure
  }

  /// What protects it.
  package enum Security: String, Sendable {
    /// Mutual TLS.
    case mutualTLS = "mTLS"
    /// TLS that the mesh does not terminate.
    case tls = "TLS"
    /// Nothing.
    case plaintext
    /// There is no connection.
    case failure

    /// What protects less is less; no connection protects most.
    var strength: Int {
      switch self {
      case .plaintext: 0
      case .tls: 1
      case .mutualTLS: 2
      case .failure: 3
      }
    }
  }

  /// How sure it is.
  package var verdict: Verdict
  /// What protects it; of a conditional one, if the condition holds.
  package var security: Security
  /// Why.
  package var reason: OutcomeReason
  /// Whether the server learns which workload calls.
  package var hasIdentity: Bool

  /// Whether it is possible because both sides speak HBONE.
  var isByHBONE: Bool { reason == .hbone || reason == .nestedTLS || reason == .waypoint }

  init(_ verdict: Verdict, _ security: Security, _ reason: OutcomeReason, hasIdentity: Bool = false) {
    self.verdict = verdict
    self.security = security
    self.reason = reason
    self.hasIdentity = hasIdentity
  }

  static func failure(_ reason: OutcomeReason) -> ConnectionOutcome { ConnectionOutcome(.failure, .failure, reason) }
}

/// Why a connection becomes what it becomes; the code is stable.
package enum OutcomeReason: String, Sendable, CaseIterable {
  case mutualTLS = "mtls"
  case hbone
  case nestedTLS = "tls-in-hbone"
  case waypoint
  case plaintextAccepted = "plaintext-accepted"
  case plaintextToApplication = "plaintext-to-application"
  case strictRefusesPlaintext = "strict-refuses-plaintext"
  case disabledReadsTLSAsHTTP = "disabled-reads-tls-as-http"
  case disabledPassesTLS = "disabled-passes-mtls-to-application"
  case noChainForTLS = "no-filter-chain-for-tls"
  case tlsToApplication = "tls-to-application"
  case strictWantsCertificate = "strict-wants-certificate"
  case ownCertificate = "own-certificate"
  case mutualTLSToApplication = "mtls-to-application"
  case applicationTLS = "application-tls"
  case waypointWantsHBONE = "waypoint-wants-hbone"
  case gatewayListeners = "gateway-listeners"
  case external
  case externalTLS = "external-tls"
  case unknownHost = "unknown-host"
  case noEndpoint = "no-endpoint"
  case portUnknown = "port-unknown"
  case servicePortUnknown = "service-port-unknown"
  case datagrams = "udp"

  /// The reason as a sentence without its period.
  package var text: String {
    switch self {
    case .mutualTLS: "mutual TLS between the proxies; the server knows who calls"
    case .hbone: "mutual TLS by HBONE; the server knows who calls, and DestinationRules do not change it"
    case .nestedTLS: "TLS inside of HBONE: it works if the application itself takes TLS and its certificate satisfies the client"
    case .waypoint: "a waypoint terminates HBONE, which is always mutual TLS; PeerAuthentication does not apply to it"
    case .plaintextAccepted: "the server's proxy takes plaintext; it does not know who calls, so rules that name principals do not match"
    case .plaintextToApplication: "nothing of the mesh stands in front of the server: plaintext reaches the application"
    case .strictRefusesPlaintext:
      "the server's proxy takes nothing but mutual TLS and resets plaintext (clients see 503 or a reset connection)"
    case .disabledReadsTLSAsHTTP: "the server's proxy has mutual TLS switched off and reads the client's TLS as HTTP: a protocol error"
    case .disabledPassesTLS:
      "the server's proxy has mutual TLS switched off and hands the mesh's TLS to the application, which cannot read it"
    case .noChainForTLS: "the port is declared HTTP, and the server's proxy has no filter chain for TLS that is not the mesh's own"
    case .tlsToApplication:
      "the server's proxy passes this TLS on unread: it works if the application takes TLS and its certificate satisfies the client"
    case .strictWantsCertificate: "the server's proxy demands a client certificate of the mesh, and the client shows none"
    case .ownCertificate:
      "it works if the client's own certificate is of the mesh's root with a SPIFFE name that the mesh takes, and the server's certificate satisfies the DestinationRule"
    case .mutualTLSToApplication: "the client sends the mesh's mutual TLS, and no proxy stands in front of the server to take it"
    case .applicationTLS: "the application's own TLS, end to end; the server's proxy does not know who calls"
    case .waypointWantsHBONE: "a waypoint takes HBONE only, and the client has no proxy that speaks it"
    case .gatewayListeners:
      "a gateway's listeners have TLS settings of their own (Gateway), which are not looked at; PeerAuthentication does not apply"
    case .external: "the server is outside the mesh: what the application sends reaches it as it is"
    case .externalTLS:
      "the client's proxy speaks TLS to a server outside the mesh: it works if that server takes it and its certificate satisfies the client"
    case .unknownHost:
      "no manifest knows the host: the client's proxy passes the connection on as it is, unless the mesh blocks what it does not know"
    case .noEndpoint: "no workload of the given files is behind the service"
    case .portUnknown: "nothing says at which port of the workload it arrives, and PeerAuthentication has several modes there"
    case .servicePortUnknown:
      "nothing says to which port of the service it goes, and the DestinationRule has other settings for single ports"
    case .datagrams: "UDP goes past all proxies"
    }
  }
}

/// What the server's side is.
enum ServerSide {
  /// An Envoy with a mode on the port, and what the port is declared to be.
  case sidecar(PeerAuthentication.Mode, PortFamily)
  /// ztunnel, and whether it refuses plaintext.
  case ambient(isStrict: Bool)
  case waypoint
  case gateway
  /// Nothing of the mesh in front of it.
  case bare(PortFamily)
  case external
}

/// What an application without a proxy that adds TLS sends itself.
package enum ApplicationSends: String, Sendable, CaseIterable {
  /// Plaintext.
  case plaintext
  /// TLS of its own.
  case tls
}

extension ConnectionOutcome {
  /// Of a client whose Envoy sends `transport`. To ambient mode it sends HBONE, whatever it is told, with its own TLS inside.
  static func fromEnvoy(_ transport: ClientTransport, to server: ServerSide) -> ConnectionOutcome {
    switch server {
    case .ambient:
      return transport == .simple || transport == .mutual
        ? ConnectionOutcome(.conditional, .mutualTLS, .nestedTLS, hasIdentity: true)
        : ConnectionOutcome(.possible, .mutualTLS, .hbone, hasIdentity: true)
    case .waypoint: return ConnectionOutcome(.possible, .mutualTLS, .waypoint, hasIdentity: true)
    case .gateway:
      let security: Security = transport == .istioMutual ? .mutualTLS : transport == .plaintext ? .plaintext : .tls
      return ConnectionOutcome(.conditional, security, .gatewayListeners)
    case .external:
      switch transport {
      case .plaintext: return ConnectionOutcome(.possible, .plaintext, .external)
      case .istioMutual: return .failure(.mutualTLSToApplication)
      case .simple, .mutual: return ConnectionOutcome(.conditional, .tls, .externalTLS)
      }
    case .bare:
      switch transport {
      case .plaintext: return ConnectionOutcome(.possible, .plaintext, .plaintextToApplication)
      case .istioMutual: return .failure(.mutualTLSToApplication)
      case .simple, .mutual: return ConnectionOutcome(.conditional, .tls, .tlsToApplication)
      }
    case .sidecar(let mode, let family): return fromEnvoy(transport, toSidecar: mode, family)
    }
  }

  private static func fromEnvoy(
    _ transport: ClientTransport, toSidecar mode: PeerAuthentication.Mode, _ family: PortFamily
  ) -> ConnectionOutcome {
    switch transport {
    case .plaintext:
      return mode == .strict ? .failure(.strictRefusesPlaintext) : ConnectionOutcome(.possible, .plaintext, .plaintextAccepted)
    case .istioMutual:
      guard mode == .disable else { return ConnectionOutcome(.possible, .mutualTLS, .mutualTLS, hasIdentity: true) }
      return .failure(family == .http ? .disabledReadsTLSAsHTTP : .disabledPassesTLS)
    case .simple, .mutual:
      if mode == .strict {
        return transport == .simple
          ? .failure(.strictWantsCertificate) : ConnectionOutcome(.conditional, .mutualTLS, .ownCertificate, hasIdentity: true)
      }
      if family == .http { return .failure(mode == .disable ? .disabledReadsTLSAsHTTP : .noChainForTLS) }
      return ConnectionOutcome(.conditional, .tls, .tlsToApplication)
    }
  }

  /// Of a client in ambient mode. `takesHBONE`: whether a sidecar of the server does.
  static func fromAmbient(_ sends: ApplicationSends, to server: ServerSide, takesHBONE: Bool) -> ConnectionOutcome {
    switch server {
    case .ambient: return ConnectionOutcome(.possible, .mutualTLS, .hbone, hasIdentity: true)
    case .waypoint: return ConnectionOutcome(.possible, .mutualTLS, .waypoint, hasIdentity: true)
    case .sidecar where takesHBONE: return ConnectionOutcome(.possible, .mutualTLS, .hbone, hasIdentity: true)
    default: return fromApplication(sends, to: server)
    }
  }

  /// Of a client without any proxy.
  static func fromApplication(_ sends: ApplicationSends, to server: ServerSide) -> ConnectionOutcome {
    switch (server, sends) {
    case (.waypoint, _): return .failure(.waypointWantsHBONE)
    case (.gateway, _): return ConnectionOutcome(.conditional, sends == .tls ? .tls : .plaintext, .gatewayListeners)
    case (.ambient(isStrict: true), _), (.sidecar(.strict, _), .plaintext): return .failure(.strictRefusesPlaintext)
    case (.sidecar(.strict, _), .tls): return .failure(.strictWantsCertificate)
    case (.ambient, .plaintext), (.sidecar, .plaintext): return ConnectionOutcome(.possible, .plaintext, .plaintextAccepted)
    case (.external, .plaintext): return ConnectionOutcome(.possible, .plaintext, .external)
    case (.external, .tls): return ConnectionOutcome(.possible, .tls, .external)
    case (.bare, .plaintext): return ConnectionOutcome(.possible, .plaintext, .plaintextToApplication)
    case (.sidecar(let mode, .http), .tls): return .failure(mode == .disable ? .disabledReadsTLSAsHTTP : .noChainForTLS)
    case (.bare(.http), .tls): return ConnectionOutcome(.conditional, .tls, .tlsToApplication)
    case (.ambient, .tls), (.sidecar, .tls), (.bare, .tls): return ConnectionOutcome(.possible, .tls, .applicationTLS)
    }
  }
}
