// What two policy sets say differently, object by object.
// Enters: two sets. Leaves: the objects that are in one of them only, or not the same in both. Where they are written does not count.
// Never here: what follows from it.

internal import PolicyEngine
internal import PolicyModel

/// The objects in which two sets differ.
struct SetDifference {
  /// Policies of either side that the other has not, or not the same.
  var policies: [AuthorizationPolicy] = []
  /// Whether PeerAuthentications, RequestAuthentications or unusable policies differ: then every workload is looked at.
  var concernsAll = false
  /// PeerAuthentications of either side that the other has not, or not the same.
  var peerAuthentications: [PeerAuthentication] = []
  /// Whether the RequestAuthentications differ.
  var hasOtherRequestAuthentications = false

  /// Whether the sets differ in anything that decides.
  var isSome: Bool { concernsAll || !policies.isEmpty }

  /// O(total size).
  init(_ before: PolicySet, _ after: PolicySet) {
    // Most of two versions is the same in the same order.
    var (oldRest, newRest) = (before.policies[...], after.policies[...])
    func isSameObject(_ one: AuthorizationPolicy, _ two: AuthorizationPolicy) -> Bool {
      one.metadata.key == two.metadata.key && Self.isSame(one, two)
    }
    while let one = oldRest.first, let two = newRest.first, isSameObject(one, two) {
      oldRest.removeFirst()
      newRest.removeFirst()
    }
    while let one = oldRest.last, let two = newRest.last, isSameObject(one, two) {
      oldRest.removeLast()
      newRest.removeLast()
    }
    let old = Dictionary(grouping: oldRest) { $0.metadata.key }
    let new = Dictionary(grouping: newRest) { $0.metadata.key }
    for (key, list) in old {
      let other = new[key] ?? []
      if list.count != other.count || !zip(list, other).allSatisfy(Self.isSame) { policies += list + other }
    }
    for (key, list) in new where old[key] == nil { policies += list }
    hasOtherRequestAuthentications = !Self.areSame(
      Self.sorted(before.requestAuthentications, \.metadata), Self.sorted(after.requestAuthentications, \.metadata), Self.isSame)
    let hasOtherModes = !Self.areSame(before.peerAuthentications, after.peerAuthentications, Self.isSame)
    if hasOtherModes {
      for (own, other) in [(before, after), (after, before)] {
        peerAuthentications += own.peerAuthentications.filter { one in
          !other.peerAuthentications.contains { Self.isSame(one, $0) }
        }
      }
    }
    concernsAll =
      hasOtherModes || hasOtherRequestAuthentications || before.unusable.map(\.reach) != after.unusable.map(\.reach)
  }

  /// In the order of their names: where they stand in the files says nothing.
  private static func sorted<Value>(_ values: [Value], _ metadata: (Value) -> ObjectMetadata) -> [Value] {
    values.sorted { metadata($0).key < metadata($1).key }
  }

  private static func areSame<Value>(_ old: [Value], _ new: [Value], _ isSame: (Value, Value) -> Bool) -> Bool {
    old.count == new.count && zip(old, new).allSatisfy(isSame)
  }

  private static func isSame(_ one: PeerAuthentication, _ two: PeerAuthentication) -> Bool {
    one.metadata.key == two.metadata.key && one.metadata.creationTime == two.metadata.creationTime && one.selector == two.selector
      && one.mode == two.mode && one.portModes == two.portModes
  }

  private static func isSame(_ one: RequestAuthentication, _ two: RequestAuthentication) -> Bool {
    func rules(_ object: RequestAuthentication) -> [JWTRule] {
      object.jwtRules.map { rule in
        var rule = rule
        rule.span = .nowhere
        return rule
      }
    }
    return one.metadata.key == two.metadata.key && one.attachment == two.attachment && rules(one) == rules(two)
  }

  private static func isSame(_ one: AuthorizationPolicy, _ two: AuthorizationPolicy) -> Bool {
    one.attachment == two.attachment && one.action == two.action && one.provider == two.provider && one.isDryRun == two.isDryRun
      && areSame(one.rules, two.rules) { one, two in
        switch (one, two) {
        case (nil, nil): true
        case (let one?, let two?):
          areSame(one.sources, two.sources, isSame) && areSame(one.operations, two.operations, isSame)
            && areSame(one.conditions, two.conditions, isSame)
        default: false
        }
      }
  }

  private static func isSame(_ one: AuthorizationPolicy.Clause, _ two: AuthorizationPolicy.Clause) -> Bool {
    areSame(one.constraints, two.constraints, isSame)
  }

  private static func isSame(_ one: Constraint, _ two: Constraint) -> Bool {
    one.attribute == two.attribute && areSame(one.values, two.values) { $0.value == $1.value }
      && areSame(one.notValues, two.notValues) { $0.value == $1.value }
  }
}
