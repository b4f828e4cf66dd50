// Addresses and blocks: what is accepted, what is refused, and what lies in what.

internal import PolicyModel
internal import Testing

@Suite struct `Addresses` {
  @Test(arguments: [
    "::", "::1", "1::", "fd00::1", "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1", "1:2:3:4:5:6:7:8", "1:0:0:2::3", "fe80::1:0:2", "10.0.0.1",
    "0.0.0.0", "255.255.255.255", "::ffff:a00:1", "1:2:3:4:5:6::",
  ])
  func `is shown in the one form of RFC 5952, which is read back as the same`(_ text: String) throws {
    let address = try #require(IPAddress(text))
    #expect(address.description == text)
    #expect(IPAddress(address.description) == address)
  }

  @Test(
    arguments: [
      ("10.0.0.1", true, 0x0a00_0001_0000_0000, 0), ("255.255.255.255", true, 0xffff_ffff_0000_0000, 0), ("0.0.0.0", true, 0, 0),
      ("::", false, 0, 0), ("::1", false, 0, 1), ("1::", false, 0x0001_0000_0000_0000, 0),
      ("2001:db8::8:800:200c:417a", false, 0x2001_0db8_0000_0000, 0x0008_0800_200c_417a),
      ("1:2:3:4:5:6:7:8", false, 0x0001_0002_0003_0004, 0x0005_0006_0007_0008),
      ("::ffff:10.0.0.1", false, 0, 0x0000_ffff_0a00_0001), ("1:2:3:4:5:6:7::", false, 0x0001_0002_0003_0004, 0x0005_0006_0007_0000),
      ("FE80::A", false, 0xfe80_0000_0000_0000, 10),
    ] as [(String, Bool, UInt64, UInt64)]) func `are read`(_ text: String, _ isIPv4: Bool, _ high: UInt64, _ low: UInt64)
  {
    #expect(IPAddress(text) == IPAddress(isIPv4: isIPv4, high: high, low: low))
  }

  @Test(arguments: [
    "", ".", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.-4", " 1.2.3.4", "1.2.3.4 ", "1.2.3.4:80", ":", ":::", "1::2::3",
    "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "::g", "fe80::1%eth0", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4",
    "[::1]", "1:", ":1",
    "1.2.3.4\0", "999999999999999999999999999999",
  ]) func `that are none are refused`(_ text: String) {
    #expect(IPAddress(text) == nil)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.255.0.1", true), ("10.99.3.4/8", "10.0.0.1", true), ("10.0.0.0/8", "11.0.0.1", false),
    ("0.0.0.0/0", "1.2.3.4", true),
    ("0.0.0.0/0", "::1", false), ("::/0", "1.2.3.4", false), ("::/0", "fe80::1", true), ("10.0.0.1", "10.0.0.1", true),
    ("10.0.0.1", "10.0.0.2", false),
    ("::ffff:10.0.0.0/104", "10.1.1.1", false), ("fe80::/65", "fe80::7fff:0:0:1", true), ("fe80::/65", "fe80::8000:0:0:1", false),
    ("2001:db8::1/128", "2001:db8::1", true), ("2001:db8::1/127", "2001:db8::", true),
    // A zone does not count.
    ("fe80::1%eth0", "fe80::1", true), ("fe80::1%eth0", "fe80::2", false), ("FE80::1%%", "fe80::1", true),
  ]) func `lie in blocks`(_ block: String, _ address: String, _ isInside: Bool) throws {
    let block = try #require(AddressBlock(block))
    let address = try #require(IPAddress(address))
    #expect(block.contains(address) == isInside)
  }

  @Test(arguments: [
    "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "/8", "10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/0000",
    "fe80::1%", "fe80::1%eth0/128", "fe80::%eth0/64", "fe80::/64%eth0", "10.0.0.1%eth0", "%eth0", "%", "eth0%fe80::1",
  ])
  func `blocks that are none are refused`(_ text: String) {
    #expect(AddressBlock(text) == nil)
  }
}
