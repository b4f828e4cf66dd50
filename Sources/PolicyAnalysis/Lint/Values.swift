// Values that nothing ever equals: paths, methods, hosts, headers, server names and tokens in forms that no request has.
// Enters: the loaded mesh. Leaves: findings at the value. Never here: names of the mesh, which may be right elsewhere.

internal import PolicyEngine
internal import PolicyModel

let checkValues: LintCheck = { world, report in
  let services = ServiceHosts(world)
  world.eachRule { policy, rule in
    for constraint in rule.allConstraints {
      if case .requestHeader(let name) = constraint.attribute, let (why, help) = headerNameRefusal(name) {
        report.add(
          .headerNeverMatches, at: policy.location(constraint.span), "header name \(Message.quoted(name.string)) \(why)", help: help)
        continue
      }
      for value in constraint.values + constraint.notValues {
        guard let (code, why, help) = valueRefusal(value.value, constraint.attribute, world.mesh) else { continue }
        report.add(code, at: policy.location(value.span), "\(Message.quoted(value.value.string)) \(why); it never matches", help: help)
      }
      if constraint.attribute == .host { checkHosts(constraint, policy, services, &report) }
    }
  }
}

/// Why no request has this value, and what to write instead; nil when one can have it.
func valueRefusal(_ value: ExactText, _ attribute: Attribute, _ mesh: MeshSettings) -> (LintCode, why: String, help: String?)? {
  switch attribute {
  case .sourcePrincipal: principalRefusal(value, mesh).map { (.principalNeverMatches, $0.why, $0.help) }
  case .path: pathRefusal(value, mesh).map { (.pathNeverMatches, $0.why, $0.help) }
  case .method: methodRefusal(value).map { (.methodNeverMatches, $0.why, $0.help) }
  case .host: hostRefusal(value).map { (.hostNeverMatches, $0.why, $0.help) }
  case .sni: sniRefusal(value).map { (.sniNeverMatches, $0.why, $0.help) }
  case .requestHeader: headerValueRefusal(value).map { (.headerNeverMatches, $0.why, $0.help) }
  case .requestPrincipal: requestPrincipalRefusal(value).map { (.requestPrincipalNeverMatches, $0.why, $0.help) }
  case .requestClaim(let path): claimRefusal(value, path).map { (.claimNeverMatches, $0.why, $0.help) }
  default: nil
  }
}

private typealias Refusal = (why: String, help: String?)

private let star = UInt8(ascii: "*")

/// The text without a star at its start or end, and whether there was one.
private func body(_ value: ExactText) -> (text: ArraySlice<UInt8>, isSuffix: Bool, isPrefix: Bool) {
  let bytes = value.bytes
  if bytes.first == star { return (bytes.dropFirst(), true, false) }
  if bytes.last == star { return (bytes.dropLast(), false, true) }
  return (bytes[...], false, false)
}

private func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

private func pathRefusal(_ value: ExactText, _ mesh: MeshSettings) -> Refusal? {
  let (bytes, isSuffix, isPrefix) = body(value)
  let isTemplate = value.string.contains("{*}") || value.string.contains("{**}")
  if value == "*" { return nil }
  if bytes.contains(UInt8(ascii: "?")) || bytes.contains(UInt8(ascii: "#")) {
    let path = bytes.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    return ("has a query or a fragment, which are cut off before paths are compared", "write `\(isSuffix ? "*" : "")\(text(path))`")
  }
  if !isSuffix, bytes.first != UInt8(ascii: "/") {
    return ("does not begin with a slash, as every path does", "write `/\(value)`")
  }
  if isTemplate { return nil }
  // What a proxy would change in a part of a path, it changes in the whole. A prefix may end inside a segment or an escape, and a suffix
  // begin inside one, so that only what is between slashes can be told.
  guard !isSuffix, let checked = isPrefix ? bytes.lastIndex(of: UInt8(ascii: "/")).map({ bytes[...$0] }) : bytes else { return nil }
  let normalized = mesh.normalize(Array(checked))
  if normalized.map({ $0.elementsEqual(checked) }) == true { return nil }
  let rest = bytes[checked.endIndex...]
  return (
    "is not how a path looks once the proxies have normalized it",
    normalized.map { "write `\(text($0 + rest))\(isPrefix ? "*" : "")`, which is what it becomes" }
  )
}

private func methodRefusal(_ value: ExactText) -> Refusal? {
  let (bytes, _, _) = body(value)
  if bytes.contains(UInt8(ascii: "/")) || bytes.contains(UInt8(ascii: ".")) {
    return ("is the name of a gRPC method, which is a path", "write it below `paths`, with a slash in front; every gRPC call is a POST")
  }
  guard bytes.contains(where: { (0x61...0x7A).contains($0) }) else { return nil }
  return ("has lower-case letters; proxies refuse such methods", "write `\(value.string.uppercased())`")
}

private func hostRefusal(_ value: ExactText) -> Refusal? {
  let (bytes, _, _) = body(value)
  if value.string.contains("://") {
    let name = value.string.split(separator: "/", omittingEmptySubsequences: true).dropFirst().first.map(String.init) ?? "example.com"
    return ("has a scheme, which a Host header has not", "write `\(name)`")
  }
  if bytes.contains(UInt8(ascii: "/")) {
    return (
      "has a path, which a Host header has not", "write `\(text(bytes.prefix { $0 != UInt8(ascii: "/") }))`, and the rest below `paths`"
    )
  }
  if bytes.contains(where: { $0 <= 0x20 }) { return ("has white space, which a Host header has not", nil) }
  if bytes.contains(star) {
    return ("has a star that is neither at its start nor its only one, and so a letter", "write one star, at its start or its end")
  }
  return nil
}

