// A case of the corpus as files, for the doors that read files.
// Enters: a case, its requests. Leaves: YAML with its objects and a Pod for each workload that is asked about. Never here: a judgement.

internal import PolicyModel
package import TestSupport

extension CorpusCase {
  /// The number of the first request that is for the same workload; the workload's manifest is `w` and that number.
  package static func workload(_ facts: [CorpusFacts], _ index: Int) -> Int {
    facts.firstIndex { $0.namespace == facts[index].namespace && $0.labels == facts[index].labels } ?? index
  }

  /// Writes the objects and the workloads.
  ///
  /// - Returns: the path of the file.
  package func write(_ facts: [CorpusFacts], in sandbox: Sandbox, _ number: Int) throws -> String {
    var documents = [objects] + unvalidated.map(\.written)
    for index in facts.indices where Self.workload(facts, index) == index {
      let labels = JSON.object(facts[index].labels.mapValues { .string($0) }).written
      documents.append(
        "apiVersion: v1\nkind: Pod\nmetadata: {namespace: \"\(facts[index].namespace)\", name: w\(index), labels: \(labels)}")
    }
    for namespace in Set(facts.compactMap(\.service).map { String($0.prefix { $0 != "/" }) }).sorted() {
      documents.append("apiVersion: v1\nkind: Namespace\nmetadata: {name: \"\(namespace)\"}")
    }
    return try sandbox.write(documents.filter { !$0.isEmpty }.joined(separator: "\n---\n"), to: "case-\(number).yaml")
  }

  /// Writes a MeshConfig with the case's providers.
  ///
  /// - Returns: the path of the file; `nil` when the case names none.
  package func writeMeshConfig(in sandbox: Sandbox, _ number: Int) throws -> String? {
    try mesh.extensionProviders.map { providers in
      let list = providers.sorted { $0.key < $1.key }.map { name, provider in
        switch (provider.kind, provider.isUsable) {
        case (_, false): "{name: \"\(name)\", envoyExtAuthzGrpc: {service: provider.example.com, port: 0}}"
        case (.extAuthzGRPC, _): "{name: \"\(name)\", envoyExtAuthzGrpc: {service: provider.example.com, port: 9000}}"
        case (.extAuthzHTTP, _): "{name: \"\(name)\", envoyExtAuthzHttp: {service: provider.example.com, port: 8000}}"
        case (.other(let kind), _): "{name: \"\(name)\", \(kind): {service: provider.example.com, port: 9411}}"
        }
      }
      return try sandbox.write("extensionProviders: [\(list.joined(separator: ", "))]\n", to: "mesh-\(number)/mesh.yaml")
    }
  }
}
