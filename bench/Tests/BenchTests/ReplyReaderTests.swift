// The load must not be fooled: what it takes for an allow is what Envoy would take for one, less the replies that say nothing.
internal import CLoad
internal import Testing

@Suite
struct `The load reads the outcome of a reply` {
  private func outcome(_ bytes: [UInt8]) -> load_outcome { unsafe load_read_outcome(bytes, bytes.count) }

  @Test func `an allow has a status with code zero`() {
    #expect(outcome([0x0a, 0x00, 0x1a, 0x00]) == LOAD_ALLOW)
    #expect(outcome([0x1a, 0x00, 0x0a, 0x02, 0x08, 0x00]) == LOAD_ALLOW)
  }

  @Test func `a denial has a status with another code, wherever it stands`() {
    #expect(outcome([0x0a, 0x02, 0x08, 0x07]) == LOAD_DENY)
    #expect(outcome([0x12, 0x00, 0x0a, 0x05, 0x12, 0x01, 0x6e, 0x08, 0x07]) == LOAD_DENY)
  }

  @Test func `a reply without status is no allow`() {
    #expect(outcome([]) == LOAD_UNREADABLE)
    #expect(outcome([0x1a, 0x00]) == LOAD_UNREADABLE)
  }

  @Test(arguments: [[0x0a], [0x0a, 0x02, 0x08], [0x0a, 0x01, 0x08], [0x08, 0x00], [0x0b], [0x0a, 0xff]] as [[UInt8]])
  func `a broken reply is no allow`(_ bytes: [UInt8]) {
    #expect(outcome(bytes) == LOAD_UNREADABLE)
  }
}
