// The usual case: every file was read, nothing in it is broken, and no object is written twice. Then the files alone say what is in force,
// and a step costs what changed. The content of all files enters; what changed leaves, or the word that something is unusual.
//
// Never here: a judgement. Whatever is unusual is left to LastGoodStep, whose rules come to the same where nothing is: every object is
// in force as it is written, in the order of files and text.

internal import PolicyLoading
internal import PolicyModel

/// Files in which nothing is unusual.
struct PlainFiles: Sendable {
  /// The files, sorted by name, each name once.
  private(set) var files: [SourceReading.File] = []
  /// How many objects there are.
  private(set) var counts = PolicyCounts()
  /// How many of them are AuthorizationPolicies.
  private(set) var policies = 0
  /// How many objects each namespace holds.
  private(set) var namespaces: [ExactText: Int] = [:]
  /// The hashes of all keys, all different. A key whose hash is among them may be written twice; it need not be.
  private var keys: Set<Int> = []

  /// A step from one to the next.
  struct Step {
    var plain: PlainFiles
    /// The namespaces of all objects that came or went.
    var touched: Set<ExactText> = []
    /// Whether the same versions of the same objects are in force, in the same order.
    var isSame: Bool
  }

  /// The files after one pass; nil when something may be unusual. O(files), and O(objects) of the files that changed.
  func step(to reading: SourceReading) -> Step? {
    guard reading.unreadable.isEmpty, reading.heldBack.isEmpty, let (gone, new) = difference(from: reading.files),
      new.allSatisfy({ $0.loaded.broken.isEmpty })
    else { return nil }
    var step = Step(plain: self, isSame: true)
    step.plain.files = reading.files
    step.plain.counts.files = reading.files.count
    for content in gone { step.remove(content) }
    for content in new where !step.add(content) { return nil }
    step.isSame = step.touched.isEmpty || versions.elementsEqual(step.plain.versions)
    return step
  }

  /// The contents that are not there any more, and the new ones; nil when the names are not in order.
  private func difference(from new: [SourceReading.File]) -> (gone: [FileContent], new: [FileContent])? {
    var (gone, come): ([FileContent], [FileContent]) = ([], [])
    var place = 0
    for (index, file) in new.enumerated() {
      guard index == 0 || new[index - 1].name < file.name else { return nil }
      while place < files.count, files[place].name < file.name {
        gone.append(files[place].content)
        place += 1
      }
      guard place < files.count, files[place].name == file.name else {
        come.append(file.content)
        continue
      }
      if files[place].content !== file.content {
        gone.append(files[place].content)
        come.append(file.content)
      }
      place += 1
    }
    gone += files[place...].map(\.content)
    return (gone, come)
  }

  /// What tells one order of objects from another.
  private var versions: some Sequence<UInt64> {
    files.lazy.filter { !$0.content.loaded.objects.isEmpty }.map(\.content.version)
  }

  /// The findings of all files, in the order of the files, and those between files.
  var diagnostics: [Diagnostic] {
    let own = files.flatMap(\.content.loaded.diagnostics)
    return counts.objects["PeerAuthentication"] == nil ? own : own + warningsOfOutdoneModes(files.lazy.flatMap(\.content.loaded.objects))
  }

  /// The same, object by object. O(objects).
  var holdings: Holdings {
    var holdings = Holdings()
    let count = counts.objects.values.reduce(0, +)
    holdings.live.reserveCapacity(count)
    holdings.order.reserveCapacity(count)
    for file in files {
      var held = Set<ObjectKey>()
      for (index, object) in file.content.loaded.objects.enumerated() {
        let entry = LiveObject(file: file.name, content: file.content, index: index, trouble: nil)
        let key = object.key
        holdings.live[key] = entry
        holdings.order.append(entry)
        held.insert(key)
      }
      holdings.files[file.name] = FileMemory(content: file.content, held: held)
    }
    return holdings
  }
}

extension PlainFiles.Step {
  fileprivate mutating func remove(_ content: FileContent) {
    for object in content.loaded.objects { plain.remove(object, &touched) }
    for (kind, number) in content.loaded.skipped { plain.count(kind, -number, in: \.skipped) }
  }

  /// Whether no key of the content is known.
  fileprivate mutating func add(_ content: FileContent) -> Bool {
    for object in content.loaded.objects where !plain.add(object, &touched) { return false }
    for (kind, number) in content.loaded.skipped { plain.count(kind, number, in: \.skipped) }
    return true
  }
}

extension PlainFiles {
  fileprivate mutating func add(_ object: LoadedObject, _ touched: inout Set<ExactText>) -> Bool {
    let key = object.key
    guard keys.insert(key.hashValue).inserted else { return false }
    if case .policy = object { policies += 1 }
    namespaces[key.namespace, default: 0] += 1
    touched.insert(key.namespace)
    count(key.kind, 1, in: \.objects)
    return true
  }

  fileprivate mutating func remove(_ object: LoadedObject, _ touched: inout Set<ExactText>) {
    let key = object.key
    keys.remove(key.hashValue)
    if case .policy = object { policies -= 1 }
    let left = (namespaces[key.namespace] ?? 1) - 1
    namespaces[key.namespace] = left > 0 ? left : nil
    touched.insert(key.namespace)
    count(key.kind, -1, in: \.objects)
  }

  fileprivate mutating func count(_ kind: ExactText, _ change: Int, in place: WritableKeyPath<PolicyCounts, [ExactText: Int]>) {
    let number = (counts[keyPath: place][kind] ?? 0) + change
    counts[keyPath: place][kind] = number > 0 ? number : nil
  }
}
