// `metadata` of an object, and what Istio's webhook checks in it before anything else (istio: common metadata checks).
// A node enters; the model's metadata leaves. Annotations other than Istio's own are not kept.

internal import PolicyModel

/// The metadata of an object together with the annotation that changes what a policy does.
struct DecodedMetadata {
  let metadata: ObjectMetadata
  /// `istio.io/dry-run` and where it stands.
  let dryRun: Located<ExactText>?
}

extension NodeReader {
  private static let metadataFields: [StaticString] = [
    "name", "namespace", "labels", "annotations", "creationTimestamp", "managedFields", "resourceVersion", "uid", "generation",
    "ownerReferences", "finalizers", "generateName", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "clusterName",
  ]

  /// Reads `metadata`; nil with problems when the object has no usable identity. `isStrict`, for
  /// policies, refuses unknown fields, and names that Kubernetes does not take.
  mutating func metadata(_ object: NodeIndex, header: ObjectHeader, isStrict: Bool) -> DecodedMetadata? {
    // Who an object is cannot be guessed.
    let context = runTime
    runTime = nil
    defer { runTime = context }
    let kind = header.kind ?? ""
    let nameHelp = "add `metadata: {name: …}`"
    guard let entry = entry(object, "metadata") else {
      report(.fieldRequired("metadata", in: kind.string, help: nameHelp), at: kindSpan(object))
      return nil
    }
    guard let mapping = mapping(entry, path: "metadata") else { return nil }
    if isStrict { refuseUnknownFields(mapping, known: Self.metadataFields, path: "metadata") }
    var labels: [ExactText: ExactText] = [:]
    if let entry = self.entry(mapping, "labels") {
      labels = texts(entry, path: "metadata.labels")?.mapValues(\.value) ?? [:]
      if header.group == ObjectKind.securityGroup, let revision = self.entry(entry.value, "istio.io/rev") {
        report(.revisionLabel(document.string(revision.value)), at: span(revision))
      }
    }
    let dryRun = annotations(mapping, header: header)
    let time = creationTime(mapping)
    if let entry = self.entry(mapping, "namespace"), let namespace = string(entry, path: "metadata.namespace"),
      !namespace.value.isEmpty, !isLabelName(namespace.value.bytes)
    {
      report(.objectNameInvalid("metadata.namespace", namespace.value.string, isLabel: true, isPolicy: isStrict), at: namespace.span)
    }
    guard let nameEntry = self.entry(mapping, "name") else {
      report(.fieldRequired("metadata.name", in: kind.string, help: nameHelp), at: document[entry.key].span)
      return nil
    }
    guard let name = string(nameEntry, path: "metadata.name") else { return nil }
    if name.value.isEmpty {
      report(.fieldRequired("metadata.name", in: kind.string, help: nameHelp), at: name.span)
      return nil
    }
    // Kubernetes refuses such an object, so a policy of this name is in force nowhere: what it allows must not be taken for allowed. Of
    // what policies are attached to, it is only said.
    let isLabel = header.group == "" && (kind == "Namespace" || kind == "Service")
    if isLabel ? !isLabelName(name.value.bytes) : !isSubdomainName(name.value.bytes) {
      report(.objectNameInvalid("metadata.name", name.value.string, isLabel: isLabel, isPolicy: isStrict), at: name.span)
    }
    guard let namespace = header.namespace else { return nil }
    if header.group == ObjectKind.securityGroup { warnOfMissingNamespace(mapping, kind: kind, at: name.span) }
    let key = ObjectKey(kind: header.keyKind ?? "", namespace: namespace, name: name.value)
    let metadata = ObjectMetadata(
      key: key, location: SourceLocation(file: file, span: name.span), creationTime: time ?? .max, labels: labels)
    return DecodedMetadata(metadata: metadata, dryRun: dryRun)
  }

  /// In a file nobody but kubectl knows which namespace is the current one, and a policy in a wrong one decides for other workloads.
  private mutating func warnOfMissingNamespace(_ metadata: NodeIndex, kind: ExactText, at span: SourceSpan) {
    let entry = entry(metadata, "namespace")
    guard entry.map({ document.bytes($0.value).isEmpty }) ?? true else { return }
    report(.namespaceMissing(kind: kind.string), at: entry.map(self.span) ?? span)
  }

