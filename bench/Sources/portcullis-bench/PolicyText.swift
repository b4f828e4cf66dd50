// From text to a compiled snapshot, with the time and memory that each step took. What enters is YAML; what leaves is the snapshot and the
// targets of its workloads. A text with one error ends the benchmark: speed over policies that were not understood means nothing.
internal import CAllocations
internal import CProcess
internal import PolicyEngine
internal import PolicyLoading
internal import PolicyModel

/// A loaded and compiled set.
struct CompiledText {
  let snapshot: Snapshot
  let policyCount: Int
  /// Milliseconds from text to objects.
  let loadTime: Double
  /// Milliseconds from objects to snapshot.
  let compileTime: Double
  /// What the snapshot alone keeps on the heap, bytes.
  let heapBytes: Int

  /// Loads and compiles.
  init(_ text: String) throws {
    let bytes = Array(text.utf8)
    let start = bench_now()
    let file = loadPolicies(text: bytes, file: "bench.yaml", limits: LoadingLimits())
    if let problem = file.diagnostics.first(where: { $0.severity == .error }) {
      throw BenchError("the benchmark's own policies: \(problem)")
    }
    var set = PolicySet()
    for object in file.objects {
      switch object {
      case .policy(let policy): set.policies.append(policy)
      case .requestAuthentication(let object): set.requestAuthentications.append(object)
      case .destinationRule(let rule): set.destinationRules.append(rule)
      case .peerAuthentication(let policy): set.peerAuthentications.append(policy)
      case .workload(let workload): set.workloads.append(workload)
      case .inventory(let object): set.inventory.append(object)
      }
    }
    let loaded = bench_now()
    let heap = bench_heap_bytes()
    snapshot = Snapshot(set, mesh: MeshSettings())
    let compiled = bench_now()
    heapBytes = Int(bench_heap_bytes()) - Int(heap)
    loadTime = Double(loaded - start) / 1e6
    compileTime = Double(compiled - loaded) / 1e6
    policyCount = set.policies.count
  }

  /// What is attached to the workload `namespace/name`.
  func target(_ workload: String) throws -> Target {
    guard case .found(let number) = snapshot.target(workload: Array(workload.utf8).span) else {
      throw BenchError("the engine does not find the workload \(workload)")
    }
    return snapshot.targets[number]
  }
}
