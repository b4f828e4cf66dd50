// What a filter's configuration says about each of its connections.
// Enters: settings. Leaves: facts whose texts live as long as this object. Never here: anything of one connection.

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
