// The cases of Tests/Corpus: policies, requests and what Istio with Envoy decides, as data, so that every door can run the same ones.
// Enters: the JSON files of the directory. Leaves: cases; a file that cannot be read, or a key that nobody knows, is an error.

internal import Foundation
package import PolicyModel

/// A JSON value.
package enum JSON: Decodable, Sendable {
  case null
  case bool(Bool)
  case number(Int)
  case string(String)
  case array([JSON])
  case object([String: JSON])

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Int.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSON].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSON].self))
    }
  }

  /// The members of an object; anything else, and any member that is not among `keys`, is an error.
  package func members(_ keys: Set<String>) throws -> [String: JSON] {
    guard case .object(let members) = self else { throw CorpusError("\(self) is not an object") }
    if let unknown = members.keys.first(where: { !keys.contains($0) }) { throw CorpusError("unknown key `\(unknown)`") }
    return members
  }

  package func text() throws -> String {
    guard case .string(let text) = self else { throw CorpusError("\(self) is not a string") }
    return text
  }

  package func list() throws -> [JSON] {
    guard case .array(let list) = self else { throw CorpusError("\(self) is not a list") }
    return list
  }

  package func integer() throws -> Int {
    guard case .number(let number) = self else { throw CorpusError("\(self) is not a number") }
    return number
  }

  package func texts() throws -> [String] { try list().map { try $0.text() } }
}

/// What is wrong with a file of the corpus.
package struct CorpusError: Error, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}

/// One request of a case and what is decided.
package struct CorpusCheck: Sendable {
  package var request: JSON
  package var decision: String
  /// The reason's code; absent only in cases that need what does not exist yet.
  package var reason: String?
  /// `ns[N]-policy[P]-rule[i]`, or `none`.
  package var policy: String?
  /// What the policies in dry run would have decided.
  package var dryRun: String?
  /// The first AUDIT rule that matched.
  package var audit: String?

  package init(_ value: JSON) throws {
    let members = try value.members(["request", "decision", "reason", "policy", "dry_run", "audit"])
    request = members["request"] ?? .null
    decision = try (members["decision"] ?? .null).text()
    reason = try members["reason"]?.text()
    policy = try members["policy"]?.text()
    dryRun = try members["dry_run"]?.text()
    audit = try members["audit"]?.text()
  }
}

/// One case: policies, and requests with what is decided.
package struct CorpusCase: Sendable, CustomStringConvertible {
  /// The file's name and the case's place in it.
  package var place: String
  /// The number in the table of conformance cases, for cases that stand there.
  package var number: Int?
  package var title: String
  /// How it is known: [E] seen in Envoy, [U] Istio's unit test, [I] Istio's integration test, [S] Istio's source; and why.
  package var evidence: String
  package var mesh: MeshSettings
  /// Kubernetes objects as YAML.
  package var objects: String
  /// Kubernetes objects that Istio's webhook refuses, decided as its proxies decide them where nobody asks it.
  package var unvalidated: [JSON]
  package var checks: [CorpusCheck]
  /// What has to be built before the case can be decided.
  package var needs: String?

  package var description: String { "\(place): \(title)" }

  package init(_ value: JSON, place: String) throws {
    let members = try value.members(["number", "title", "evidence", "mesh", "objects", "unvalidated", "checks", "needs"])
    self.place = place
    number = try members["number"]?.integer()
    title = try (members["title"] ?? .null).text()
    evidence = try (members["evidence"] ?? .null).text()
    mesh = try Self.mesh(members["mesh"] ?? .object([:]))
    objects = try (members["objects"] ?? .array([])).texts().joined(separator: "\n")
    unvalidated = try (members["unvalidated"] ?? .array([])).list()
    checks = try (members["checks"] ?? .null).list().map { try CorpusCheck($0) }
    needs = try members["needs"]?.text()
  }

  private static func mesh(_ value: JSON) throws -> MeshSettings {
    var mesh = MeshSettings()
    for (key, value) in try value.members(
      [
        "trust_domain", "trust_domain_aliases", "accepted_trust_domains", "root_namespace", "path_normalization", "delegated_providers",
        "extension_providers", "older_behaviors", "several_custom_providers",
      ])
    {
      switch key {
      case "trust_domain": mesh.trustDomain = ExactText(try value.text())
      case "trust_domain_aliases": mesh.trustDomainAliases = try value.texts().map { ExactText($0) }
      case "accepted_trust_domains": mesh.acceptedTrustDomains = try value.texts().map { ExactText($0) }
      case "root_namespace": mesh.rootNamespace = ExactText(try value.text())
      case "delegated_providers": mesh.delegatedProviders = Set(try value.texts().map { ExactText($0) })
      case "extension_providers": mesh.extensionProviders = try providers(value)
      case "several_custom_providers": mesh.allowsSeveralCustomProviders = try value.text() == "allowed"
      case "older_behaviors":
        mesh.olderBehaviors = Set(
          try value.texts().map {
            guard let behavior = MeshSettings.OlderBehavior(rawValue: $0) else { throw CorpusError("unknown behaviour \($0)") }
            return behavior
          })
      default:
        guard let mode = MeshSettings.PathNormalization(rawValue: try value.text()) else { throw CorpusError("unknown normalization") }
        mesh.pathNormalization = mode
      }
    }
    return mesh
  }

  /// `grpc`, `http`, `broken` or `other` by name.
  private static func providers(_ value: JSON) throws -> [ExactText: ExtensionProvider] {
    guard case .object(let members) = value else { throw CorpusError("no providers") }
    var providers: [ExactText: ExtensionProvider] = [:]
    for (name, kind) in members {
      var provider = ExtensionProvider(kind: .extAuthzGRPC)
      switch try kind.text() {
      case "grpc": break
      case "http": provider.kind = .extAuthzHTTP
      case "broken": provider.isUsable = false
      default: provider.kind = .other("zipkin")
      }
      providers[ExactText(name)] = provider
    }
    return providers
  }

  /// All cases of all files, in the order of the files' names.
  package static func all() throws -> [CorpusCase] {
    let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus")
    let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
    return try files.flatMap { file in
      let values = try JSONDecoder().decode([JSON].self, from: Data(contentsOf: file))
      return try values.enumerated().map { index, value in
        let place = "\(file.lastPathComponent)[\(index)]"
        do {
          return try CorpusCase(value, place: place)
        } catch {
          throw CorpusError("\(place): \(error)")
        }
      }
    }
  }
}
