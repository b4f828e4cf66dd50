// What Istio's webhook demands of load balancing: consistent hashing, localities, zones, warm-up. Nodes that their schema has checked
// enter; problems leave. Nothing is kept: no decision depends on these settings.

internal import PolicyModel

extension NodeReader {
  /// Checks `loadBalancer`. `findsOutliers` says whether `outlierDetection` stands beside it.
  mutating func checkLoadBalancer(_ balancer: NodeIndex, path: String, findsOutliers: Bool) {
    refuseSecond(balancer, ["simple", "consistentHash"], path: path)
    refuseSecond(balancer, ["localityLbSetting", "zoneAwareLbSetting"], path: path)
    refuseSecond(balancer, ["warmup", "warmupDurationSecs"], path: path)
    if let hash = object(balancer, "consistentHash") { checkConsistentHash(hash, path: "\(path).consistentHash") }
    if let locality = object(balancer, "localityLbSetting") {
      checkLocality(locality, path: "\(path).localityLbSetting", findsOutliers: findsOutliers)
    }
    if let zones = object(balancer, "zoneAwareLbSetting") {
      refuseTopologyLabels(zones)
      checkFailover(zones, path: "\(path).zoneAwareLbSetting", findsOutliers: findsOutliers)
    }
    if let warmup = object(balancer, "warmup") { checkWarmup(warmup, at: keySpan(balancer, "warmup"), path: "\(path).warmup") }
  }

  /// Reports each field but the first of a group in which only one may be set.
  private mutating func refuseSecond(_ mapping: NodeIndex, _ keys: [StaticString], path: String) {
    let present = keys.compactMap { key in keySpan(mapping, key).map { (key: key, span: $0) } }
    guard let first = present.first else { return }
    for other in present.dropFirst() { report(.fieldConflict("\(other.key)", with: "\(first.key)", in: path), at: other.span) }
  }

  // MARK: Consistent hashing

