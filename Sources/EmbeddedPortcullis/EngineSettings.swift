// How an engine is opened.
// Enters: the host's options. Leaves: values, or why they are refused. Never here: a file; memory of the host that is kept.

internal import CPortcullis
internal import Glibc
internal import PolicyEngine
internal import PolicyFiles
internal import PolicyLoading
internal import PolicyModel

extension Profile {
  /// The profile of a number in the header; `nil` for the default and for unknown numbers.
  init?(number: Int32) {
    switch Int(number) {
    case PORTCULLIS_PROFILE_SIDECAR: self = .sidecar
    case PORTCULLIS_PROFILE_GATEWAY: self = .gateway
    case PORTCULLIS_PROFILE_WAYPOINT: self = .waypoint
    case PORTCULLIS_PROFILE_ZTUNNEL: self = .ztunnel
    default: return nil
    }
  }
}

/// What an engine was opened with.
struct EngineSettings: Sendable {
  var paths: [String] = []
  var sources = PolicySourceOptions()
  var isWatching = false
  var meshConfig: String?
  /// What wins over the file with the mesh's settings; `nil` where the file counts.
  var trustDomain: ExactText?
  var trustDomainAliases: [ExactText] = []
  var acceptedTrustDomains: [ExactText] = []
  var rootNamespace: ExactText?
  var pathNormalization: MeshSettings.PathNormalization?
  var delegatedProviders: Set<ExactText> = []
  var allowsSeveralCustomProviders = false
  var honorsRequestAuthentication = false
  /// The workload of connections that name none; empty for none.
  var workload: [UInt8] = []
  var profile = Profile.sidecar

  /// How much of the file with the mesh's settings is read.
  static let meshConfigLimits = LoadingLimits(fileBytes: 16 << 20)

  /// The mesh's settings: what an option says, else what `file` says, else Istio's default.
  func mesh(over file: LoadedMeshConfig?) -> MeshSettings {
    var settings = MeshSettings()
    settings.trustDomain = trustDomain ?? file?.trustDomain ?? settings.trustDomain
    settings.trustDomainAliases = trustDomainAliases.isEmpty ? file?.trustDomainAliases ?? [] : trustDomainAliases
    settings.acceptedTrustDomains = acceptedTrustDomains.isEmpty ? file?.acceptedTrustDomains ?? [] : acceptedTrustDomains
    settings.rootNamespace = rootNamespace ?? file?.rootNamespace ?? settings.rootNamespace
    settings.pathNormalization = pathNormalization ?? file?.pathNormalization ?? settings.pathNormalization
    settings.delegatedProviders = delegatedProviders
    settings.extensionProviders = file?.extensionProviders
    settings.allowsSeveralCustomProviders = allowsSeveralCustomProviders
    return settings
  }
}

extension EngineSettings {
  private static let mostPaths = 1_024
  private static let longestText = 65_536

  /// Reads the host's options.
  init(_ options: portcullis_options) throws(Refusal) {
    // A process of somebody else: in a container the number of processors says nothing about how many of them are its own.
    sources.mostThreads = 1
    try takeFlags(unsafe options.flags)
    paths = try unsafe Self.texts(options.paths, options.path_count, "paths: null, empty, too many or not UTF-8")
    guard !paths.isEmpty else { throw Refusal("paths: name a file or directory") }
    meshConfig = try unsafe Self.text(options.mesh_config, "mesh_config: empty, too long or not UTF-8")
    trustDomain = try Self.trustDomain(try unsafe Self.text(options.trust_domain, Self.badTrustDomain)).map(spiffeTrustDomain)
    trustDomainAliases = try Self.trustDomains(
      try unsafe Self.texts(options.trust_domain_aliases, options.trust_domain_alias_count, Self.badTrustDomain))
    acceptedTrustDomains = try Self.trustDomains(
      try unsafe Self.texts(options.accepted_trust_domains, options.accepted_trust_domain_count, Self.badTrustDomain))
    for domain in acceptedTrustDomains where peerTrustDomainRefusal(domain) != nil {
      throw Refusal("accepted_trust_domains: not a trust domain that peers can have")
    }
    rootNamespace = try unsafe Self.text(options.root_namespace, "root_namespace: empty, too long or not UTF-8").map { ExactText($0) }
    let providers = try unsafe Self.texts(
      options.delegated_providers, options.delegated_provider_count, "delegated_providers: null, empty, too many or not UTF-8")
    delegatedProviders = Set(providers.map { ExactText($0) })
    workload = try unsafe Self.text(options.workload, "workload: empty, too long or not UTF-8").map { Array($0.utf8) } ?? []
    pathNormalization = try Self.normalization(unsafe options.path_normalization)
    if unsafe options.profile != PORTCULLIS_PROFILE_DEFAULT {
      guard let known = unsafe Profile(number: options.profile) else { throw Refusal("profile: unknown value") }
      profile = known
    }
  }

