// Real files, real renames, real notifications: what an operator, an editor and Kubernetes do to a directory.

internal import Glibc
internal import PolicyLoading
internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

@Suite(.serialized) struct `Watched files` {
  @Test(arguments: [false, true])
  func `edits in place, renames, new and deleted files are taken up`(polling: Bool) throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("ignored.txt", "kind: [")
    directory.write(".hidden.yaml", "kind: [")
    let watched = try Watched([directory.path], polling: polling)
    defer { watched.stop() }
    watched.wait("the start") { names($0) == ["a ALLOW"] && $0.status.diagnostics.isEmpty }
    directory.write("a.yaml", policy("a", "DENY"))
    watched.wait("an edit in place") { names($0) == ["a DENY"] }
    directory.replace("a.yaml", policy("a"))
    watched.wait("a rename over") { names($0) == ["a ALLOW"] }
    directory.write("b.yml", policy("b", "DENY"))
    watched.wait("a new file") { names($0) == ["a ALLOW", "b DENY"] }
    directory.make("sub")
    directory.make("sub/deep")
    directory.write("sub/deep/c.yaml", policy("c"))
    watched.wait("a new subdirectory") { names($0) == ["a ALLOW", "b DENY", "c ALLOW"] }
    directory.write("sub/deep/c.yaml", policy("c", "DENY"))
    watched.wait("an edit there") { names($0) == ["a ALLOW", "b DENY", "c DENY"] }
    directory.move("sub", "other")
    watched.wait("a renamed directory") { update in
      update.policies.policies.contains { $0.metadata.location.file == ExactText(directory["other/deep/c.yaml"]) }
    }
    directory.remove("b.yml")
    watched.wait("a deleted file") { names($0) == ["a ALLOW", "c DENY"] }
    directory.remove("a.yaml")
    directory.make("a.yaml")
    let inTheWay = watched.wait("an empty directory instead of a file") { $0.status.unreadable.count == 1 }
    #expect(inTheWay.map(names) == ["a ALLOW", "c DENY"])
    directory.write(
      "a.yaml/x.json", #"{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"x","namespace":"shop"}}"#)
    watched.wait("a directory instead of a file") { names($0) == ["c DENY", "x ALLOW"] }
    directory.write("other/deep/c.yaml", broken("c"))
    let update = watched.wait("a broken edit") { $0.status.stale.count == 1 }
    #expect(update.map(names) == ["c DENY", "x ALLOW"])
    #expect(update?.status.watching == (polling ? .polled(reason: nil) : .notified))
  }

  @Test(arguments: [false, true])
  func `a root that is removed keeps its policies until it is back`(polling: Bool) throws {
    let directory = Directory()
    directory.make("root")
    directory.write("root/a.yaml", policy("a", "DENY"))
    directory.write("single.yaml", policy("single"))
    let watched = try Watched([directory["root"], directory["single.yaml"]], polling: polling)
    defer { watched.stop() }
    directory.remove("root")
    let update = watched.wait("the missing root") { $0.status.unreadable.map(\.path.string) == [directory["root"]] }
    #expect(update.map(names) == ["a DENY", "single ALLOW"])
    #expect(update?.status.stale.count == 1)
    directory.replace("single.yaml", policy("single", "DENY"))
    watched.wait("the other root") { names($0) == ["a DENY", "single DENY"] }
    directory.make("root")
    directory.write("root/b.yaml", policy("b"))
    watched.wait("the root is back") { names($0) == ["b ALLOW", "single DENY"] && $0.status.isCurrent }
    directory.write("root/b.yaml", policy("b", "DENY"))
    watched.wait("an edit there") { names($0) == ["b DENY", "single DENY"] }
  }

