// Addresses in headers that a proxy sets itself.

internal import CPortcullis
internal import Testing

@testable internal import EnvoyModule

@Suite struct `An address in a header` {
  private func read(_ text: String) -> [UInt8]? {
    let room = AddressRoom()
    let address = unsafe EnvoyAddress.header(bytes(text), room)
    return unsafe address.kind == Int32(PORTCULLIS_ADDRESS_BINARY) ? address.bytes.copy : nil
  }

  @Test func `is read with blanks around it, in either family`() {
    for text in ["10.9.1.1", " 10.9.1.1", "10.9.1.1\t ", "\t10.9.1.1"] { #expect(read(text) == [10, 9, 1, 1], "\(text)") }
    #expect(read(" 2001:DB8::1 ") == [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1])
    #expect(read("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") == [UInt8](repeating: 255, count: 16))
  }

  @Test func `is unknown when it is anything else`() {
    let junk = [
      "", " ", "/", "@", "envoy://x", "/10.9.1.1", "10.9.1.1:80", "[2001:db8::1]", "10.9.1", "10.9.1.01", "10.9.1.1 10.9.1.1", "10.9.1.1,",
      "fe80::1%eth0", "10.9.1.1\0", "\0", "10.9.1.1\n", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555",
      String(repeating: "1", count: 100_000),
    ]
    for text in junk { #expect(read(text) == nil, "\(text.prefix(60))") }
  }
}
