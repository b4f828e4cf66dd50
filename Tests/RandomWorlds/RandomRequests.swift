// Random requests for a random world.

package import PolicyEngine
package import PolicyModel

extension RandomWorld {
  package static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  package static func encoded(_ path: [ExactText]) -> [UInt8] {
    var bytes: [UInt8] = []
    for name in path { Request.appendPathComponent(name.bytes.span, to: &bytes) }
    return bytes
  }

  /// A request in which each attribute is unknown with this chance, in percent. Also a text that says what it is.
  package mutating func request(unknown: Int) -> (request: Request, text: String) {
    var request = Request()
    var text: [String] = []
    request.isTCP = chance(20)
    text.append(request.isTCP ? "tcp" : "http")
    if !chance(unknown) {
      request.setPeerKnown()
      for _ in 0..<pick([0, 1, 1, 1, 2, 3]) {
        let identity = pick(Self.identities)
        request.addIdentity(Self.bytes(identity).span)
        text.append("identity=\(identity)")
      }
    } else {
      text.append("identity=?")
    }
    if !chance(unknown) {
      let port: UInt16 = pick([80, 8080, 443, 9000, 1])
      request.setPort(port)
      text.append("port=\(port)")
    }
    for (name, set) in [
      ("source", { $0.setSourceIP($1) }), ("remote", { $0.setRemoteIP($1) }), ("destination", { $0.setDestinationIP($1) }),
    ] as [(String, (inout Request, IPAddress?) -> Void)] where !chance(unknown) {
      let address = chance(5) ? nil : IPAddress(pick(Self.addresses))
      set(&request, address)
      text.append("\(name)=\(address.map { "\($0)" } ?? "none")")
    }
    if !chance(unknown) {
      let sni = pick(Self.texts)
      request.setSNI(Self.bytes(sni).span)
      text.append("sni=\(sni)")
    }
    addMetadata(&request, &text, unknown)
    if !request.isTCP { addHTTP(&request, &text, unknown) }
    return (request, text.joined(separator: " "))
  }

  private mutating func addMetadata(_ request: inout Request, _ text: inout [String], _ unknown: Int) {
    guard !chance(unknown) else { return }
    if chance(50) { request.setMetadataComplete() } else { request.setMetadataKnown(filter: Self.bytes("envoy.filters.x").span) }
    guard chance(60) else { return }
    let value = pick(Self.texts)
    let isList = chance(50)
    request.addMetadata(path: Self.encoded(["envoy.filters.x", "k"]).span, value: Self.bytes(value).span, isListElement: isList)
    text.append("metadata=\(value)\(isList ? "[]" : "")")
    for number in 0..<Self.manyNames where chance(10) {
      let value = pick(Self.texts)
      request.addMetadata(
        path: Self.encoded(["envoy.filters.x", ExactText("k\(number)")]).span, value: Self.bytes(value).span, isListElement: isList)
      text.append("metadata k\(number)=\(value)\(isList ? "[]" : "")")
    }
  }

  private mutating func addHTTP(_ request: inout Request, _ text: inout [String], _ unknown: Int) {
    if !chance(unknown) {
      let method = pick(Self.methods)
      request.setMethod(Self.bytes(method).span)
      text.append("method=\(method)")
    }
    if !chance(unknown) {
      let host = pick(Self.hosts)
      request.setHost(Self.bytes(host).span)
      text.append("host=\(host)")
    }
    if !chance(unknown) {
      if chance(4) {
        request.setPathAbsent()
        text.append("no path")
      } else {
        let path = pick(Self.paths) + pick(["", "", "?x", "#f"])
        request.setPath(Self.bytes(path).span)
        text.append("path=\(path)")
      }
    }
    if !chance(unknown) {
      request.setHeadersKnown()
      let names = ["x-role", "X-Role", "x-other", ":scheme"] + (0..<Self.manyNames).filter { _ in chance(20) }.map { "x-\($0)" }
      for _ in 0..<Int.random(in: 0...names.count, using: &random) {
        let (name, value) = (pick(names), pick(Self.texts))
        let isAmbiguous = chance(unknown)
        request.addHeader(name: Self.bytes(name).span, value: Self.bytes(value).span, isAmbiguous: isAmbiguous)
        text.append("\(name): \(value)\(isAmbiguous ? " (joined)" : "")")
      }
    }
    if !chance(unknown) {
      request.setClaimsKnown()
      if chance(70) {
        let (issuer, subject) = (pick(Self.issuers), pick(["sub", "s", "*x", "a", ""]))
        request.addClaim(path: Self.encoded(["iss"]).span, value: Self.bytes(issuer).span, isListElement: chance(5))
        request.addClaim(path: Self.encoded(["sub"]).span, value: Self.bytes(subject).span, isListElement: false)
        text.append("iss=\(issuer) sub=\(subject)")
      }
      let named = (0..<Self.manyNames).filter { _ in chance(10) }.map { [ExactText("claim"), ExactText("\($0)")] }
      for path in Self.claimPaths + [["aud"], ["azp"]] + named where chance(40) {
        let value = pick(Self.texts)
        request.addClaim(path: Self.encoded(path).span, value: Self.bytes(value).span, isListElement: chance(50))
        text.append("claim \(path)=\(value)")
      }
    }
  }
}
