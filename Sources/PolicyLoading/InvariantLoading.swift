// The door for invariants: the bytes of a file with `kind: Invariant` enter; invariants and findings leave.
// No file is opened here, nothing is thrown, and nothing is decided. Values are refused as those of an AuthorizationPolicy are.

public import PolicyModel

/// One object of `kind: Invariant`.
public struct InvariantObject: Sendable {
  /// What must be decided about the requests that are meant.
  public enum Expectation: String, Sendable, CaseIterable { case allow, deny }
  /// Of an Envoy's chains for a port.
  public enum Chain: String, Sendable, CaseIterable { case http, tcp }

  /// `metadata.name`.
  public var name: ExactText
  /// `spec.destination.namespaces`; empty for all.
  public var namespaces: [Located<ExactText>]
  /// `spec.destination.selector`; nil for all.
  public var selector: LabelSelector?
  /// `spec.destination.workloads`, each `namespace/[kind/]name`; empty for all.
  public var workloads: [Located<ExactText>]
  /// `spec.from`, `spec.to` and `spec.when`, with the meaning that they have in a rule of an AuthorizationPolicy.
  public var rule: AuthorizationPolicy.Rule
  /// `spec.expect`.
  public var expectation: Expectation
  /// `spec.chain`; nil for both.
  public var chain: Chain?
  /// Where the name is written.
  public var location: SourceLocation
}

/// Reads the invariants of a file.
///
/// All problems of the file are found in one run; an invariant with an error is left out, so invariants are to be used only when there is none.
/// A file without an invariant is an error. O(bytes).
/// - Parameters:
///   - text: the bytes of the file, UTF-8, with or without a byte order mark.
///   - file: the file's name, as diagnostics show it.
///   - limits: how much is read.
public func loadInvariants(
  text: [UInt8], file: ExactText, limits: LoadingLimits = LoadingLimits()
) -> (invariants: [InvariantObject], diagnostics: [Diagnostic]) {
  var loader = OwnKindLoader<InvariantObject>(kind: "Invariant", missing: .invariantMissing(), file: file, limits: limits) { reader, root in
    reader.invariant(root)
  }
  loader.load(text)
  return (loader.objects, loader.diagnostics)
}

extension NodeReader {
  /// Reads an Invariant; nil when it has an error.
  mutating func invariant(_ object: NodeIndex) -> InvariantObject? {
    refuseUnknownFields(object, known: ["apiVersion", "kind", "metadata", "spec"], path: "Invariant")
    let place = document[object].span
    let name = ownName(object, of: "the Invariant")
    guard let specEntry = entry(object, "spec"), let spec = mapping(specEntry, path: "spec") else {
      if entry(object, "spec") == nil {
        report(.fieldRequired("spec", in: "the Invariant", help: "docs/what-if.md shows an invariant"), at: place)
      }
      return nil
    }
    refuseNullFields(spec)
    refuseUnknownFields(spec, known: ["destination", "from", "to", "when", "chain", "expect"], path: "spec")
    let rule = parts(of: spec)
    for constraint in (rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions
    where constraint.attribute == .sourceServiceAccount {
      for value in constraint.values + constraint.notValues where !value.value.bytes.contains(UInt8(ascii: "/")) {
        report(.invariantAccountShort(value.value.string), at: value.span)
      }
    }
    var invariant = InvariantObject(
      name: name?.value ?? "", namespaces: [], selector: nil, workloads: [], rule: rule, expectation: .deny, chain: nil,
      location: SourceLocation(file: file, span: name?.span ?? place))
    if let destination = entry(spec, "destination") { self.destination(destination, into: &invariant) }
    if let chain = entry(spec, "chain") {
      check(chain, .choice(["http", "tcp"]), path: "chain")
      invariant.chain = InvariantObject.Chain(rawValue: document.string(chain.value))
      let looksIntoRequests = ((rule.sources + rule.operations).flatMap(\.constraints) + rule.conditions).first { $0.attribute.isHTTP }
      if invariant.chain == .tcp, let looksIntoRequests { report(.invariantNeedsHTTP(), at: looksIntoRequests.span) }
    }
    if let expect = entry(spec, "expect") {
      check(expect, .choice(["allow", "deny"]), path: "expect")
      invariant.expectation = InvariantObject.Expectation(rawValue: document.string(expect.value)) ?? .deny
    } else if document.entry(spec, "expect") == nil {
      report(.fieldRequired("spec.expect", in: "the Invariant", help: "write `expect: deny` or `expect: allow`"), at: place)
    }
    return hasErrors || name == nil ? nil : invariant
  }

  private mutating func destination(_ entry: Entry, into invariant: inout InvariantObject) {
    guard let node = mapping(entry, path: "destination") else { return }
    refuseUnknownFields(node, known: ["namespaces", "selector", "workloads"], path: "destination")
    invariant.selector = self.entry(node, "selector").flatMap { selector($0, path: "destination.selector") }
    func list(_ key: StaticString, _ isFine: (ExactText) -> Bool, _ help: String) -> [Located<ExactText>] {
      guard let entry = self.entry(node, key) else { return [] }
      let values = strings(entry, path: "\(key)")
      if values.isEmpty { report(.listEmpty("\(key)"), at: span(entry)) }
      for value in values where !isFine(value.value) { report(.invariantName(value.value.string, help: help), at: value.span) }
      return values
    }
    invariant.namespaces = list(
      "namespaces", { !$0.isEmpty && !$0.bytes.contains { "*/".utf8.contains($0) } }, "write the name of a namespace")
    invariant.workloads = list(
      "workloads",
      { name in
        let parts = name.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return [2, 3].contains(parts.count) && !parts.contains { $0.isEmpty }
      },
      "write `namespace/name` or `namespace/kind/name`")
  }
}
