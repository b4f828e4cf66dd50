// The fields of a MeshConfig that decisions depend on. Nodes enter; settings leave, or problems. A MeshConfig has many other fields, and
// new ones with each release: an unknown one is ignored with a warning, unless it is nearly one that is read here.

internal import PolicyModel

extension Schema {
  fileprivate static let meshConfig = Schema([
    ("trustDomain", .text), ("trustDomainAliases", .texts(filled: true)), ("rootNamespace", .text),
    (
      "pathNormalization",
      .object(Schema([("normalization", .choice(["DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"]))]))
    ), ("extensionProviders", .other), ("caCertificates", .other), ("enableAutoMtls", .boolean),
    ("defaultDestinationRuleExportTo", .texts(filled: true)),
  ])
  fileprivate static let caCertificate = Schema([("trustDomains", .texts(filled: true))])
}

/// The other fields of an entry of `caCertificates`.
private let otherCertificateFields: [StaticString] = ["pem", "spiffeBundleUrl", "certSigners"]

/// The other fields of a MeshConfig (istio/api mesh/v1alpha1), of Istio 1.31 and some that it had before.
private let otherMeshFields: [StaticString] = [
  "accessLogEncoding", "accessLogFile", "accessLogFormat", "ca", "certificates", "configSources", "connectTimeout",
  "defaultConfig", "defaultHttpRetryPolicy", "defaultProviders", "defaultServiceExportTo",
  "defaultTrafficPolicy", "defaultVirtualServiceExportTo", "disableEnvoyListenerLog", "discoverySelectors", "dnsRefreshRate",
  "enableEnvoyAccessLogService", "enablePrometheusMerge", "enableTracing", "h2UpgradePolicy", "hboneIdleTimeout",
  "inboundClusterStatName", "inboundTrafficPolicy", "ingressClass", "ingressControllerMode", "ingressSelector", "ingressService",
  "localityLbSetting", "meshMTLS", "outboundClusterStatName", "outboundTrafficPolicy", "protocolDetectionTimeout", "proxyHttpPort",
  "proxyInboundListenPort", "proxyListenPort", "serviceEntryVisibility", "serviceScopeConfigs", "serviceSettings", "tcpKeepalive",
  "thriftConfig", "tlsDefaults", "verifyCertificateAtClient", "zoneAwareLbSetting",
]

extension NodeReader {
  /// The entry `data.mesh` of Istio's ConfigMap; nil with a problem when the object is none.
  mutating func meshText(_ root: NodeIndex) -> Entry? {
    let kind = text(root, "kind")?.value
    guard kind == "ConfigMap", text(root, "apiVersion")?.value == "v1" else {
      report(.meshConfigKind(kind?.string ?? "an object without a kind"), at: kindSpan(root))
      return nil
    }
    guard let data = object(root, "data"), let mesh = entry(data, "mesh") else {
      report(.meshConfigMapWithoutMesh(), at: keySpan(root, "data") ?? kindSpan(root))
      return nil
    }
    return string(mesh, path: "data.mesh") == nil ? nil : mesh
  }

  /// Reads the settings; what is wrong with them is reported.
  mutating func meshConfig(_ root: NodeIndex) -> LoadedMeshConfig {
    var settings = LoadedMeshConfig()
    guard !refuseOtherDocument(root) else { return settings }
    checkLeniently(root, .meshConfig, alsoKnown: otherMeshFields, path: "MeshConfig")
    if let domain = text(root, "trustDomain") {
      let own = Located(spiffeTrustDomain(domain.value), domain.span)
      checkTrustDomain(own, path: "trustDomain")
      settings.trustDomain = own.value
    }
    if entry(root, "trustDomainAliases") != nil {
      let aliases = textList(root, "trustDomainAliases")
      for alias in aliases where !alias.value.isEmpty { checkTrustDomain(alias, path: "trustDomainAliases") }
      settings.trustDomainAliases = aliases.map(\.value)
    }
    if let namespace = text(root, "rootNamespace") {
      if namespace.value.isEmpty { report(.emptyString("rootNamespace"), at: namespace.span) }
      settings.rootNamespace = namespace.value
    }
    if let word = text(object(root, "pathNormalization"), "normalization") {
      settings.pathNormalization = word.value == "DEFAULT" ? .base : MeshSettings.PathNormalization(rawValue: word.value.string)
    }
    if let entry = entry(root, "caCertificates") { settings.acceptedTrustDomains = acceptedTrustDomains(entry) }
    if let entry = entry(root, "enableAutoMtls"), case .bool(let value) = document.type(entry.value) { settings.enablesAutoMTLS = value }
    if entry(root, "defaultDestinationRuleExportTo") != nil {
      settings.destinationRuleExport = textList(root, "defaultDestinationRuleExportTo").map(\.value)
    }
    if let entry = entry(root, "extensionProviders") { settings.extensionProviders = extensionProviders(entry) }
    return settings
  }

