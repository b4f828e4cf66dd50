// The scanner of log lines takes what Foundation's reader takes, and finds the same texts.
// Enters: lines, whole, cut and mutated. Leaves: agreement. Never here: what a field means.

import Foundation
import Testing

@testable import PolicyAnalysis

private struct Found: Equatable {
  var problem: SkippedLine?
  var path: [UInt8]?
  var isNone = false
}

private func scan(_ line: [UInt8], with scanner: inout LogScanner) -> Found {
  let problem = scanner.scan(line.span)
  if let problem { return Found(problem: problem) }
  let path = scanner.with(.path, of: line.span) { text in
    var bytes: [UInt8] = []
    for index in text.indices { bytes.append(text[index]) }
    return bytes
  }
  return Found(path: path, isNone: scanner[.path].state == .none)
}

private func scan(_ text: String) -> Found {
  var scanner = LogScanner()
  return scan(Array(text.utf8), with: &scanner)
}

@Suite struct `The log scanner reads JSON` {
  @Test(arguments: [
    (#"{"path":"/a"}"#, "/a"), (#" { "x" : [1, {"path":"/b"}, -0.5e+3, true, false, null] , "path" : "/a" } "#, "/a"),
    (#"{"path":"\/a\u0041\n\"\\\t\b\f\r\u20ac\ud83d\ude00"}"#, "/aA\n\"\\\t\u{8}\u{c}\r€😀"), (#"{"p\u0061th":"/a"}"#, "/a"),
    (#"{"path":"/0123456789abcdefghijklmnopqrstuvwxyz\u00e9"}"#, "/0123456789abcdefghijklmnopqrstuvwxyzé"), (#"{"path":"€ü"}"#, "€ü"),
    (#"{"path":""}"#, ""),
  ])
  func `a text is what it stands for`(_ line: String, _ path: String) {
    #expect(scan(line) == Found(path: Array(path.utf8)))
  }

  @Test func `null and a dash are no value, and a field that is not there is not there`() {
    #expect(scan(#"{"path":null}"#) == Found(isNone: true) && scan(#"{"path":"-"}"#) == Found(isNone: true))
    #expect(scan("{}") == Found() && scan(#"{"paths":"/a","pat":"/a","Path":"/a","x":{"path":"/b"}}"#) == Found())
  }

  @Test(
    arguments: [
      ("", .notJSON), ("x", .notJSON), ("{", .notJSON), (#"{"path""#, .notJSON), (#"{"path":"/a""#, .notJSON),
      (#"{"path":"/a"}}"#, .notJSON),
      (#"{"path":"/a",}"#, .notJSON), (#"{"path":"/a" "x":1}"#, .notJSON), (#"{'path':"/a"}"#, .notJSON),
      ("{\"path\":\"\u{1}\"}", .notJSON),
      (#"{"path":"\x"}"#, .notJSON), (#"{"path":"\u12g4"}"#, .notJSON), (#"{"path":"\ud800"}"#, .notJSON),
      (#"{"path":"\ud800\u0041"}"#, .notJSON),
      (#"{"path":"\udc00"}"#, .notJSON), (#"{"x":01}"#, .notJSON), (#"{"x":1.}"#, .notJSON), (#"{"x":.5}"#, .notJSON),
      (#"{"x":1e}"#, .notJSON),
      (#"{"x":+1}"#, .notJSON), (#"{"x":nul}"#, .notJSON), (#"{"x":[1,]}"#, .notJSON), (#"{"x":{"a"}}"#, .notJSON),
      ("{\"x\":" + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}", .notJSON),
      ("[]", .notObject), ("1", .notObject), ("null", .notObject), (#""text""#, .notObject),
      (#"{"path":1}"#, .wrongType), (#"{"path":{}}"#, .wrongType), (#"{"path":["/a"]}"#, .wrongType), (#"{"path":true}"#, .wrongType),
      (#"{"path":"/a","path":"/a"}"#, .fieldTwice), (#"{"path":null,"p\u0061th":"/a"}"#, .fieldTwice),
    ] as [(String, SkippedLine)])
  func `what is wrong is said`(_ line: String, _ problem: SkippedLine) {
    #expect(scan(line).problem == problem)
  }

  @Test func `the names of the line before do not change what the next one says`() {
    var scanner = LogScanner()
    func path(_ line: String) -> String? { scan(Array(line.utf8), with: &scanner).path.map { String(decoding: $0, as: UTF8.self) } }
    for _ in 0..<2 {
      #expect(path(#"{"a":1,"path":"/1","method":"GET"}"#) == "/1")
      #expect(path(#"{"a":1,"path":"/2","method":"GET"}"#) == "/2")
      #expect(path(#"{"a": 1,"path": "/2b", "method" : "GET"}"#) == "/2b")
      #expect(path(#"{"a":1,"path":"/2c","method":"GET"}"#) == "/2c")
      #expect(
        path(#"{"path":"/3","a":1}"#) == "/3" && path(#"{"a":1,"paths":"/4"}"#) == nil && path(#"{"a":1,"pat":"/5","path":"/6"}"#) == "/6")
      #expect(path(#"{"path":"/7","a":1,"path2":"/8"}"#) == "/7" && path("{}") == nil && path(#"{"method":"GET","path":"/9"}"#) == "/9")
    }
  }

  @Test func `mutated lines are JSON to both readers or to none`() {
    let seed = UInt64.random(in: .min ... .max)
    print("seed of the mutated lines: \(seed)")
    var random = Seeded(state: seed)
    let lines = [
      #"{"path":"/a\u00e9\n?x=\"y\"","method":"GET","n":-12.5e+3,"l":[null,true,{"k":"v"}],"authority":null}"#,
      #"{"start_time":"2026-01-01T12:00:00.123Z","path":"/api/v1","bytes":0,"deep":{"a":{"b":[[],{}]}}}"#,
    ].map { Array($0.utf8) }
    let alphabet = Array(#"{}[]",:\u0019ande.-+tfl/ "#.utf8)
    var valid = 0
    // One for all: it expects the names of the line before.
    var scanner = LogScanner()
    for _ in 0..<40_000 {
      var line = lines[Int.random(in: 0..<lines.count, using: &random)]
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0..<line.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: line.remove(at: place)
        case 1: line.insert(alphabet[Int.random(in: 0..<alphabet.count, using: &random)], at: place)
        default: line[place] = alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
        }
      }
      let own = scan(line, with: &scanner)
      guard own.problem != .fieldTwice, own.problem != .wrongType else { continue }
      let object: [String: Any]?
      do { object = try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] } catch { object = nil }
      let isValid = own.problem == nil
      // Foundation lets a comma stand behind the last element.
      let packed = line.filter { $0 != 0x20 }
      if !isValid, !packed.ranges(of: Array(",]".utf8)).isEmpty || !packed.ranges(of: Array(",}".utf8)).isEmpty { continue }
      if isValid { valid += 1 }
      #expect(isValid == (object != nil), "\(String(decoding: line, as: UTF8.self))")
      // Foundation keeps one of two equal names.
      guard isValid, let object, let path = own.path else { continue }
      #expect((object["path"] as? String).map { Array($0.utf8) } == path, "\(String(decoding: line, as: UTF8.self))")
    }
    #expect(valid > 500)
  }

  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
  }
}
