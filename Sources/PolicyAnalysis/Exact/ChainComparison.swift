// Two programs of one chain of one proxy, compared for all requests.
// Enters: what is attached before and after. Leaves: where the verdicts differ, region by region, each with a request that shows it.
// Never here: words for people, or a region that was not asked of the engine before it is printed (`ChangeAnalysis.swift`).

internal import PolicyEngine
internal import PolicyModel

/// Why something cannot be analysed exactly.
struct NotAnalyzable: Error {
  let why: String
}

/// Both sides over one space.
struct ChainComparison {
  var space: Space
  var diagrams: Diagrams
  let before: Outcomes
  let after: Outcomes
  /// Points that some request has.
  let possible: Diagram

  /// - Throws: `LimitReached`, `NotAnalyzable`, `TimeOver`.
  init(
    before: (program: AttachedProgram, mesh: MeshSettings), after: (program: AttachedProgram, mesh: MeshSettings), profile: Profile,
    isTCP: Bool, limit: Int? = nil, also formulas: [Formula] = [], workLimit: WorkLimit = WorkLimit()
  ) throws {
    let old = ProgramFormulas(before.program, mesh: before.mesh, profile: profile)
    let new = ProgramFormulas(after.program, mesh: after.mesh, profile: profile)
    let all = old.formulas + new.formulas + formulas
    if before.program.splitsClaims || after.program.splitsClaims, all.contains(where: \.looksAtClaims) {
      throw NotAnalyzable(why: "a RequestAuthentication splits claims at spaces: what rules see then depends on who issued the token")
    }
    let shape = try Self.shape(before.mesh, after.mesh, profile: profile, isTCP: isTCP, all)
    space = try Space(shape, all, workLimit: workLimit)
    diagrams = space.diagrams(limit: limit ?? workLimit.nodes)
    possible = try space.possible(&diagrams)
    self.before = try Outcomes(old, in: space, &diagrams)
    self.after = try Outcomes(new, in: space, &diagrams)
  }

  /// What the requests have in common that these formulas are about.
  ///
  /// - Throws: `NotAnalyzable` when the sides see one request as two, and a formula is about what they see.
  static func shape(
    _ before: MeshSettings, _ after: MeshSettings, profile: Profile, isTCP: Bool, _ formulas: [Formula] = []
  ) throws -> SpaceShape {
    func keepsDots(_ mesh: MeshSettings) -> Bool { mesh.olderBehaviors.contains(.literalDotParameters) }
    func joins(_ mesh: MeshSettings) -> Bool { mesh.olderBehaviors.contains(.joinedHeaderLines) }
    let fields = formulas.reduce(into: Set<Field>()) { $1.collectFields(&$0) }
    if before.pathNormalization != after.pathNormalization || keepsDots(before) != keepsDots(after), fields.contains(.path) {
      throw NotAnalyzable(why: "the mesh settings differ in what they do to paths, and rules look at paths")
    }
    let hasLines = fields.contains { field in
      if case .header(let name) = field { name != LanguageMaker.bytes(":scheme") } else { false }
    }
    if joins(before) != joins(after), hasLines {
      throw NotAnalyzable(why: "the mesh settings differ in what they do to repeated header lines, and rules look at headers")
    }
    var domains: [ExactText] = []
    for domain in before.allTrustDomains + after.allTrustDomains + before.acceptedTrustDomains + after.acceptedTrustDomains
    where !domains.contains(domain) && !domain.isEmpty { domains.append(domain) }
    return SpaceShape(
      isTCP: isTCP, profile: profile, normalization: before.pathNormalization, keepsDotParameters: keepsDots(before),
      joinsHeaderLines: joins(before), domains: domains)
  }

  /// Where the verdict changes from one to the other; both may be the same.
  mutating func changed(from old: Verdict, to new: Verdict) throws -> Diagram {
    try diagrams.and(possible, try diagrams.and(before[old], after[new]))
  }

  /// Whether policies in dry run decide otherwise, or are on one side only.
  mutating func differsInDryRun() throws -> Bool {
    guard let old = before.dryRunDeny, let new = after.dryRunDeny else { return (before.dryRunDeny == nil) != (after.dryRunDeny == nil) }
    return try diagrams.and(possible, try diagrams.difference(old, new)) != Diagrams.never
  }

  /// One region and a point in it.
  struct Region {
    var box: Diagrams.Box
    var point: [Int32]
  }

  /// The regions of a change, each as large as it can be; at most `limit`, and whether that was all.
  mutating func regions(from old: Verdict, to new: Verdict, limit: Int) throws -> (regions: [Region], isComplete: Bool) {
    let changed = try changed(from: old, to: new)
    return try regions(of: changed, limit: limit)
  }

  /// Points that a region need not leave out: those that no request has, and peers whom the proxy refuses before any policy, on both sides.
  private mutating func unmentioned() throws -> Diagram {
    try diagrams.or(try diagrams.not(possible), try diagrams.and(before.refused, after.refused))
  }

  /// The box as it is told: without classes that no admitted request of it has.
  mutating func told(_ box: Diagrams.Box) throws -> Diagrams.Box {
    let real = try diagrams.subtract(try unmentioned(), from: try diagrams.diagram(of: box))
    var result = box
    for (dimension, atoms) in box.atoms {
      let live = diagrams.atoms(of: dimension, in: real)
      let told = atoms.filter { live.contains($0) }
      // Of a region that the gate refuses as a whole, that is what there is to say.
      result.atoms[dimension] = told.isEmpty ? atoms : told
    }
    return result
  }

  /// The classes of a dimension that some admitted request of a box has.
  mutating func admitted(_ dimension: Int, in box: Diagrams.Box) throws -> Diagrams.AtomSet {
    diagrams.atoms(of: dimension, in: try diagrams.subtract(try unmentioned(), from: try diagrams.diagram(of: box)))
  }

  /// The regions of a function.
  mutating func regions(of function: Diagram, limit: Int) throws -> (regions: [Region], isComplete: Bool) {
    var found: [Region] = []
    var isComplete = true
    let impossible = try unmentioned()
    let function = try diagrams.and(function, possible)
    try diagrams.forEachBox(of: function, within: function, orElse: impossible, preferred: space.preferred) { box, point in
      if found.count == limit {
        isComplete = false
        return false
      }
      found.append(Region(box: box, point: point))
      return true
    }
    return (found, isComplete)
  }

  /// The point of a request; nil outside the space.
  mutating func point(of request: WitnessRequest) -> [Int32]? { space.point(of: request) }
}
