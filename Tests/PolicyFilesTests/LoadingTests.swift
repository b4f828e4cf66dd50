// Loading once while somebody writes. Threads that write enter; whole files leave, or the word that they are not. Half of a policy is none:
// the other half may be the one that denies.

internal import Glibc
internal import PolicyLoading
internal import PolicyModel
internal import Synchronization
internal import Testing

@testable internal import PolicyFiles

@Suite struct `Loading while a file is being written` {
  /// The times are those of the test's threads, not of what is tested: a writer that rests for longer counts as done.
  private static func options(ceiling: Int) -> PolicySourceOptions {
    var options = PolicySourceOptions()
    options.settleTime = 1_000
    options.settleCeiling = ceiling
    return options
  }

  @Test func `waits until it stands still`() throws {
    let directory = Directory()
    let descriptor = directory.start("a.yaml", policy("p0"))
    let writer = try WaitingThread {
      for number in 1...20 {
        usleep(20_000)
        directory.more(descriptor, "---\n" + policy("p\(number)"))
      }
      close(descriptor)
    }
    let loaded = PolicySources(paths: [directory.path], options: Self.options(ceiling: 60_000)).load()
    writer.join()
    #expect(loaded.policies.policies.count == 21 && !loaded.hasErrors)
  }

  @Test func `gives up in the end, with an error`() throws {
    let directory = Directory()
    let descriptor = directory.start("a.yaml", policy("p0"))
    let isOver = Flag()
    let writer = try WaitingThread {
      while !isOver.isSet {
        usleep(10_000)
        directory.more(descriptor, "#\n")
      }
      close(descriptor)
    }
    let loaded = PolicySources(paths: [directory.path], options: Self.options(ceiling: 1_000)).load()
    isOver.set()
    writer.join()
    #expect(loaded.policies.policies.isEmpty && loaded.diagnostics.map(\.code) == ["source-unreadable"])
    #expect(loaded.diagnostics.first?.message.contains("kept changing") == true)
  }

  @Test func `does so for the mesh's settings, too`() throws {
    let directory = Directory()
    let descriptor = directory.start("mesh.yaml", "rootNamespace: root\n")
    let writer = try WaitingThread {
      for _ in 1...20 {
        usleep(20_000)
        directory.more(descriptor, "#\n")
      }
      directory.more(descriptor, "trustDomain: b\n")
      close(descriptor)
    }
    let (settings, findings) = MeshConfigFile.load(ExactText(directory["mesh.yaml"]), options: Self.options(ceiling: 60_000))
    writer.join()
    #expect(settings?.trustDomain == "b" && findings.isEmpty)
  }
}

/// Tells another thread to end.
private final class Flag: Sendable {
  private let state = Atomic(false)
  var isSet: Bool { state.load(ordering: .acquiring) }
  func set() { state.store(true, ordering: .releasing) }
}