  private static let badTrustDomain: StaticString = "a trust domain is empty, holds a slash, or is not UTF-8: write it as `cluster.local`"

  private mutating func takeFlags(_ flags: UInt32) throws(Refusal) {
    var rest = flags
    func take(_ bit: Int) -> Bool {
      let mask = UInt32(truncatingIfNeeded: bit)
      defer { rest &= ~mask }
      return rest & mask != 0
    }
    isWatching = take(PORTCULLIS_WATCH)
    sources.isPolling = take(PORTCULLIS_POLL)
    sources.isLenient = take(PORTCULLIS_LENIENT)
    sources.allowEmpty = take(PORTCULLIS_ALLOW_EMPTY)
    allowsSeveralCustomProviders = take(PORTCULLIS_SEVERAL_CUSTOM_PROVIDERS)
    honorsRequestAuthentication = take(PORTCULLIS_REQUEST_AUTHENTICATION)
    guard rest == 0 else { throw Refusal("flags: a bit that is not known") }
    guard isWatching || !sources.isPolling else { throw Refusal("flags: PORTCULLIS_POLL without PORTCULLIS_WATCH") }
  }

  private static func normalization(_ number: Int32) throws(Refusal) -> MeshSettings.PathNormalization? {
    switch Int(number) {
    case PORTCULLIS_NORMALIZATION_DEFAULT: return nil
    case PORTCULLIS_NORMALIZATION_NONE: return MeshSettings.PathNormalization.none
    case PORTCULLIS_NORMALIZATION_BASE: return .base
    case PORTCULLIS_NORMALIZATION_MERGE_SLASHES: return .mergeSlashes
    case PORTCULLIS_NORMALIZATION_DECODE_AND_MERGE_SLASHES: return .decodeAndMergeSlashes
    default: throw Refusal("path_normalization: unknown value")
    }
  }

  private static func trustDomain(_ text: String?) throws(Refusal) -> ExactText? {
    guard let text else { return nil }
    guard !text.utf8.contains(UInt8(ascii: "/")) else { throw Refusal(badTrustDomain) }
    return ExactText(text)
  }

  private static func trustDomains(_ texts: [String]) throws(Refusal) -> [ExactText] {
    var domains: [ExactText] = []
    for text in texts { if let domain = try trustDomain(text) { domains.append(domain) } }
    return domains
  }

  private static func text(_ start: UnsafePointer<CChar>?, _ refusal: StaticString) throws(Refusal) -> String? {
    guard let start = unsafe start else { return nil }
    let count = unsafe strnlen(start, longestText)
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    guard count > 0, count < longestText, let text = unsafe String(validating: bytes, as: UTF8.self) else { throw Refusal(refusal) }
    return text
  }

  private static func texts(
    _ start: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ refusal: StaticString
  ) throws(Refusal) -> [String] {
    let list = try unsafe BorrowedList(start, count, limit: mostPaths, refusal)
    var texts: [String] = []
    for index in unsafe 0..<list.count {
      guard let element = unsafe list[index], let text = try unsafe text(element, refusal) else { throw Refusal(refusal) }
      texts.append(text)
    }
    return texts
  }
}
