// Files that are being written while somebody looks: no update may show less than was there and will be there.

internal import Glibc
internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

@Suite(.serialized) struct `Files that are being written` {
  private let deny = policy("deny", "DENY")

  /// Every update so far has the policy that denies.
  private func expectDeny(_ watched: Watched, location: Testing.SourceLocation = #_sourceLocation) {
    let bad = watched.all.filter { !names($0).contains("deny DENY") && $0.policies.unusable.isEmpty }
    #expect(bad.isEmpty, "\(bad.map(names))", sourceLocation: location)
  }

  @Test(arguments: [false, true])
  func `a renamed file that is then written keeps its policies, also over another file`(isOver: Bool) throws {
    let directory = Directory()
    directory.write("a.yaml", deny)
    directory.write("c.yaml", policy("c"))
    if isOver { directory.write("b.yaml", policy("b")) }
    let watched = try Watched([directory.path])
    defer { watched.stop() }
    var writer: Int32 = -1
    watched.unseen(after: { directory.replace("c.yaml", policy("c", "AUDIT")) }) {
      directory.move("a.yaml", "b.yaml")
      writer = directory.start("b.yaml", "# x\n", appending: true)
    }
    directory.replace("c.yaml", policy("c", "DENY"))
    watched.wait("the rename") { names($0) == ["c DENY", "deny DENY"] }
    directory.more(writer, policy("more"))
    close(writer)
    let update = watched.wait("the end of writing") { names($0) == ["c DENY", "deny DENY", "more ALLOW"] && $0.status.isCurrent }
    let files = update?.policies.policies.map(\.metadata.location.file.string)
    #expect(files.map { Set($0) } == [directory["b.yaml"], directory["c.yaml"]])
    expectDeny(watched)
  }

  @Test func `a file that is replaced, renamed and then written keeps its policies`() throws {
    let directory = Directory()
    directory.write("a.yaml", deny)
    directory.write("c.yaml", policy("c"))
    let watched = try Watched([directory.path], ceiling: 200)
    defer { watched.stop() }
    var writer: Int32 = -1
    watched.unseen(after: { directory.replace("c.yaml", policy("c", "AUDIT")) }) {
      directory.replace("a.yaml", deny + policy("new"))
      directory.move("a.yaml", "b.yaml")
      writer = directory.start("b.yaml", "# x\n", appending: true)
    }
    let update = watched.wait("the ceiling") { $0.status.stale.count == 1 }
    #expect(update?.status.unreadable.map(\.path.string) == [directory["b.yaml"]])
    directory.remove("c.yaml")
    watched.wait("a removal that has nothing to do with it") { names($0) == ["deny DENY"] }
    close(writer)
    watched.wait("the end of writing") { names($0) == ["deny DENY", "new ALLOW"] && $0.status.isCurrent }
    expectDeny(watched)
  }

