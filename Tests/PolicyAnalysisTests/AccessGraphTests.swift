// Who may call whom: edges by policies and connections together, and the texts that are made of them.
// Enters: small meshes, some with names that mean to break out. Leaves: edges, DOT, Mermaid, SVG.

import Foundation
import FoundationXML
import PolicyAnalysis
import PolicyEngine
import PolicyModel
import Testing

private func allow(_ name: String, from: String, to operation: String = "") -> String {
  "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: \(name), namespace: shop}, spec: {selector: {matchLabels: "
    + "{app: \(name)}}, rules: [{from: [{source: \(from)}]\(operation.isEmpty ? "" : ", to: [{operation: \(operation)}]")}]}}"
}

private func account(_ name: String, labels: String = "") -> String {
  Manifest.deployment(name, labels: labels, pod: "serviceAccountName: \(name)")
}

private func graph(
  _ objects: [String], denied: Bool = false, outside: Bool = false, only: Set<ExactText> = [], mesh: MeshSettings = MeshSettings()
) -> AccessGraph {
  var options = AccessGraph.Options()
  (options.showsDenied, options.showsOutside, options.namespaces) = (denied, outside, only)
  return AccessGraph(TLSAnalysis(objects, mesh: mesh), mesh: mesh, options)
}

extension AccessGraph {
  /// The edges as `from to access protection`.
  fileprivate var lines: [String] {
    edges.map { "\(nodes[$0.from].name) \(nodes[$0.to].name) \($0.access.rawValue) \($0.protection.rawValue)" }
  }
}

@Suite struct `who may call whom` {
  private static let front = "{principals: [cluster.local/ns/shop/sa/front]}"
  private static let base = [Manifest.namespace("shop"), account("front"), account("back"), account("db")]

  @Test func `policies decide, and the connection says how it is protected`() {
    let set = Self.base + [allow("back", from: Self.front), allow("db", from: "{principals: [cluster.local/ns/shop/sa/back]}")]
    #expect(graph(set).lines == ["back db all mTLS", "back front all mTLS", "db front all mTLS", "front back all mTLS"])
    #expect(graph(set, denied: true).lines.filter { $0.contains(" none ") } == ["db back none mTLS", "front db none mTLS"])
    let port = graph(set).edges.first { $0.from == 2 }.map { graph(set).details[$0.ports[0]] }
    #expect(
      port?.reason == .allowedByPolicy && port?.rule == "ns[shop]-policy[back]-rule[0]"
        && port?.ruleLocation?.string.hasPrefix("mesh.yaml:") == true)
  }

  @Test func `what depends on the request is some requests`() {
    let set = Self.base + [allow("back", from: Self.front, to: "{paths: [/api/*]}"), allow("db", from: "{namespaces: [nowhere]}")]
    #expect(graph(set).lines.filter { $0.contains("back ") && !$0.hasPrefix("back") } == ["front back some mTLS"])
    // On a TCP port the path does not exist, and the rule matches nothing.
    let tcp = Manifest.service("back", ports: "[{port: 80, name: tcp}]")
    #expect(!graph(set + [tcp]).lines.contains { $0.hasPrefix("front back") })
    // One port of two.
    let two = Manifest.service("back", ports: "[{port: 80}, {port: 81}]")
    #expect(
      graph(Self.base + [two, allow("back", from: Self.front, to: "{ports: [\"80\"]}")]).lines.contains("front back some mTLS"))
    #expect(graph(Self.base + [two, allow("back", from: Self.front)]).lines.contains("front back all mTLS"))
  }

  @Test func `plaintext has no identity, and a connection that fails is a warning`() {
    let disable = Manifest.rule("r", "host: back, trafficPolicy: {tls: {mode: DISABLE}}")
    let named = Self.base + [allow("back", from: Self.front), disable]
    #expect(!graph(named).lines.contains { $0.hasPrefix("front back") }, "the rule names a principal, and nobody proves to be it")
    #expect(graph(Self.base + [disable]).lines.contains("front back all open"))
    let strict = Manifest.peer("m", "mtls: {mode: STRICT}")
    #expect(graph(named + [strict]).lines.contains("front back all failure"))
    // The rule means somebody else: nothing to warn of.
    #expect(!graph(named + [strict]).lines.contains { $0.hasPrefix("db back") })
  }

  @Test func `without a proxy nothing is enforced; from outside nobody is anybody`() {
    let bare = account("back", labels: "sidecar.istio.io/inject: \"false\"")
    let set = [Manifest.namespace("shop"), account("front"), bare, allow("back", from: "{namespaces: [nowhere]}")]
    let drawn = graph(set, outside: true)
    #expect(drawn.lines == ["outside back all open", "outside front all open", "back front all open", "front back all open"])
    #expect(drawn.details.contains { $0.reason == nil })
    let strict = Manifest.peer("m", "mtls: {mode: STRICT}")
    #expect(graph(set + [strict], outside: true).lines.contains("outside back all open"))
    #expect(!graph(set + [strict], outside: true).lines.contains { $0.hasPrefix("outside front") }, "the server's mode refuses it")
  }

  @Test func `ambient workloads are decided as ztunnel does`() {
    let set = [Manifest.namespace("shop", "{istio.io/dataplane-mode: ambient}"), account("front"), account("back"), account("db")]
    let policies = [allow("back", from: Self.front), allow("db", from: Self.front, to: "{methods: [GET]}")]
    // ztunnel drops a rule with a method from ALLOW policies; nothing is left that would allow.
    #expect(
      graph(set + policies).lines == ["back front all mTLS", "db front all mTLS", "front back all mTLS"])
  }

  @Test func `one namespace, and who is at the other end`() {
    let other = [
      Manifest.namespace("web"), Manifest.deployment("page", in: "web"), Manifest.namespace("far"), Manifest.deployment("lone", in: "far"),
      Manifest.deployment("more", in: "far"),
    ]
    let drawn = graph(Self.base + other, only: ["web"])
    #expect(
      Set(drawn.nodes.map(\.namespace)) == ["shop", "web", "far"]
        && drawn.edges.allSatisfy { edge in
          drawn.nodes[edge.from].namespace == "web" || drawn.nodes[edge.to].namespace == "web"
        })
  }
}

