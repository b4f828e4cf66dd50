// The hints of proxies that are no sidecars: what the engine cannot see in a question, said by the proxy.
//
// Enters: checked options. Leaves: items of `initial_metadata` with comments. Never happens here: a value that a client could write; the
// words between percent signs are what Envoy itself knows of the connection.

extension EnvoyExtAuthzOptions {
  /// The hints by which a gateway, a waypoint, or a proxy behind the PROXY protocol differs from a sidecar. Envoy replaces what stands
  /// between percent signs by what it knows of the connection.
  func proxyHints() -> String {
    var text = ""
    if profile != .sidecar {
      text += """

          # The kind of proxy: which policies attach, and which checks come before them.
          - {key: x-portcullis-profile, value: \(EnvoyValue.quoted(profile.rawValue))}
        """
    }
    if let service {
      text += """

          # What this listener's traffic is addressed to. A listener for several services needs `portcullis.service` on each route instead.
          - {key: x-portcullis-service, value: \(EnvoyValue.quoted(service.text))}
          # Who called. HBONE ends at another listener of this proxy, which must keep the URI names of the client's certificate in the filter
          # state under this key and share it with this listener (docs/envoy.md, "Waypoints"); Istio's waypoints do.
          - {key: x-portcullis-peer, value: "%FILTER_STATE(io.istio.peer_principal:PLAIN)%"}
        """
    }
    // A gateway may stand behind the PROXY protocol without anybody thinking of it here; without it the two addresses are the same.
    if service != nil || readsProxyProtocol || profile == .gateway {
      let peer =
        service == nil
        ? "behind the PROXY protocol the load balancer" : "here another listener of this proxy, which no block contains"
      text += """

          # The connection's own peer, which is what Envoy's filters, and so Istio, compare with `ipBlocks`:
          # \(peer). To the engine Envoy tells another address.
          - {key: x-portcullis-source-ip, value: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}
        """
    }
    return text
  }
}