  @Test(arguments: ["", "# header\n", "apiVersion: security.istio.io/v1\n"])
  func `a file that stays open beyond the ceiling keeps its policies and is stale, while others go on`(start: String) throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("deny.yaml", deny)
    let watched = try Watched([directory.path], ceiling: 200)
    defer { watched.stop() }
    let writer = directory.start("deny.yaml", start)
    directory.write("a.yaml", policy("a", "AUDIT"))
    let update = watched.wait("the ceiling") { $0.status.stale.map(\.key.name) == ["deny"] && names($0).contains("a AUDIT") }
    #expect(update?.status.stale.first?.location.file.string == directory["deny.yaml"])
    #expect(update?.status.isCurrent == false)
    directory.write("a.yaml", policy("a", "DENY"))
    watched.wait("another edit") { names($0).contains("a DENY") }
    directory.more(writer, "# still\n")
    directory.replace("a.yaml", policy("a"))
    watched.wait("a rename") { names($0).contains("a ALLOW") }
    close(writer)
    directory.write("deny.yaml", deny + policy("more"))
    watched.wait("the end of writing") { names($0) == ["a ALLOW", "deny DENY", "more ALLOW"] && $0.status.isCurrent }
  }

  @Test func `a slow writer of the file with the DENY never opens a gap`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("deny.yaml", deny)
    let watched = try Watched([directory.path], ceiling: 100)
    defer { watched.stop() }
    let writer = directory.start("deny.yaml", "# header\n")
    watched.wait("the ceiling") { !$0.status.stale.isEmpty }
    directory.move("deny.yaml", "renamed.yaml")
    watched.wait("a rename of an open file") { $0.status.stale.first?.location.file.string == directory["renamed.yaml"] }
    usleep(300_000)
    directory.more(writer, deny + policy("more"))
    close(writer)
    watched.wait("the end of writing") { names($0) == ["a ALLOW", "deny DENY", "more ALLOW"] && $0.status.isCurrent }
    expectDeny(watched)
  }

  @Test(arguments: [false, true])
  func `a file that was cut before the watching began keeps its policies until it stands still`(polling: Bool) throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("deny.yaml", deny)
    var writer: Int32 = -1
    let watched = try Watched([directory.path], polling: polling) { writer = directory.start("deny.yaml", "") }
    defer { watched.stop() }
    #expect(watched.all.first.map(names) == ["a ALLOW", "deny DENY"])
    directory.more(writer, deny + policy("more"))
    close(writer)
    watched.wait("the end of writing") { names($0) == ["a ALLOW", "deny DENY", "more ALLOW"] && $0.status.isCurrent }
  }

  @Test func `a file that changes at every comparison keeps its policies and holds nobody up`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("deny.yaml", deny)
    let watched = try Watched([directory.path], polling: true, ceiling: 200)
    defer { watched.stop() }
    let writer = directory.start("deny.yaml", "# header\n")
    directory.replace("a.yaml", policy("a", "AUDIT"))
    var isDone = false
    for _ in 0..<4_000 where !isDone {
      directory.more(writer, "#\n")
      usleep(2_000)
      isDone = watched.all.contains { names($0).contains("a AUDIT") && $0.status.stale.map(\.key.name) == ["deny"] }
    }
    #expect(isDone, "a file that is written without end holds up another, or is not told to be stale")
    directory.more(writer, deny + policy("more"))
    close(writer)
    watched.wait("the end of writing") { names($0) == ["a AUDIT", "deny DENY", "more ALLOW"] && $0.status.isCurrent }
  }
}

@Suite struct `What settles` {
  private let one = FileID(device: 1, inode: 1)
  private let two = FileID(device: 1, inode: 2)

  private func make() -> Settling { Settling(time: 50, ceiling: 2_000) }

  @Test func `an open file is held beyond the ceiling and holds nobody else up then`() {
    var settling = make()
    settling.written(["a"], file: one, now: 0)
    settling.edited(["b"], file: two, now: 10)
    #expect(settling.deadline == 2_000)
    let released = settling.flush()
    #expect(released.names == ["a", "b"] && released.files == [two])
    #expect(settling.deferral(without: released).files == [one])
    #expect(settling.deferral(without: released).late == [one])
    #expect(settling.deadline == nil)
    settling.written(["a"], file: one, now: 2_500)
    #expect(settling.deadline == nil)
    settling.edited(["b"], file: two, now: 3_000)
    #expect(settling.deadline == 3_050)
    settling.closed(["a"], file: one, now: 3_010)
    #expect(settling.deadline == 3_060)
    #expect(settling.flush().files == [one, two])
    #expect(settling.deferral(without: Deferral()).files.isEmpty)
  }

  @Test func `an open file is held although it has waited long enough`() {
    var settling = make()
    settling.edited(["a"], file: one, now: 0)
    let overdue = settling.flush()
    settling.written(["a"], file: one, now: 60)
    #expect(settling.deferral(without: overdue).holds("a", one))
  }

  @Test func `a rename does not close a file, and a file out of sight is forgotten`() {
    var settling = make()
    settling.written(["a"], file: one, now: 0)
    settling.left(["a"], cookie: 7, now: 1)
    settling.arrived(["b"], file: one, cookie: 7)
    #expect(settling.wantsNow && settling.deferral(without: Deferral()).holds("b", one))
    settling.arrived(["b"], file: two, cookie: 8)
    #expect(!settling.isOpen(one))
    settling.written(["b"], file: two, now: 2)
    settling.edited(["b"], file: nil, now: 3)
    #expect(!settling.isOpen(two))
    settling.written(["c"], file: one, now: 4)
    settling.keep(only: [two])
    #expect(!settling.isOpen(one))
  }
}