  /// The trust domains of the certificates that the mesh takes beside its own.
  private mutating func acceptedTrustDomains(_ entry: Entry) -> [ExactText] {
    let path = "caCertificates"
    guard let list = sequence(entry, path: path) else { return [] }
    var found: [ExactText] = []
    for item in items(list) {
      guard document[item].kind == .mapping else {
        let message: Message =
          isNull(item) ? .entryNull(path) : .wrongType(path, expected: "a list of mappings", found: name(of: item), help: nil)
        report(message, at: document[item].span)
        continue
      }
      checkLeniently(item, .caCertificate, alsoKnown: otherCertificateFields, path: path)
      for domain in textList(item, "trustDomains") where !domain.value.isEmpty {
        if let why = peerTrustDomainRefusal(domain.value) {
          report(.meshTrustDomain("\(path).trustDomains", domain.value.string, why: why), at: domain.span)
        }
        found.append(domain.value)
      }
    }
    return found
  }

  /// Reports a document that is no MeshConfig, such as the values of a Helm chart: all of its settings would be ignored, and the defaults in
  /// force. One misspelt field is enough to be taken for a MeshConfig, and is refused as such.
  private mutating func refuseOtherDocument(_ root: NodeIndex) -> Bool {
    let written = entries(root)
    if let inner = written.first(where: { document.isScalar($0.key, "meshConfig") }) {
      report(.meshConfigBelow(), at: document[inner.key].span)
      return true
    }
    let known = Schema.meshConfig.keys
    let isMeshConfig = written.contains { entry in
      (known + otherMeshFields).contains { document.isScalar(entry.key, $0) }
        || suggestion(for: document.string(entry.key), among: known.map { "\($0)" }) != nil
    }
    guard let first = written.first, !isMeshConfig else { return false }
    report(.meshConfigForeign(document.string(first.key)), at: document[first.key].span)
    return true
  }

  /// Checks the fields of `schema`, skips those of `alsoKnown`, refuses misspellings of the former and warns of all others.
  mutating func checkLeniently(_ mapping: NodeIndex, _ schema: Schema, alsoKnown: [StaticString], path: String) {
    for entry in entries(mapping) {
      if let field = schema.fields.first(where: { document.isScalar(entry.key, $0.key) }) {
        let own = path.utf8.elementsEqual("MeshConfig".utf8) ? "\(field.key)" : "\(path).\(field.key)"
        if !isNull(entry.value) { check(entry, field.shape, path: own) }
      } else if !alsoKnown.contains(where: { document.isScalar(entry.key, $0) }) {
        let name = document.string(entry.key)
        if suggestion(for: name, among: schema.keys.map { "\($0)" }) != nil {
          refuse(entry, known: schema.keys, path: path)
        } else {
          report(.fieldIgnored(name, in: path), at: document[entry.key].span)
        }
      }
    }
  }

  private mutating func checkTrustDomain(_ domain: Located<ExactText>, path: String) {
    if let why = meshTrustDomainRefusal(domain.value) { report(.meshTrustDomain(path, domain.value.string, why: why), at: domain.span) }
  }
}
