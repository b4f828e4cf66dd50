// From a case as it is written to a question that can be asked.
// Enters: a case, and the snapshots that answer. Leaves: a question, or what is wrong and where. Never here: a decision, or a guess: what
// the case does not say is unknown to the engine.

internal import DecisionText
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel

/// Why a case cannot be asked.
struct CaseProblem: Error {
  let problem: String
  let help: String?
  let span: SourceSpan
}

/// A case with its question.
struct PreparedCase {
  /// Which rule must have decided.
  enum Decider {
    /// No rule at all.
    case none
    /// Any rule of a policy, `namespace/name`.
    case policy(ExactText)
    /// One rule, `ns[N]-policy[P]-rule[i]`.
    case rule(ExactText)
  }

  let name: String?
  let question: Question
  let snapshot: Snapshot
  let expectation: PolicyTestCase.Expectation
  /// As it is written, and what it means.
  let by: (text: ExactText, meaning: Decider)?
  let span: SourceSpan

  /// - Throws: `CaseProblem`.
  init(_ source: PolicyTestCase, _ snapshots: inout Snapshots, _ proxies: StatedProxies, _ tokens: TokenTrust) throws {
    name = source.name?.value.string
    expectation = source.expectation.value
    span = source.span
    by = try source.by.map { ($0.value, try Self.decider($0)) }
    let place = source.request?.span ?? source.to?.span ?? source.span
    do {
      let document = try RequestDocument(Self.request(source, snapshots.mesh))
      let profile = try document.profile
      // A test that passes where nobody enforces would be worse than none.
      if let (problem, help) = document.workloadOfAnyProxy.flatMap({ proxies.objection(to: $0) }) {
        throw CaseProblem(problem: problem, help: "in `request.destination`: \(help)", span: source.to?.span ?? place)
      }
      snapshot = snapshots.snapshot(for: profile)
      question = try document.question(for: snapshot, tokens)
    } catch let error as RequestDocumentError {
      throw CaseProblem(
        problem: error.description, help: "docs/request-json.md shows the shape of a request",
        span: Self.place(namedIn: error.description, source) ?? place)
    } catch let problem as CommandProblem {
      throw CaseProblem(problem: problem.problem, help: problem.help, span: Self.place(namedIn: problem.problem, source) ?? place)
    }
  }

  // MARK: The request

  /// The request with `from` and `to` in it. Without `request` it is an HTTP request of which nothing else is known.
  private static func request(_ source: PolicyTestCase, _ mesh: MeshSettings) throws -> JSONValue {
    var members: [(name: ExactText, value: JSONValue)] = [("http", [:])]
    if let request = source.request, case .object(let written) = JSONValue(request.value) { members = written }
    if let from = source.from {
      try add("principal", try principal(from, mesh), to: "source", of: &members)
    }
    if let to = source.to { try add("workload", .text(to.value.string), to: "destination", of: &members) }
    return .object(members)
  }

  private static func add(
    _ name: ExactText, _ value: JSONValue, to part: ExactText, of members: inout [(name: ExactText, value: JSONValue)]
  ) throws {
    guard let place = members.firstIndex(where: { $0.name == part }) else { return members.append((part, .object([(name, value)]))) }
    guard case .object(let written) = members[place].value else { throw RequestDocumentError("`\(part)` is not an object") }
    members[place].value = .object(written + [(name, value)])
  }

  /// Who calls: `null` for nobody, else a SPIFFE URI.
  private static func principal(_ from: Located<ExactText>, _ mesh: MeshSettings) throws -> JSONValue {
    if from.value == "anonymous" { return .null }
    if from.value.string.hasPrefix("spiffe://") { return .text(from.value.string) }
    let parts = from.value.string.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ RequestArguments.isKubernetesName($0) }) else {
      throw CaseProblem(
        problem: "`from` `\(from.value)` names no peer", help: "write `namespace/service-account`, a `spiffe://` URI, or `anonymous`",
        span: from.span)
    }
    let names = parts.map { ExactText(String(Substring($0))) }
    return .text(SPIFFEID(trustDomain: mesh.trustDomain, namespace: names[0], serviceAccount: names[1]).uri.string)
  }

  private static func decider(_ by: Located<ExactText>) throws -> Decider {
    if by.value == "none" { return .none }
    let text = by.value.string
    if text.hasPrefix("ns["), text.hasSuffix("]"), text.contains("]-policy["), text.contains("]-rule[") { return .rule(by.value) }
    let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if parts.count == 2, parts.allSatisfy({ RequestArguments.isKubernetesName($0) }) { return .policy(by.value) }
    throw CaseProblem(
      problem: "`by` `\(text)` names neither a policy nor a rule",
      help: "write `namespace/policy`, a rule as `ns[namespace]-policy[name]-rule[0]`, or `none`", span: by.span)
  }

  // MARK: Places

  /// Where the field stands that a message about a request names first, as in `http.path`.
  private static func place(namedIn message: String, _ source: PolicyTestCase) -> SourceSpan? {
    if let to = source.to, message.contains("`\(to.value)`") { return to.span }
    let quoted = message.split(separator: "`", omittingEmptySubsequences: false)
    guard let request = source.request, quoted.count > 1 else { return nil }
    var value = request.value
    var found: SourceSpan?
    for key in quoted[1].split(separator: ".") {
      guard case .mapping(let members) = value, let member = members.first(where: { $0.name.value == ExactText(String(key)) }) else {
        break
      }
      (value, found) = (member.value.value, member.value.span)
    }
    return found
  }
}

extension JSONValue {
  /// The same value, without places.
  init(_ value: PlainValue) {
    switch value {
    case .null: self = .null
    case .bool(let value): self = .bool(value)
    case .number(let digits): self = .number(digits.string)
    case .text(let text): self = .string(text.bytes)
    case .list(let elements): self = .list(elements.map { JSONValue($0.value) })
    case .mapping(let members): self = .object(members.map { ($0.name.value, JSONValue($0.value.value)) })
    }
  }
}