@Suite struct `names cannot break out of a drawing` {
  static let names = [
    "\"];x[label=\"y", "</text><script>alert(1)</script>", "a\\", "a\\N\\G", "&lt;b&gt;&#34;", "x\"]\nend\nclick n0 href \"http://x\"",
    "`a`", "%%{init}%%", "<b>'\"&",
    "\u{202e}evil\u{2066}", "a\u{0}b\u{1b}[2J", "]]>", "-->", "#quot;", "{{x}}", "日本語🙂", "end",
  ]

  private static func hostile() -> AccessGraph {
    var set = PolicySet()
    for (index, name) in names.enumerated() {
      let key = ObjectKey(kind: "Deployment", namespace: ExactText(names[(index + 5) % names.count]), name: ExactText(name))
      set.workloads.append(
        Workload(
          metadata: ObjectMetadata(key: key, location: SourceLocation(file: "f", span: .nowhere)), labels: [:],
          serviceAccount: ExactText(name)))
    }
    var options = AccessGraph.Options()
    options.showsOutside = true
    return AccessGraph(TLSAnalysis(set, mesh: MeshSettings()), mesh: MeshSettings(), options)
  }

  @Test func `DOT: every line is one of ours, and quotes are balanced`() {
    for line in Self.hostile().dot.split(separator: "\n") {
      // What stands outside of quotes, with escapes taken away, is only ours.
      var (outside, isQuoted, isEscaped) = ("", false, false)
      for scalar in line.unicodeScalars {
        if isQuoted, isEscaped {
          isEscaped = false
        } else if isQuoted, scalar == "\\" {
          isEscaped = true
        } else if scalar == "\"" {
          isQuoted.toggle()
        } else if !isQuoted {
          outside.unicodeScalars.append(scalar)
        }
      }
      #expect(!isQuoted && !isEscaped, "\(line)")
      let isOurs = outside.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || " ()[]{}=,;->_#0123456789".unicodeScalars.contains($0))
      }
      #expect(isOurs && !outside.contains("script") && !outside.contains("evil"), "\(outside)")
    }
  }

  @Test func `Mermaid: in quotes stand letters, digits and numbers only`() {
    let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-./ #;🔒🔓⚠✕")
    for line in Self.hostile().mermaid.split(separator: "\n") {
      let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
      #expect(parts.count == 1 || parts.count == 3, "\(line)")
      if parts.count == 3 { #expect(parts[1].allSatisfy { allowed.contains($0) }, "\(line)") }
      #expect(parts.count == 3 || !line.contains("click"), "\(line)")
    }
  }

  @Test func `SVG: it is XML, with no element and no attribute that is not ours`() throws {
    let drawn = Self.hostile()
    let svg = drawn.svg(GraphLayout(simple: drawn))
    let reader = ElementReader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = reader
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(reader.elements == ["svg", "style", "rect", "defs", "marker", "path", "symbol", "g", "text", "title", "use"])
    #expect(!reader.attributes.contains { $0.hasPrefix("on") || $0.hasPrefix("xlink") }, "\(reader.attributes)")
    #expect(reader.links.allSatisfy { $0.hasPrefix("#") })
    #expect(reader.text.contains("</text><script>alert(1)</script>"), "the names are there, as text")
    #expect(!svg.unicodeScalars.contains { $0.value == 0x202e || $0.value == 0x1b || $0.value == 0 })
  }
}