  private mutating func checkConsistentHash(_ hash: NodeIndex, path: String) {
    refuseSecond(hash, ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"], path: path)
    refuseSecond(hash, ["ringHash", "maglev"], path: path)
    if let size = whole(hash, "minimumRingSize"), size.value != 0, let span = keySpan(hash, "minimumRingSize") {
      report(.fieldDeprecated("\(path).minimumRingSize", instead: "ringHash.minimumRingSize"), at: span)
      for key in ["ringHash", "maglev"] as [StaticString] {
        if entry(hash, key) != nil { report(.fieldConflict("minimumRingSize", with: "\(key)", in: path), at: span) }
      }
    }
    if let cookie = object(hash, "httpCookie") { checkCookie(cookie, at: keySpan(hash, "httpCookie"), path: "\(path).httpCookie") }
    guard let maglev = object(hash, "maglev") else { return }
    let size = whole(maglev, "tableSize")
    if size == nil, entry(maglev, "tableSize") != nil { return }
    let span = size?.span ?? keySpan(hash, "maglev") ?? start(maglev)
    let number = size?.value ?? 0
    if !(1..<5_000_011).contains(number) {
      report(.numberOutOfRange("\(path).maglev.tableSize", "\(number)", allowed: "a prime number below 5000011"), at: span)
    } else if !isPrime(number) {
      report(.numberNotPrime("\(path).maglev.tableSize", "\(number)"), at: span)
    }
  }

  private mutating func checkCookie(_ cookie: NodeIndex, at span: SourceSpan?, path: String) {
    if let name = text(cookie, "name") {
      if name.value.isEmpty { report(.emptyString("\(path).name"), at: name.span) }
    } else if entry(cookie, "name") == nil {
      report(.fieldRequired("name", in: "`\(path)`", help: "name the cookie"), at: span ?? start(cookie))
    }
    var names = Set<ExactText>()
    for attribute in objects(cookie, "attributes") {
      guard let name = required(attribute, "name", in: "\(path).attributes", help: "name the attribute") else { continue }
      if !names.insert(name.value).inserted { report(.nameDuplicate(name.value.string, path: "\(path).attributes"), at: name.span) }
    }
  }

  /// At most a thousand divisions for the numbers that get here.
  private func isPrime(_ number: Int64) -> Bool {
    guard number > 3 else { return number > 1 }
    guard !number.isMultiple(of: 2) else { return false }
    var divisor: Int64 = 3
    while divisor <= number / divisor {
      if number.isMultiple(of: divisor) { return false }
      divisor += 2
    }
    return true
  }

  // MARK: Localities and zones

  private mutating func checkLocality(_ locality: NodeIndex, path: String, findsOutliers: Bool) {
    let distribute = objects(locality, "distribute")
    let hasFailover = !objects(locality, "failover").isEmpty
    if !distribute.isEmpty, hasFailover, let span = keySpan(locality, "failover") {
      report(.fieldConflict("failover", with: "distribute", in: path), at: span)
    }
    refuseOverlap(distribute.compactMap { text($0, "from") ?? (entry($0, "from") == nil ? Located("", start($0)) : nil) })
    for entry in distribute { checkWeights(entry) }
    if hasFailover { refuseTopologyLabels(locality) }
    checkFailover(locality, path: path, findsOutliers: findsOutliers)
  }

  private mutating func checkWeights(_ distribute: NodeIndex) {
    let to = object(distribute, "to")
    var places: [Located<ExactText>] = []
    var sum: Int64 = 0
    var isReadable = true
    for item in to.map(entries) ?? [] {
      places.append(Located(ExactText(document.string(item.key)), document[item.key].span))
      guard case .int(let weight?) = document.type(item.value), (0...Int64(UInt32.max)).contains(weight) else {
        isReadable = false
        continue
      }
      if !(1...100).contains(weight) {
        report(.numberOutOfRange("distribute.to", "\(weight)", allowed: "a weight from 1 to 100"), at: span(item))
        isReadable = false
      }
      // At most the number of nodes of a document times 2^32.
      sum += weight
    }
    refuseOverlap(places)
    if isReadable, sum != 100, to != nil || entry(distribute, "to") == nil {
      report(.localityWeights("\(sum)"), at: keySpan(distribute, "to") ?? start(distribute))
    }
  }

  private mutating func refuseOverlap(_ localities: [Located<ExactText>]) {
    guard let refusal = localityRefusal(localities.map(\.value)) else { return }
    let locality = localities[refusal.index]
    report(.localityInvalid(locality.value.string, why: refusal.why), at: locality.span)
  }

  private mutating func refuseTopologyLabels(_ setting: NodeIndex) {
    let refused: Set<ExactText> = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"]
    for label in textList(setting, "failoverPriority") where refused.contains(label.value) {
      report(.failoverLabel(label.value.string), at: label.span)
    }
  }

  private mutating func checkFailover(_ setting: NodeIndex, path: String, findsOutliers: Bool) {
    let failover = objects(setting, "failover")
    if !findsOutliers {
      for key in ["failover", "failoverPriority"] as [StaticString] {
        guard let entry = entry(setting, key), document[entry.value].kind == .sequence, document[entry.value].count > 0 else { continue }
        report(.failoverWithoutOutlierDetection("\(path).\(key)"), at: document[entry.key].span)
        break
      }
    }
    for node in failover {
      // A missing region is an empty one; two of them are the same region.
      let regions = [text(node, "from") ?? Located("", start(node)), text(node, "to") ?? Located("", start(node))]
      if regions[0].value == regions[1].value {
        report(.failoverInvalid("failover from \(Message.quoted(regions[0].value.string)) goes to the same region"), at: regions[1].span)
      }
      for region in regions {
        let bytes = region.value.bytes
        if bytes.contains(UInt8(ascii: "/")) {
          report(.failoverInvalid("failover region \(Message.quoted(region.value.string)) contains a slash"), at: region.span)
        }
        if bytes.contains(UInt8(ascii: "*")) {
          report(.failoverInvalid("failover region \(Message.quoted(region.value.string)) contains a star"), at: region.span)
        }
      }
    }
  }

  // MARK: Warm-up

  private mutating func checkWarmup(_ warmup: NodeIndex, at span: SourceSpan?, path: String) {
    if entry(warmup, "duration") == nil {
      report(.fieldRequired("duration", in: "`\(path)`", help: "write for example `duration: 300s`"), at: span ?? start(warmup))
    }
    if let percent = real(warmup, "minimumPercent"), !(0...100).contains(percent.value) {
      report(.numberOutOfRange("\(path).minimumPercent", shown(percent), allowed: "a number from 0 to 100"), at: percent.span)
    }
    // The webhook wants it positive, the CRD at least 1.
    if let aggression = real(warmup, "aggression"), aggression.value < 1 {
      report(.numberOutOfRange("\(path).aggression", shown(aggression), allowed: "a number from 1 on"), at: aggression.span)
    }
  }
}