  @Test(arguments: [false, true])
  func `links are followed wherever they lead, and one that dangles keeps its policies`(polling: Bool) throws {
    let directory = Directory()
    for name in ["releases", "releases/1", "releases/2", "policies", "store"] { directory.make(name) }
    directory.write("releases/1/a.yaml", policy("a"))
    directory.write("releases/2/a.yaml", policy("a", "DENY"))
    directory.write("store/data", policy("b"))
    directory.link("current", to: "releases/1")
    directory.link("policies/b.yaml", to: "../store/data")
    directory.link("policies/loop", to: "../policies")
    let watched = try Watched([directory["current"], directory["policies"], directory["policies/b.yaml"]], polling: polling)
    defer { watched.stop() }
    watched.wait("the start") { names($0) == ["a ALLOW", "b ALLOW"] && $0.status.isCurrent }
    directory.link("current.new", to: "releases/2")
    directory.move("current.new", "current")
    watched.wait("another release") { names($0) == ["a DENY", "b ALLOW"] }
    directory.write("store/data", policy("b", "DENY"))
    watched.wait("an edit of a link's target") { names($0) == ["a DENY", "b DENY"] }
    directory.remove("store/data")
    let update = watched.wait("a dangling link") { !$0.status.unreadable.isEmpty }
    #expect(update.map(names) == ["a DENY", "b DENY"])
    directory.write("store/data", policy("c"))
    watched.wait("a target that is back") { names($0) == ["a DENY", "c ALLOW"] && $0.status.isCurrent }
  }

  @Test(arguments: [false, true])
  func `no update shows half of a ConfigMap`(polling: Bool) throws {
    let directory = Directory()
    func publish(_ number: Int, _ action: String) {
      directory.make("..\(number)")
      for name in ["a", "b", "c"] { directory.write("..\(number)/\(name).yaml", policy(name, action)) }
      directory.link("..data_tmp", to: "..\(number)")
      directory.move("..data_tmp", "..data")
      if number > 0 { directory.remove("..\(number - 1)") }
    }
    publish(0, "ALLOW")
    for name in ["a", "b", "c"] { directory.link("\(name).yaml", to: "..data/\(name).yaml") }
    let watched = try Watched([directory.path], polling: polling)
    defer { watched.stop() }
    for number in 1...200 {
      publish(number, number % 2 == 0 ? "ALLOW" : "DENY")
      usleep(UInt32.random(in: 0...4_000))
    }
    publish(201, "AUDIT")
    watched.wait("the last swap") { names($0) == ["a AUDIT", "b AUDIT", "c AUDIT"] && $0.status.isCurrent }
    for update in watched.all {
      let found = names(update)
      #expect(["ALLOW", "DENY", "AUDIT"].contains { action in found == ["a", "b", "c"].map { "\($0) \(action)" } }, "\(found)")
      #expect(update.status.stale.isEmpty, "\(update.status.stale)")
    }
    if !polling { #expect(watched.all.filter(\.isNewSet).count > 1) }
  }

  @Test func `a rename is applied while another file is still being written`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("endless.yaml", policy("endless"))
    let watched = try Watched([directory.path])
    defer { watched.stop() }
    let writer = unsafe open(directory["endless.yaml"], O_WRONLY | O_TRUNC | O_CLOEXEC)
    defer { close(writer) }
    directory.replace("a.yaml", policy("a", "DENY"))
    let update = watched.wait("the rename") { names($0).first == "a DENY" }
    #expect(update.map(names) == ["a DENY", "endless ALLOW"])
    var isDone = false
    directory.write("b.yaml", policy("b"))
    for _ in 0..<2_000 where !isDone {
      _ = unsafe write(writer, "#\n", 2)
      usleep(5_000)
      isDone = watched.all.last.map { names($0).contains("b ALLOW") } ?? false
    }
    #expect(isDone, "a file that is written without end holds up another")
  }

