// Native RBAC filters as YAML with comments for the operator who pastes it.
//
// Enters: the rules of one workload. Leaves: text, the same for the same policies. Never happens here: files, decisions; user text that
// is not a double-quoted scalar or a comment of one line.

internal import PolicyModel

/// What `portcullis export envoy-rbac` writes.
struct EnvoyRBACOptions: Sendable {
  /// The workload as the user wrote it.
  var workload: WorkloadName
  /// Whether the proxy speaks TCP to the workload.
  var isTCP = false
  /// For a waypoint, what its listener's traffic is addressed to; `nil` for other proxies.
  var service: AddressedService?
  /// Whether clients connect directly: their address is then the connection's, not what a header says.
  var isGateway = false
  /// The mesh's path normalization.
  var pathNormalization = PathNormalization.base
}

extension EnvoyRBACOptions {
  /// The whole export: every part introduced by where it goes.
  ///
  /// - Returns: one YAML document that ends in a newline.
  func document(_ rbac: EnvoyRBAC) -> String {
    var text = """
      # The policies of `\(workload.text)` as Envoy's own RBAC filters, for \(isTCP ? "a TCP" : "an HTTP") chain. No engine is asked at run time.
      # Made by `portcullis export envoy-rbac`; checked with Envoy 1.40. Make it anew when a policy or the workload's labels change.

      """
    if !isGateway {
      text += """
        # These filters do not ask whether a peer's trust domain is accepted. The listener's TLS context has to demand it (Istio's does): of a
        # client's certificate a URI name that begins with `spiffe://DOMAIN/`, in `match_typed_subject_alt_names`.

        """
    }
    for policy in rbac.delegated { text += "# \(policy) is CUSTOM: the proxy asks its provider itself, by a filter before these.\n" }
    for policy in rbac.denying {
      text += "# \(policy) is CUSTOM, and its rules deny, as in Istio: its provider cannot be asked, or it is in dry run.\n"
    }
    if let service {
      text += """
        # For a waypoint's listener whose traffic is addressed to \(service.object == nil ? "a workload's own address" : "`\(service.text)`").
        # The listener that ends HBONE must keep the URI names of the client's certificate in the filter state `io.istio.peer_principal` and
        # share it with this one (docs/envoy.md, "Waypoints"); Istio's waypoints do.

        """
    }
    if isTCP {
      return text + """

        # Into `filters` of the filter chain of the inbound listener, in this order, BEFORE `envoy.filters.network.tcp_proxy`.
        filters:\(rbac.filters.isEmpty ? " []" : "")
        \(filterList(rbac))
        """
    }
    return text + """

      # 1. Into the `typed_config` of the `http_connection_manager` of the inbound listener.
      http_connection_manager:
      \(connectionManager().split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
        # 2. Into its `http_filters`, in this order: after `envoy.filters.http.jwt_authn` (whose `payload_in_metadata` must be `payload`),
        #    before every filter that acts on the request, before the router.
        http_filters:\(rbac.filters.isEmpty ? " []" : "")
      \(filterList(rbac).split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))

      """
  }

  /// One part alone, ready to be spliced into a template; `nil` for a cluster, which there is none of.
  func text(of part: ExportPart, _ rbac: EnvoyRBAC) -> String? {
    switch part {
    case .cluster: nil
    case .httpFilter, .networkFilter: filterList(rbac)
    case .hcm: connectionManager()
    }
  }

  /// The settings of the connection manager.
  private func connectionManager() -> String {
    """
    \(pathNormalization.connectionManagerSettings)
    # The client's address (`remoteIpBlocks`, `remote.ip`): \(isGateway ? "the connection's peer" : "the last entry of X-Forwarded-For, else the connection's peer").
    use_remote_address: \(isGateway)

    """
  }

  private func filterList(_ rbac: EnvoyRBAC) -> String {
    if rbac.filters.isEmpty { return Self.nothing }
    return rbac.filters.map { filter($0) }.joined()
  }

  /// Stands in a list of filters as it is.
  private static let nothing = "# No policy attaches to this workload: everything is allowed.\n"

  private func filter(_ filter: RBACFilter) -> String {
    """
    - name: \(isTCP ? "envoy.filters.network.rbac" : "envoy.filters.http.rbac")
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.\(isTCP ? "network" : "http").rbac.v3.RBAC
    \(settings(of: filter).split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))

    """
  }

  /// The content of one filter's configuration, without its type and without indentation.
  func settings(of filter: RBACFilter) -> String {
    var text = ""
    if let enforced = filter.enforced { text += rules("rules", filter.action, enforced) }
    if let shadow = filter.shadow {
      text += rules("shadow_rules", filter.action, shadow)
      text += "shadow_rules_stat_prefix: istio_dry_run_\(filter.action == "DENY" ? "deny" : "allow")_\n"
    }
    return isTCP ? text + "stat_prefix: tcp.\n" : text
  }

  private func rules(_ key: String, _ action: String, _ policies: [RBACPolicy]) -> String {
    var text = """
      \(key):
        action: \(action)
        policies:\(policies.isEmpty ? " {}" : "")

      """
    for policy in policies {
      text += """
            # \(Self.comment(policy.place))
            \(EnvoyValue.quoted(policy.name)):
              permissions: \(policy.permissions.json)
              principals: \(policy.principals.json)

        """
    }
    return text
  }

  /// Text of one line.
  private static func comment(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? "?" : $0 }))
  }
}
