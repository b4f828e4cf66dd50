// The JSON Web Key Set that a policy may carry as text (RFC 7517). Text enters; the reason why no proxy could use it leaves, or nil.
// No key is imported and no cryptography happens here: shape, known key types and their members are all that is looked at.

internal import PolicyModel

/// Why the text is no key set, or nil. JSON is read as the YAML that it also is, under the loader's limits. O(bytes).
func keySetRefusal(_ text: ExactText) -> String? {
  let bytes = text.bytes
  let first = bytes.first { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }
  guard first == UInt8(ascii: "{") else { return "is not a JSON object" }
  var answer: String? = "is not a JSON object"
  var documents = 0
  var reader = DocumentReader(SourceText(bytes), limits: LoadingLimits(fileBytes: 1 << 20, nesting: 20, nodes: 100_000))
  reader.read { document, problems in
    documents += 1
    guard documents == 1 else {
      answer = "has more than one JSON text"
      return
    }
    if let problem = problems.first {
      answer = "is not JSON: \(problem.message.text)"
    } else if document.root.exists {
      answer = refusal(NodeReader(copy document, file: ""))
    }
  }
  return answer
}

/// A set of keys, or one key.
private func refusal(_ reader: NodeReader) -> String? {
  let root = reader.document.root
  guard reader.document[root].kind == .mapping else { return "is not a JSON object" }
  guard let keys = reader.entry(root, "keys") else {
    return reader.entry(root, "kty") == nil ? "has no `keys`" : keyRefusal(root, reader)
  }
  guard reader.document[keys.value].kind == .sequence else { return "has `keys` that are no list" }
  for (index, key) in reader.items(keys.value).enumerated() {
    guard reader.document[key].kind == .mapping else { return "has a key that is no object, the one at \(index)" }
    if let why = keyRefusal(key, reader) { return "\(why), in the key at \(index)" }
  }
  return nil
}

private func keyRefusal(_ key: NodeIndex, _ reader: NodeReader) -> String? {
  guard let type = reader.filledText(key, "kty") else { return "has no `kty`" }
  let members: [StaticString]
  switch type.value {
  case "RSA": members = ["n", "e"]
  case "EC": members = ["crv", "x", "y"]
  case "OKP": members = ["crv", "x"]
  case "oct": members = ["k"]
  default: return "has the unknown key type \(Message.quoted(type.value.string))"
  }
  for member in members where reader.filledText(key, member) == nil { return "has no `\(member)`" }
  return nil
}
