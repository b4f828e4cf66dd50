// What is attached to workloads that no manifest names: those that connections describe by labels, and waypoints with the service that is
// addressed. The snapshot makes these targets when it is asked; here the reader keeps them for all its connections.
// Enters: descriptions. Leaves: places, valid until everything is forgotten. Never here: a target of an older snapshot than the reader's: a
// connection holds a place and no target, so that one on which nothing happens keeps no old tables.

internal import PolicyEngine
internal import PolicyModel

struct KeptTargets {
  /// What connections say of a workload.
  enum Description: Hashable {
    case labels(ExactText, [ExactText: ExactText])
    case waypoint([UInt8], ServiceName?)
    case waypointLabels(ExactText, [ExactText: ExactText], ServiceName?)
  }

  private var places: [Description: Int] = [:]
  private var targets: [Target] = []

  /// A reader whose connections describe more workloads begins anew.
  private static let most = 4_096

  var isFull: Bool { targets.count >= Self.most }

  /// The target at a place; `nil` beyond all.
  @inline(__always)
  subscript(_ place: Int) -> Target? { targets.indices.contains(place) ? targets[place] : nil }

  /// Where the target of a description is; `nil` when it is not there yet.
  func place(of description: Description) -> Int? { places[description] }

  /// Keeps the target of a description; returns its place.
  mutating func keep(_ target: Target, for description: Description) -> Int {
    let place = targets.count
    targets.append(target)
    places[description] = place
    return place
  }

  /// Lets all targets go.
  mutating func forget() {
    places.removeAll(keepingCapacity: true)
    targets.removeAll(keepingCapacity: true)
  }
}
