// What a filter's configuration says about each of its connections, and how a peer's names are put into the library's structs.
// Enters: settings, names. Leaves: facts whose texts live as long as this object. Never here: a peer that is called anonymous because something
// could not be read.

internal import CEnvoyModule
internal import CPortcullis

/// The part of a connection's facts that settings decide. Never changed once made, hence `@unchecked Sendable`.
@safe final class ConnectionFacts: @unchecked Sendable {
  private let texts = HeldTexts()
  private let base: portcullis_connection_facts

  init(_ settings: FilterSettings) {
    var facts = unsafe portcullis_connection_facts_init()
    unsafe facts.profile = settings.profile
    if let workload = settings.workload { unsafe facts.workload = texts.hold(Array(workload.utf8)) }
    if let namespace = settings.namespace, let labels = settings.labels {
      unsafe facts.workload_namespace = texts.hold(Array(namespace.utf8))
      unsafe facts.workload_labels = texts.hold(Array(labels.utf8))
    }
    if let service = settings.service { unsafe facts.service = texts.hold(Array(service.utf8)) }
    unsafe facts.port = settings.port
    unsafe base = facts
  }

  /// Lends the facts, nothing of the connection itself known.
  @inline(__always)
  func with<Result>(_ body: (inout portcullis_connection_facts) -> Result) -> Result {
    var facts = unsafe base
    return unsafe body(&facts)
  }
}

extension PeerNames {
  /// Lends the facts with these names.
  func with<Result>(_ facts: inout portcullis_connection_facts, _ body: (inout portcullis_connection_facts) -> Result) -> Result {
    guard hasCertificate else {
      unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_ANONYMOUS)
      return unsafe body(&facts)
    }
    // A certificate without any name is nobody that we know, and not nobody.
    guard !uris.isEmpty || !dnsNames.isEmpty || !subject.isEmpty else { return unsafe body(&facts) }
    let texts = HeldTexts()
    let uriList = unsafe uris.map { unsafe texts.hold($0) }
    let dnsList = unsafe dnsNames.map { unsafe texts.hold($0) }
    unsafe facts.subject = texts.hold(subject)
    unsafe facts.peer_kind = Int32(PORTCULLIS_PEER_NAMES)
    return unsafe uriList.withUnsafeBufferPointer { uris in
      unsafe dnsList.withUnsafeBufferPointer { dnsNames in
        unsafe facts.uris = uris.baseAddress
        unsafe facts.uri_count = uris.count
        unsafe facts.dns_names = dnsNames.baseAddress
        unsafe facts.dns_name_count = dnsNames.count
        return withExtendedLifetime(texts) { unsafe body(&facts) }
      }
    }
  }
}
