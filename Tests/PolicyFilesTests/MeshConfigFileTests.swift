// The file with the mesh's settings: which versions are read, and what stays in force meanwhile. The states first, without a file; then
// real files, looked at by hand, so that no test waits.

internal import Glibc
internal import PolicyLoading
internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

private func stamp(_ number: Int64, size: Int64 = 10) -> FileStamp {
  FileStamp(id: FileID(device: 1, inode: 1), size: size, modified: number, changed: number)
}

private func loaded(_ text: String) -> (settings: LoadedMeshConfig?, diagnostics: [Diagnostic]) {
  loadMeshConfig(text: Array(text.utf8), file: "mesh.yaml")
}

private func settings(_ domain: ExactText) -> LoadedMeshConfig {
  var settings = LoadedMeshConfig()
  settings.trustDomain = domain
  return settings
}

extension MeshConfigState {
  /// What it says to one look after the other: `r` to read, `-` not to.
  fileprivate mutating func looks(_ stamps: FileStamp...) -> String { stamps.map { see($0) ? "r" : "-" }.joined() }
}

extension MeshConfigFile {
  /// What some looks led to.
  fileprivate mutating func looks(_ count: Int) -> [Change] { (0..<count).map { _ in look() } }
}

@Suite struct `The states of the settings' file` {
  @Test func `a version is read when two looks find it, and once`() {
    var state = MeshConfigState(settings: settings("a"))
    // The version of the start is read once more: it may have changed since.
    let start = state.looks(stamp(1), stamp(1))
    #expect(start == "-r")
    let isSame = state.take(loaded("trustDomain: a"), of: stamp(1), now: 1)
    #expect(!isSame && state.trouble == nil)
    // One that keeps moving is left alone, also when it comes back.
    let moving = state.looks(stamp(1), stamp(1), stamp(2), stamp(3), stamp(2), stamp(2, size: 11))
    #expect(moving == "------")
    let back = state.looks(stamp(1), stamp(2), stamp(2))
    #expect(back == "--r")
    let isNew = state.take(loaded("trustDomain: b"), of: stamp(2), now: 2)
    #expect(isNew && state.settings == settings("b"))
  }

  @Test func `one that moves while it is read is looked at again`() {
    var state = MeshConfigState(settings: settings("a"))
    let first = state.looks(stamp(1), stamp(1))
    state.forget()
    let again = state.looks(stamp(2), stamp(2))
    #expect(first == "-r" && again == "-r")
  }

  @Test func `an error keeps the last good settings, and says since when`() {
    var state = MeshConfigState(settings: settings("a"))
    let broken = state.take(loaded("trustDomain: [b]"), of: stamp(1), now: 7)
    #expect(!broken && state.settings == settings("a"))
    #expect(state.trouble?.since == 7 && state.trouble?.reason.contains("`trustDomain` must be a string") == true)
    #expect(state.diagnostics.map(\.code) == ["wrong-type"])
    // Another error does not make it younger.
    _ = state.take(loaded("trustDomian: b"), of: stamp(2), now: 9)
    #expect(state.trouble?.since == 7 && state.trouble?.reason.contains("trustDomian") == true)
    // Whole again, with the settings that are in force: nothing is to be published, and nothing is stale.
    let same = state.take(loaded("trustDomain: a"), of: stamp(3), now: 11)
    #expect(!same && state.trouble == nil && state.diagnostics.isEmpty)
  }

  @Test func `a file that is gone keeps the last good settings, and its own trouble when it is back`() {
    var state = MeshConfigState(settings: settings("a"))
    state.miss("cannot be read: gone", now: 5)
    state.miss("cannot be read: gone", now: 8)
    #expect(state.trouble == MeshConfigFile.Trouble(since: 5, reason: "cannot be read: gone") && state.settings == settings("a"))
    _ = state.looks(stamp(1), stamp(1))
    #expect(state.trouble == nil)
    _ = state.take(loaded("- x"), of: stamp(1), now: 9)
    state.miss("cannot be read: gone", now: 12)
    _ = state.looks(stamp(1), stamp(1))
    #expect(state.trouble?.since == 9)
    // Gone between two looks: both must come after it.
    let seen = state.looks(stamp(2))
    state.miss("cannot be read: gone", now: 14)
    let back = state.looks(stamp(2), stamp(2))
    #expect(seen == "-" && back == "-r")
  }
}

@Suite struct `The settings' file` {
  /// A file that says `a`, and has been read.
  private func begin(_ directory: Directory) -> MeshConfigFile {
    directory.write("mesh.yaml", "trustDomain: a\n")
    return MeshConfigFile(path: ExactText(directory["mesh.yaml"]), settings: settings("a"))
  }

  @Test func `a change is in force with the second look`() {
    let directory = Directory()
    var file = begin(directory)
    var looks = file.looks(3)
    #expect(looks == [.none, .none, .none])
    directory.replace("mesh.yaml", "trustDomain: b\nrootNamespace: root\n")
    looks = file.looks(1)
    #expect(looks == [.none] && file.settings == settings("a"))
    looks = file.looks(2)
    #expect(looks == [.settings, .none] && file.settings.trustDomain == "b" && file.settings.rootNamespace == "root")
    // A ConfigMap's link is swapped.
    directory.write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata: {mesh: 'trustDomain: c'}\n")
    directory.remove("mesh.yaml")
    directory.link("mesh.yaml", to: "other.yaml")
    looks = file.looks(2)
    #expect(looks == [.none, .settings] && file.settings == settings("c"))
  }

  @Test func `half of a file that is being written is not taken`() {
    let directory = Directory()
    var file = begin(directory)
    _ = file.looks(2)
    let descriptor = directory.start("mesh.yaml", "rootNamespace: root\n")
    var looks = file.looks(1)
    #expect(looks == [.none])
    directory.more(descriptor, "trustDomain: b\n")
    close(descriptor)
    looks = file.looks(1)
    #expect(looks == [.none] && file.settings == settings("a"))
    looks = file.looks(1)
    #expect(looks == [.settings] && file.settings.trustDomain == "b")
  }

  @Test func `broken, a directory, or gone: the last good settings stay, and the trouble is told once`() {
    let directory = Directory()
    var file = begin(directory)
    _ = file.looks(2)
    directory.replace("mesh.yaml", "trustDomain: [\n")
    var looks = file.looks(3)
    #expect(looks == [.none, .trouble, .none])
    #expect(file.settings == settings("a") && file.trouble != nil && file.diagnostics.first?.code == "yaml-syntax")
    directory.remove("mesh.yaml")
    looks = file.looks(2)
    #expect(looks == [.trouble, .none])
    #expect(file.trouble?.reason == "cannot be read: no such file or directory")
    directory.make("mesh.yaml")
    looks = file.looks(1)
    #expect(looks == [.trouble] && file.trouble?.reason == "cannot be read: is a directory")
    directory.remove("mesh.yaml")
    let isMade = unsafe mkfifo(directory["mesh.yaml"], 0o600) == 0
    looks = file.looks(3)
    #expect(isMade && looks == [.trouble, .none, .none] && file.trouble?.reason == "cannot be read: it is not a regular file")
    directory.remove("mesh.yaml")
    directory.write("mesh.yaml", "trustDomain: a\n")
    _ = file.looks(1)
    looks = file.looks(1)
    #expect(looks == [.trouble] && file.trouble == nil && file.settings == settings("a"))
  }
}
