// `portcullis graph`: each format as another program reads it, and pages that no name breaks.
// Enters: the shop, generated meshes, hostile names. Leaves: JSON, DOT, Mermaid, SVG, HTML. Never here: which edges there are; the tests of
// the analysis hold that.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `graph draws who may call whom` {
  @Test func `the shop as JSON`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("graph", "--policies", Sandbox.shop, "--format", "json", "--outside", "--denied")
      #expect(run.code == 0 && run.errors.isEmpty && run.lines.count == 1)
      #expect(try sandbox.schemaComplaints("graph", run.output).isEmpty)
      let json = try run.json()
      let names = try #require(json["workloads"] as? [[String: Any]]).map { $0["name"] as? String ?? "" }
      let edges = try #require(json["edges"] as? [[String: Any]]).map { edge in
        let (from, to) = (edge["from"] as? Int ?? 0, edge["to"] as? Int ?? 0)
        return "\(names[from]) \(names[to]) \(edge["access"] as? String ?? "") \(edge["protection"] as? String ?? "-")"
      }
      #expect(
        edges == [
          "outside backend none -", "outside db none -", "outside frontend none -", "backend db all mTLS", "backend frontend all mTLS",
          "db backend none -", "db frontend all mTLS", "frontend backend all mTLS", "frontend db none -",
        ])
    }
  }

  @Test func `the shop as DOT and Mermaid`() throws {
    try withSandbox { sandbox in
      let dot = try sandbox.portcullis("graph", "--policies", Sandbox.shop, "--format", "dot")
      #expect(
        dot.output == """
          digraph portcullis {
            graph [rankdir=LR, fontname="sans-serif", compound=true];
            node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];
            edge [fontname="sans-serif", fontsize=10];
            subgraph cluster_0 {
              label="shop"; style="rounded"; color="#8a94a6";
              n0 [label="backend", tooltip="Deployment shop/backend, service account backend-sa, a sidecar"];
              n1 [label="db", tooltip="Deployment shop/db, service account db-sa, a sidecar"];
              n2 [label="frontend", tooltip="Deployment shop/frontend, service account frontend-sa, a sidecar"];
            }
            n0 -> n1 [label="🔒", color="#1a7f4b", style=solid, tooltip="backend to db: any port: all requests, mTLS"];
            n0 -> n2 [label="🔒", color="#1a7f4b", style=solid, tooltip="backend to frontend: any port: all requests, mTLS"];
            n1 -> n2 [label="🔒", color="#1a7f4b", style=solid, tooltip="db to frontend: any port: all requests, mTLS"];
            n2 -> n0 [label="🔒", color="#1a7f4b", style=solid, tooltip="frontend to backend: any port: all requests, mTLS"];
          }

          """)
      let mermaid = try sandbox.portcullis("graph", "--policies", Sandbox.shop, "--format", "mermaid")
      #expect(
        mermaid.output == """
          flowchart LR
            subgraph s0["shop"]
              n0["backend"]
              n1["db"]
              n2["frontend"]
            end
            n0 -- "🔒" --> n1
            n0 -- "🔒" --> n2
            n1 -- "🔒" --> n2
            n2 -- "🔒" --> n0
            linkStyle 0,1,2,3 stroke:#1a7f4b

          """)
    }
  }

  @Test(arguments: [true, false])
  func `pages and drawings, with Graphviz and without`(_ hasGraphviz: Bool) throws {
    try withSandbox { sandbox in
      let hostile = """
        {apiVersion: apps/v1, kind: Deployment, metadata: {name: "</script><script>alert(1)</script>", namespace: "<!--"}}
        ---
        {apiVersion: apps/v1, kind: Deployment, metadata: {name: "\\"];x[\\\\", namespace: "&amp;'\\e[2J"}}
        """
      let file = try sandbox.write(hostile, to: "hostile.yaml")
      for format in ["svg", "html"] {
        let path = sandbox.path("graph.\(format)")
        let arguments = ["graph", "--policies", file, "--format", format, "-o", path, "--outside", "--denied"]
        let run = try sandbox.run(
          "/usr/bin/env", ["PATH=\(hasGraphviz ? "/usr/bin:/bin" : "/nowhere")", Programs.portcullis()] + arguments)
        #expect(run.end == .exited(0) && run.output.isEmpty, "\(run.errors)")
        // Kubernetes takes none of these names, which is said, once for each.
        #expect(run.errors.ranges(of: "[name-invalid]\n").count == 4 && !run.errors.contains("\u{1b}[2J"), "\(run.errors)")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(!text.contains("<script>alert") && !text.contains("\u{1b}") && !text.contains("<!--"))
        // Our two scripts, and nothing that is loaded from anywhere.
        #expect(text.components(separatedBy: "</script").count == (format == "html" ? 3 : 1))
        let links = text.matches(of: /\s(?:href|src)="([^"]*)"|url\(([^)"]*)\)/).map { String($0.1 ?? $0.2 ?? "") }
        #expect(links.count > 4 && links.allSatisfy { $0.hasPrefix("#") }, "\(links)")
        // Graphviz draws curves of the third degree, we of the second.
        #expect((text.firstMatch(of: /class="line" d="M[-0-9. ]+C/) != nil) == hasGraphviz)
        #expect(text.replacing("http://www.w3.org/2000/svg", with: "").ranges(of: "://").isEmpty)
        if format == "html" {
          #expect(text.contains("default-src 'none'"))
          let data = try #require(text.firstMatch(of: /id="data">([^<]*)<\/script>/)).1
          let json = try #require(try JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any])
          let nodes = try #require(json["nodes"] as? [[Any]]).map { $0[0] as? String ?? "" }
          #expect(nodes == ["outside", "\"];x[\\", "</script><script>alert(1)</script>"])
        }
      }
    }
  }

  @Test(arguments: ["shop", "migration", "ambient", "gateway"])
  func `no sign of a pair hides another's`(_ example: String) throws {
    try withSandbox { sandbox throws in
      let drawing = try sandbox.portcullis("graph", "--policies", "examples/\(example)", "--format", "svg").output
      let signs = drawing.matches(of: #/<use href="#is-[^"]*" x="([-0-9.]+)" y="([-0-9.]+)"\/><\/g>/#).compactMap { match in
        Double(match.1).flatMap { x in Double(match.2).map { (x: x, y: $0) } }
      }
      #expect(!signs.isEmpty)
      for (place, one) in signs.enumerated() {
        for other in signs[(place + 1)...] {
          #expect(max((one.x - other.x).magnitude, (one.y - other.y).magnitude) > 6, "\(example): \(one) \(other)")
        }
      }
    }
  }

  @Test func `five hundred workloads are drawn as bundles`() throws {
    try withSandbox { sandbox in
      let objects = (0..<500).map { "{apiVersion: apps/v1, kind: Deployment, metadata: {name: w\($0), namespace: ns\($0 % 20)}}" }
      let file = try sandbox.write(objects.joined(separator: "\n---\n"), to: "many.yaml")
      let run = try sandbox.portcullis("graph", "--policies", file, "--format", "svg", "-o", sandbox.path("many.svg"))
      #expect(run.code == 0, "\(run.errors)")
      let svg = try String(contentsOfFile: sandbox.path("many.svg"), encoding: .utf8)
      #expect(svg.components(separatedBy: "class=\"bundle\"").count == 381 && svg.components(separatedBy: "data-n=").count == 501)
    }
  }

  @Test(arguments: [
    (["--format", "png"], "error: the value `png` is invalid for `--format <format>`"),
    (["--format", "svg", "--in-namespace", "nowhere"], "error: no workload is in a namespace `nowhere`"),
    (["--format", "svg", "-o", "/nowhere/x.svg"], "error: `/nowhere/x.svg` cannot be written"),
    (["--format", "svg", "--format", "dot"], "error: `--format` is written twice"), ([], "error: missing expected argument `--format"),
  ])
  func `what cannot be drawn is refused`(_ words: [String], _ message: String) throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis(["graph", "--policies", Sandbox.shop] + words)
      #expect(run.code == 2 && run.output.isEmpty && run.errors.hasPrefix(message), "\(run.errors)")
    }
  }

  @Test func `a set without workloads is refused`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.portcullis("graph", "--policies", Sandbox.shop + "/policies.yaml", "--format", "json")
      #expect(run.code == 2 && run.errors.hasPrefix("error: there is no workload in the given files"), "\(run.errors)")
    }
  }
}