  /// Whether no field of `metadata` is misspelt.
  func hasOnlyKnownMetadata(_ mapping: NodeIndex) -> Bool {
    entries(mapping).allSatisfy { entry in Self.metadataFields.contains { document.isScalar(entry.key, $0) } }
  }

  /// Where the object's kind, else its first line, is written.
  func kindSpan(_ object: NodeIndex) -> SourceSpan {
    if let kind = document.entry(object, "kind") { return span(kind) }
    let first = document[object].firstChild
    return document[first.exists ? first : object].span
  }

  private mutating func annotations(_ metadata: NodeIndex, header: ObjectHeader) -> Located<ExactText>? {
    guard let group = header.group, ObjectKind.isIstio(group), let entry = entry(metadata, "annotations"),
      let annotations = texts(entry, path: "metadata.annotations")
    else { return nil }
    for item in entries(entry.value) where !canStop() {
      let name = document.string(item.key)
      let isInternal =
        name.utf8.starts(with: "internal.istio.io/parent".utf8) || document.isScalar(item.key, "internal.istio.io/webhook-always-reject")
      if isInternal { report(.annotationRefused(name), at: document[item.key].span) }
    }
    guard let dryRun = annotations["istio.io/dry-run"] else { return nil }
    if header.kind != "AuthorizationPolicy" {
      report(.dryRunRefused(header.kind?.string ?? "this kind", atRunTime: "at run time it means nothing"), at: dryRun.span)
    } else if goBoolean(dryRun.value) == nil {
      report(.dryRunInvalid(dryRun.value.string), at: dryRun.span)
    }
    return dryRun
  }

  private mutating func creationTime(_ metadata: NodeIndex) -> Int64? {
    guard let entry = entry(metadata, "creationTimestamp"), let text = string(entry, path: "metadata.creationTimestamp") else {
      return nil
    }
    if let seconds = unixSeconds(text.value) { return seconds }
    report(
      .wrongType(
        "metadata.creationTimestamp", expected: "a time", found: "`\(text.value)`", help: "write it as in 2026-01-31T12:00:00Z"),
      at: text.span)
    return nil
  }
}

/// The Unix time of an RFC 3339 text, fractions dropped; nil when it is none.
func unixSeconds(_ text: ExactText) -> Int64? {
  let bytes = text.bytes
  func number(_ range: Range<Int>) -> Int64? {
    guard range.upperBound <= bytes.count, bytes[range].allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return bytes[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
  }
  func has(_ character: Character, at index: Int) -> Bool { index < bytes.count && bytes[index] == character.asciiValue }
  guard let year = number(0..<4), has("-", at: 4), let month = number(5..<7), has("-", at: 7), let day = number(8..<10),
    has("T", at: 10) || has("t", at: 10), let hour = number(11..<13), has(":", at: 13), let minute = number(14..<16), has(":", at: 16),
    let second = number(17..<19), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
  else { return nil }
  var index = 19
  if has(".", at: index) {
    index += 1
    while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
  }
  var offset: Int64 = 0
  if has("Z", at: index) || has("z", at: index) {
    index += 1
  } else if has("+", at: index) || has("-", at: index) {
    guard let hours = number(index + 1..<index + 3), has(":", at: index + 3), let minutes = number(index + 4..<index + 6) else {
      return nil
    }
    offset = (hours * 3600 + minutes * 60) * (has("-", at: index) ? -1 : 1)
    index += 6
  } else {
    return nil
  }
  guard index == bytes.count else { return nil }
  // Days since 1970 in the proleptic Gregorian calendar, years counted from March.
  let shifted = month <= 2 ? year - 1 : year
  let era = (shifted >= 0 ? shifted : shifted - 399) / 400
  let yearOfEra = shifted - era * 400
  let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  return days * 86_400 + hour * 3600 + minute * 60 + second - offset
}
