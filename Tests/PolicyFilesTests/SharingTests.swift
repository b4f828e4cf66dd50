// What several threads read must be what one would have read.

internal import PolicyLoading
internal import PolicyModel
internal import Testing

@testable internal import PolicyFiles

@Suite struct `Work on several threads` {
  @Test(arguments: [0, 1, 2, 7, 64]) func `results come in the order of the pieces`(threads: Int) {
    for count in [0, 1, 2, 100, 1_000] {
      #expect(Sharing.results(count: count, threads: threads) { $0 * $0 } == (0..<count).map { $0 * $0 })
    }
  }

  @Test func `many files are read as if one after the other`() throws {
    let directory = Directory()
    for part in 0..<10 { directory.make("d\(part)") }
    var names: [String] = []
    for number in 0..<200 {
      let name = "d\(number % 10)/f\(number).yaml"
      names.append(name)
      let text =
        switch number % 7 {
        case 3: policy("p\(number)") + broken("b\(number)")
        case 5: "kind: [\n---\n" + policy("p\(number)", "DENY", namespace: "n\(number % 3)")
        default: policy("p\(number)", namespace: "n\(number % 3)") + policy("q\(number)")
        }
      directory.write(name, text)
    }
    let loaded = PolicySources(paths: [directory.path]).load()
    var (keys, findings): ([ObjectKey], [String]) = ([], [])
    for name in names.map({ ExactText(directory[$0]) }).sorted() {
      let file = loadPolicies(text: try #require(try FileSystem.read(name, limit: .max)).bytes, file: name)
      keys += file.objects.map(\.key)
      findings += file.diagnostics.map(\.description)
    }
    #expect(loaded.policies.policies.map(\.metadata.key) == keys)
    #expect(loaded.diagnostics.map(\.description) == findings)
    #expect(findings.count > 50)
  }
}