  @Test func `a file that was cut and is written a while later never loses its policies`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("deny.yaml", policy("deny", "DENY"))
    let watched = try Watched([directory.path])
    defer { watched.stop() }
    let writer = unsafe open(directory["deny.yaml"], O_WRONLY | O_TRUNC | O_CLOEXEC)
    usleep(400_000)
    let text = Array((policy("deny", "DENY") + policy("more")).utf8)
    _ = unsafe text.withUnsafeBytes { unsafe write(writer, $0.baseAddress, $0.count) }
    close(writer)
    watched.wait("the edit") { names($0) == ["a ALLOW", "deny DENY", "more ALLOW"] }
    #expect(watched.all.allSatisfy { names($0).contains("deny DENY") })
  }

  @Test func `files made one by one appear together`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    let watched = try Watched([directory.path])
    defer { watched.stop() }
    for number in 0..<20 { directory.write("n\(number).yaml", policy("n\(number)")) }
    watched.wait("all of them") { names($0).count == 21 }
    // The machine may be slow, so that a pause counts as the end; halves of a file must never show.
    #expect(watched.all.allSatisfy { $0.status.diagnostics.isEmpty })
  }

  @Test(arguments: [UInt64.random(in: 0 ... .max)], [false, true])
  func `after any edits the set is the one that a fresh start loads`(seed: UInt64, polling: Bool) throws {
    print("seed \(seed)")
    var random = Random(seed)
    let directory = Directory()
    directory.write("anchor.yaml", policy("anchor"))
    let watched = try Watched([directory.path], polling: polling)
    defer { watched.stop() }
    for round in 0..<20 {
      for _ in 0..<Int.random(in: 1..<8, using: &random) {
        let name = ["p", "q", "d/p", "d/q"].randomElement(using: &random) ?? "p"
        let text = policy(name.replacing("/", with: "-"), Bool.random(using: &random) ? "DENY" : "ALLOW")
        if name.hasPrefix("d/"), unsafe access(directory["d"], F_OK) != 0 { directory.make("d") }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: directory.remove(name + ".yaml")
        case 1: directory.remove("d")
        case 2: directory.replace(name + ".yaml", text)
        default: directory.write(name + ".yaml", text)
        }
      }
      directory.replace("round.yaml", policy("round\(round)"))
      let fresh = PolicySources(paths: [directory.path]).load()
      let wanted = fresh.policies.policies.map { "\($0.metadata.key.name) \($0.action.rawValue)" }.sorted()
      watched.wait("round \(round) of seed \(seed)") { names($0) == wanted && $0.status.isCurrent }
    }
  }

  @Test func `stopping gives every descriptor back`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    // Other suites open and close files and sockets meanwhile, so only what a watcher opens counts: its notifications, and this directory.
    func open() throws -> Int {
      try FileSystem.entries(of: "/proc/self/fd").count { entry in
        var target = [CChar](repeating: 0, count: 4096)
        let path = "/proc/self/fd/" + entry.name.string
        let length = unsafe readlink(path, &target, target.count)
        let text = String(decoding: target.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text.hasPrefix("anon_inode:inotify") || text.hasPrefix(directory.path)
      }
    }
    let rounds = 200
    let before = try open()
    for round in 0..<rounds {
      let watched = try Watched([directory.path], polling: round % 2 == 1)
      watched.stop()
      watched.stop()
    }
    // The watchers of other suites may be among them.
    #expect(try open() < before + 20)
  }

  @Test func `a watcher that is let go ends by itself`() throws {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    let loaded = PolicySources(paths: [directory.path]).load()
    for _ in 0..<10 { _ = try PolicyWatcher(continuing: loaded) { _ in } }
  }
}

@Suite struct `Loading once` {
  @Test func `all problems of all files are found in one run, and counted`() {
    let directory = Directory()
    directory.make("sub")
    directory.write("a.yaml", policy("a") + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    directory.write("b.yaml", broken("b") + policy("a"))
    directory.write("sub/c.yaml", "\"")
    directory.link("dangling.yaml", to: "nowhere")
    let loaded = PolicySources(paths: [directory.path + "/", directory["missing"]]).load()
    #expect(loaded.hasErrors)
    let places = loaded.diagnostics.map { $0.location.file.string.replacing(directory.path, with: "") + " " + $0.code }
    #expect(
      places.map { $0.hasPrefix("/b.yaml") || $0.hasPrefix("/sub") ? String($0.prefix(7)) : $0 } == [
        "/b.yaml", "/b.yaml", "/dangling.yaml source-unreadable", "/missing source-unreadable", "/sub/c.",
      ])
    #expect(loaded.status.counts.files == 3)
    #expect(loaded.status.counts.skipped == ["ConfigMap": 1])
  }

  @Test func `a file that is too large is refused, and denies what it might say`() {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    directory.write("big.yaml", policy("big") + String(repeating: "#\n", count: 1_000))
    var options = PolicySourceOptions()
    options.limits.fileBytes = 1_000
    let loaded = PolicySources(paths: [directory.path], options: options).load()
    #expect(loaded.diagnostics.map(\.code) == ["file-too-large"])
    #expect(loaded.policies.unusable.map(\.reach) == [.everywhere])
  }

  @Test func `a pipe in the place of a file is refused without waiting`() {
    let directory = Directory()
    directory.write("a.yaml", policy("a"))
    let result = unsafe mkfifo(directory["pipe.yaml"], 0o600)
    #expect(result == 0)
    let loaded = PolicySources(paths: [directory.path]).load()
    #expect(loaded.diagnostics.map(\.code) == ["source-unreadable"])
  }
}
