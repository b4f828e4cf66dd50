// The load is only worth something if its requests differ, are expected rightly, and come out the same for the same seed.
internal import Testing

@testable internal import portcullis_bench

@Suite
struct `The shop's traffic` {
  private let checks = ShopTraffic.requests(count: 2_000, seed: 1, certificates: [:])

  @Test func `no two requests are the same`() {
    #expect(Set(checks.map { $0.message.encoded() }).count == checks.count)
  }

  @Test func `the same seed gives the same bytes`() {
    let again = ShopTraffic.requests(count: 2_000, seed: 1, certificates: [:])
    #expect(checks.map { $0.message.encoded() } == again.map { $0.message.encoded() })
  }

  @Test func `only frontend may call backend and only backend may call db`() {
    for check in checks {
      let caller = check.workload.utf8.elementsEqual("shop/db".utf8) ? "backend-sa" : "frontend-sa"
      let isCaller = check.message.sourcePrincipal.utf8.elementsEqual("spiffe://cluster.local/ns/shop/sa/\(caller)".utf8)
      #expect(check.isAllowed == isCaller)
    }
    let allowed = checks.count { $0.isAllowed }
    #expect(allowed > checks.count / 2 && allowed < checks.count)
  }
}

@Suite
struct `A message on the wire` {
  @Test func `fields have the numbers and kinds of protobuf`() {
    var writer = ProtobufWriter()
    writer.string(1, "ab")
    writer.string(2, "")
    writer.number(3, 300)
    writer.message(4) { $0.data(1, [0xff]) }
    writer.message(16) { _ in }
    #expect(writer.bytes == [0x0a, 2, 0x61, 0x62, 0x18, 0xac, 0x02, 0x22, 3, 0x0a, 1, 0xff, 0x82, 0x01, 0])
  }
}

@Suite
struct `The summary of rounds` {
  @Test func `the median is the middle, not the mean`() {
    let spread = Spread([9, 1, 2])
    #expect(spread.median == 2 && spread.minimum == 1 && spread.maximum == 9)
    #expect(Spread([1, 2, 4, 9]).median == 3)
  }

  @Test func `figures are rounded, also below zero and below one`() {
    #expect(0.046.digits(2).utf8.elementsEqual("0.05".utf8))
    #expect((-0.2).digits(1).utf8.elementsEqual("-0.2".utf8))
    #expect(1999.96.digits(1).utf8.elementsEqual("2000.0".utf8))
  }
}
