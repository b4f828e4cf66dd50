// Small worlds to explain: each a few policies for the shop's backend, or a gateway.
// Enters: nothing. Leaves: YAML by name. Never here: an expectation.

/// What `explain` is asked about.
enum ExplainedWorld {
  /// Policies by the name of their file.
  static let policies: [String: String] = [
    "near": #"""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: near, namespace: shop}
    spec:
      rules:
      - from:
        - source: {principals: [cluster.local/ns/shop/sa/fronted-sa]}
        - source: {principals: [cluster.local/ns/Shop/sa/frontend-sa]}
        - source: {principals: [cluster.local/ns/shpo/sa/frontend-sa, cluster.local/ns/web/sa/frontend-sa]}
        - source: {principals: [mesh.example/ns/shop/sa/frontend-sa]}
        - source: {principals: [spiffe://cluster.local/ns/shop/sa/frontend-sa]}
        - source: {serviceAccounts: [web/frontend-sa]}
        - source: {namespaces: [shops]}
        - source: {notPrincipals: [cluster.local/ns/web/sa/other, "*/frontend-sa"]}
        to:
        - operation: {hosts: [backend.shop], paths: [/items/]}
        - operation: {hosts: ["backend.shop:8080"]}
        - operation: {paths: [/items]}
        - operation: {paths: ["/item/*", "/Items/", "/items/?a=b", " /items/"]}
        - operation: {methods: [get], paths: [/items/]}
        when:
        - {key: "request.headers[x-role]", values: [admin]}
        - {key: source.ip, values: [10.0.0.0/8]}

    """#,
    "tcp": #"""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: allow-get, namespace: shop}
    spec:
      selector: {matchLabels: {app: backend}}
      rules:
      - to: [{operation: {methods: [GET], ports: ["9000"]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: deny-admin, namespace: shop}
    spec:
      action: DENY
      rules:
      - from: [{source: {notNamespaces: [shop]}}]
      - to: [{operation: {paths: [/admin], ports: ["9000"]}}]

    """#,
    "dry": #"""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: only-frontend, namespace: shop, annotations: {istio.io/dry-run: "true"}}
    spec:
      rules:
      - from: [{source: {serviceAccounts: [frontend-sa]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: watch-writes, namespace: shop}
    spec:
      action: AUDIT
      rules:
      - to: [{operation: {methods: [GET]}}]
      - to: [{operation: {methods: [POST, PUT]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: no-web, namespace: shop, annotations: {istio.io/dry-run: "true"}}
    spec:
      action: DENY
      rules:
      - from: [{source: {namespaces: [web]}}]
      - from: [{source: {namespaces: ["we*"]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: ask-opa, namespace: shop}
    spec:
      action: CUSTOM
      provider: {name: opa}
      rules:
      - to: [{operation: {paths: [/admin]}}]

    """#,
    "gateway": #"""
    apiVersion: security.istio.io/v1
    kind: PeerAuthentication
    metadata: {name: strict, namespace: istio-system}
    spec: {mtls: {mode: STRICT}}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: edge, namespace: infra}
    spec:
      targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
      action: DENY
      rules:
      - from: [{source: {notRemoteIpBlocks: [192.0.2.0/24]}}]
        to: [{operation: {hosts: ["*.example.com"], notPaths: ["/public/*"]}}]
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: edge-1, namespace: infra, labels: {gateway.networking.k8s.io/gateway-name: edge}}
    spec: {containers: []}

    """#,
    "token": #"""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: token, namespace: shop}
    spec:
      rules:
      - from: [{source: {requestPrincipals: ["https://iss.example/*"]}}]
        when:
        - {key: "request.auth.claims[groups]", values: [admin, ops]}
      - when:
        - {key: "request.auth.claims[realm][roles]", values: [admin]}
      - when:
        - {key: "request.auth.audiences", values: [shop.example]}
      - when:
        - {key: "experimental.envoy.filters.network.mysql_proxy[db.t]", values: ["[insert]"]}
      - when:
        - {key: "request.headers[x-role]", values: [admin]}
        - {key: "request.headers[x-zone]", notValues: [eu*]}

    """#,
    "anonymous": #"""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: not-web, namespace: shop}
    spec:
      action: DENY
      rules:
      - from: [{source: {notNamespaces: [shop], principals: ["*"]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: any-but-web, namespace: shop}
    spec:
      rules:
      - from: [{source: {principals: [cluster.local/ns/shop/sa/frontend-sa]}}, {source: {ipBlocks: [10.0.0.0/8]}}]
      - from: [{source: {notPrincipals: [cluster.local/ns/web/sa/site]}}]
        to: [{operation: {methods: [GET]}}]

    """#,
    "order": #"""
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: many, namespace: shop}
    spec:
      action: DENY
      rules:
      - to: [{operation: {methods: [M0]}}]
      - to: [{operation: {methods: [M1]}}]
      - to: [{operation: {paths: [/2*]}}]
      - to: [{operation: {paths: [/3*]}}]
      - to: [{operation: {paths: [/4*]}}]
      - to: [{operation: {paths: [/5*]}}]
      - to: [{operation: {paths: [/6*]}}]
      - to: [{operation: {paths: [/7*]}}]
      - to: [{operation: {paths: [/8*]}}]
      - to: [{operation: {paths: [/9*]}}]
      - to: [{operation: {paths: ["/1*"]}}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: many-more, namespace: shop}
    spec:
      action: DENY
      rules:
      - to: [{operation: {paths: ["/1*"]}}]

    """#,
  ]

  /// One request with everything that a token rule tests, and one of which little is known.
  static let tokenRequests = #"""
    {"source": {"principal": null}, "destination": {"namespace": "shop", "labels": {}}, "http": {"headers": [["x-role", "Admin"], ["X-Role", "user"], ["x-zone", "eu-1"]], "claims": {"iss": "https://iss.example/", "sub": "u", "groups": ["dev", "opss"]}, "metadata": {"envoy.filters.network.mysql_proxy": {"db.t": ["select", {}]}}}}
    {"destination": {"workload": "shop/deployment/backend"}, "http": {"host": {"base64": "/w=="}, "claims": null}}

    """#
}