private final class ElementReader: NSObject, XMLParserDelegate {
  var elements: Set<String> = []
  var attributes: Set<String> = []
  var links: [String] = []
  var text = ""

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes own: [String: String]
  ) {
    elements.insert(name)
    attributes.formUnion(own.keys)
    links += own.filter { $0.key == "href" }.values
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}

@Suite struct `layouts` {
  private static let drawn = graph(
    (0..<40).map { Manifest.deployment("w\($0)", in: "ns\($0 % 7)", labels: "tier: x") } + [
      "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: none, namespace: istio-system}, spec: {rules: [{from: "
        + "[{source: {principals: [cluster.local/ns/ns0/sa/default]}}]}]}}"
    ], outside: true)

  private static func check(_ layout: GraphLayout) {
    for (index, group) in drawn.groups.enumerated() {
      let box = layout.boxes[index]
      for place in group.nodes {
        let (point, half) = (layout.nodes[place], layout.widths[place] / 2)
        #expect(point.x - half >= box.x && point.x + half <= box.x + box.width, "\(place) in \(index)")
        #expect(point.y - 15 >= box.y && point.y + 15 <= box.y + box.height, "\(place) in \(index)")
      }
      #expect(box.x >= 0 && box.y >= 0 && box.x + box.width <= layout.width && box.y + box.height <= layout.height)
    }
  }

  @Test func `the simple one puts every workload into its box, and no two onto each other`() {
    let layout = GraphLayout(simple: Self.drawn)
    Self.check(layout)
    for one in layout.nodes.indices {
      for two in layout.nodes.indices where one < two {
        let isApart =
          (layout.nodes[one].x - layout.nodes[two].x).magnitude >= (layout.widths[one] + layout.widths[two]) / 2
          || (layout.nodes[one].y - layout.nodes[two].y).magnitude >= GraphLayout.nodeHeight
        #expect(isApart, "\(one) and \(two)")
      }
    }
  }

  @Test func `Graphviz's is read, or refused`() {
    var lines = ["graph 1 10 10"]
    for place in Self.drawn.nodes.indices {
      lines.append("node n\(place) \(Double(place) * 2.5) \(Double(place % 5)) 1 0.5 \"\" solid box black white")
    }
    lines += ["edge n1 n2 4 1 1 2 2 3 3 4 4 solid black", "edge n1 n3 4 1 1 nan 2 3 3 4 4 solid black", "edge n1 n4 4 1 1", "edge x"]
    let text = lines.joined(separator: "\n")
    #expect(GraphLayout(plain: text, of: Self.drawn)?.curves.count == 1)
    #expect(GraphLayout(plain: text, of: Self.drawn).map { Self.check($0) } != nil)
    #expect(GraphLayout(plain: text.replacing("node n3 ", with: "node n999 "), of: Self.drawn) == nil)
    #expect(GraphLayout(plain: text.replacing("node n3 7.5", with: "node n3 nan"), of: Self.drawn) == nil)
    #expect(GraphLayout(plain: text.replacing("node n3 7.5", with: "node n3 1e300"), of: Self.drawn) == nil)
    #expect(GraphLayout(plain: "", of: Self.drawn) == nil)
  }
}