private func sniRefusal(_ value: ExactText) -> Refusal? {
  let (bytes, _, _) = body(value)
  if bytes.contains(where: { (0x41...0x5A).contains($0) }) {
    return ("has upper-case letters, and proxies turn the server name to lower case", "write `\(value.string.lowercased())`")
  }
  if bytes.contains(UInt8(ascii: ":")) || bytes.contains(UInt8(ascii: "/")) {
    return ("has a port, a scheme or a path, which a server name has not", "write the host name alone")
  }
  return nil
}

private func headerNameRefusal(_ name: ExactText) -> (why: String, help: String)? {
  let bytes = name.bytes
  if let first = bytes.first, first == UInt8(ascii: "\"") || first == UInt8(ascii: "'"), bytes.last == first, bytes.count > 2 {
    return (
      "has quotes, which no header's name has; the condition never sees the header",
      "write `request.headers[\(text(bytes.dropFirst().dropLast()))]`"
    )
  }
  let isToken = (bytes.first == UInt8(ascii: ":") ? bytes.dropFirst() : bytes[...]).allSatisfy { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
  return isToken
    ? nil
    : (
      "has characters that no header's name has; the condition never sees a header",
      "write the name alone, such as `request.headers[x-role]`"
    )
}

private func headerValueRefusal(_ value: ExactText) -> Refusal? {
  let (bytes, isSuffix, isPrefix) = body(value)
  let blanks: Set<UInt8> = [0x20, 0x09]
  let isBlank = (!isSuffix && bytes.first.map(blanks.contains) == true) || (!isPrefix && bytes.last.map(blanks.contains) == true)
  guard isBlank else { return nil }
  let trimmed = bytes.drop(while: blanks.contains).reversed().drop(while: blanks.contains).reversed()
  return (
    "begins or ends with white space, which proxies trim", "write `\(isSuffix ? "*" : "")\(text(Array(trimmed)))\(isPrefix ? "*" : "")`"
  )
}

private func requestPrincipalRefusal(_ value: ExactText) -> Refusal? {
  let help = "write `ISSUER/SUBJECT` or `ISSUER/*`"
  if value == "*" { return nil }
  if value == "*/*" { return ("asks for a subject that is a star", "write `*` for any token") }
  let bytes = value.bytes
  guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else {
    return bytes.first == star || bytes.last == star
      ? nil : ("has no subject, and tokens with an empty one are not made", "write `\(value)/*`")
  }
  let issuer = bytes[..<slash]
  if issuer.elementsEqual("https:/".utf8) || issuer.elementsEqual("http:/".utf8) {
    let name = bytes.last == star ? text(bytes.dropLast()) : value.string
    return ("is split at its last slash, so that its issuer is `\(text(issuer))`", "write `\(name)/*`")
  }
  if bytes.last == star, bytes.first == star, bytes.count > 3 { return ("has two stars, of which the second is a letter", help) }
  return nil
}

/// Claims that Istio's filter splits at spaces, so that no element of them has one.
private func claimRefusal(_ value: ExactText, _ path: [ExactText]) -> Refusal? {
  guard path == ["scope"] || path == ["permission"], value.bytes.contains(0x20) else { return nil }
  let words = value.string.split(separator: " ").map { "\"\($0)\"" }
  return (
    "has a space, and `\(path[0])` is split at spaces before it is compared",
    "write one condition for each of \(words.joined(separator: " and "))"
  )
}

// MARK: Hosts

/// The services of the inventory.
private struct ServiceHosts {
  let names: [ExactText: Set<ExactText>]
  /// What stands behind a service's name and namespace.
  let suffix: String

  init(_ world: LintWorld) {
    suffix = ".svc.\(world.clusterDomain)"
    var names: [ExactText: Set<ExactText>] = [:]
    for object in world.set.inventory where object.metadata.key.kind == "Service" {
      names[object.metadata.key.namespace, default: []].insert(object.metadata.key.name)
    }
    self.names = names
  }
}

private func checkHosts(_ constraint: Constraint, _ policy: AttachedPolicy, _ services: ServiceHosts, _ report: inout LintReport) {
  let suffix = Array(services.suffix.utf8)
  for value in constraint.values + constraint.notValues {
    let host = value.value.bytes.prefix { $0 != UInt8(ascii: ":") }
    guard !services.names.isEmpty, host.count > suffix.count, host.suffix(suffix.count).elementsEqual(suffix), !host.contains(star) else {
      continue
    }
    let parts = host.dropLast(suffix.count).split(separator: UInt8(ascii: ".")).map { ExactText(text($0)) }
    guard parts.count == 2, services.names[parts[1]]?.contains(parts[0]) != true else { continue }
    let near = nearName(parts[0], among: services.names[parts[1]] ?? []).map { "did you mean `\($0).\(parts[1])\(services.suffix)`?" }
    let elsewhere = services.names.filter { $0.value.contains(parts[0]) }.keys.min().map {
      "did you mean `\(parts[0]).\($0)\(services.suffix)`?"
    }
    report.add(.hostUnknown, at: policy.location(value.span), "no loaded Service is \(Message.quoted(text(host)))", help: near ?? elsewhere)
  }
  guard policy.policy.action == .deny, policy.isEnforced else { return }
  for value in constraint.values where value.value.bytes.last != star && !value.value.bytes.contains(UInt8(ascii: ":")) {
    let wanted = ExactText("\(value.value):*")
    if constraint.values.contains(where: { $0.value == wanted || $0.value == ExactText("\(value.value)*") }) { continue }
    report.add(
      .hostPortEvades, at: policy.location(value.span),
      "a client evades this DENY rule by writing a port behind \(Message.quoted(value.value.string)), as in `Host: \(value.value):80`",
      help: "add \"\(wanted)\" beside it")
  }
}
