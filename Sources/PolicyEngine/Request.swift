// One request or connection, as every door presents it to the engine.
// Enters: bytes, copied once into one buffer that is reused for the next request. Leaves: ranges of that buffer.
// Never here: `String`, allocation once the buffer has grown, or a guess: every attribute starts as *unknown*, with the reason that an
// answer which depends on it will carry.

internal import PolicyModel

/// The attributes of one request. Reuse it: `reset()` keeps the memory.
public struct Request: Sendable {
  /// A stretch of `storage`.
  struct Slice: Sendable {
    var start: UInt32 = 0
    var count: UInt32 = 0
  }

  /// What is known of an attribute.
  enum Knowledge: UInt8, Sendable {
    case unknown, absent, present
  }

  /// A text attribute.
  struct TextField: Sendable {
    var knowledge: Knowledge = .unknown
    var reason: Reason
    var slice = Slice()
  }

  /// An address attribute; *absent* is an address that is not an IP, such as a pipe.
  struct AddressField: Sendable {
    var knowledge: Knowledge = .unknown
    var reason: Reason
    var address = IPAddress(isIPv4: true, high: 0, low: 0)
  }

  /// One identity of the peer.
  struct Identity: Sendable {
    /// Where namespace and service account stand.
    enum Form: UInt8, Sendable {
      /// No `/ns/` in it: it can match neither namespaces nor service accounts.
      case plain
      /// `spiffe://TD/ns/N/sa/S`, in which `/ns/` stands once: `workloadPath` is `N/sa/S`.
      case istio
      /// Any other text with `/ns/` in it.
      case irregular
    }

    /// What the name is in the certificate.
    enum Kind: UInt8, Sendable {
      case uri, dns, subject
      /// The URI names as a waypoint sees them: one text.
      case joined
    }

    var slice: Slice
    var kind: Kind
    var form: Form
    var workloadPath: Slice
  }

  /// Which of the peer's names rules are tested on.
  enum NameView: UInt8, Sendable {
    /// Each as it stands in the certificate (Envoy: `authenticated`).
    case each
    /// The URI names as one text (Istio: the filter state of proxies that terminate HBONE).
    case joined
  }

  /// One header line.
  struct HeaderLine: Sendable {
    var name: Slice
    var value: Slice
    /// The proxy joined repeated lines and the value holds a comma: nobody knows how many lines there were.
    var isAmbiguous: Bool
  }

  /// What a door said of the token.
  struct GivenToken: Sendable {
    var areClaimsKnown: Bool
    var hasToken: Bool
    var claims: [TreeEntry]
  }

  /// A string of a claim or of metadata: the string itself, or one element of a list.
  struct TreeEntry: Sendable {
    var path: Slice
    var value: Slice
    var isListElement: Bool
  }

  var storage: [UInt8] = []
  /// A TCP connection: attributes of HTTP do not exist, and rules that use them change (Istio: HTTP and TCP chains).
  public var isTCP = false
  /// Whether the peer's identities are known; a known peer without identities is anonymous.
  var isPeerKnown = false
  var identities: [Identity] = []
  var nameView = NameView.each
  var method = TextField(reason: .unknownMethod)
  var host = TextField(reason: .unknownHost)
  /// The host with ASCII letters in lower case; as known as `host`.
  var foldedHost = Slice()
  /// The path with its query.
  var target = TextField(reason: .unknownPath)
  /// The path without query and fragment.
  var path = TextField(reason: .unknownPath)
  var sni = TextField(reason: .unknownSNI)
  var sourceIP = AddressField(reason: .unknownSourceIP)
  var remoteIP = AddressField(reason: .unknownRemoteIP)
  var destinationIP = AddressField(reason: .unknownDestinationIP)
  var port: UInt16 = 0
  var isPortKnown = false
  var areHeadersKnown = false
  var headers: [HeaderLine] = []
  var areClaimsKnown = false
  /// Whether rules see the claims: nobody knows when it is not known whether the proxy's JWT filter read the token at all.
  var areClaimsHidden = false
  /// Whether there was a token; it may hold no claim that is a string.
  var hasToken = false
  var claims: [TreeEntry] = []
  /// The token as a door filled it in, once reading it under rules has changed it.
  var givenToken: GivenToken?
  /// Whether only tokens count that an attached RequestAuthentication accepts; else they count as the proxy verified them.
  public var honorsRequestAuthentication = false
  var isMetadataComplete = false
  var metadataFilters: [Slice] = []
  var metadata: [TreeEntry] = []
  /// What stays when the next request of the connection comes.
  var connectionPart = ConnectionPart()

  /// A request of which nothing is known.
  public init() {}

  /// Forgets everything and keeps the memory, unless it has grown beyond 256 KiB.
  public mutating func reset() {
    storage.removeAll(keepingCapacity: storage.capacity <= 256 * 1024)
    isTCP = false
    isPeerKnown = false
    identities.removeAll(keepingCapacity: identities.capacity <= 1024)
    nameView = .each
    method = TextField(reason: .unknownMethod)
    host = TextField(reason: .unknownHost)
    target = TextField(reason: .unknownPath)
    path = TextField(reason: .unknownPath)
    sni = TextField(reason: .unknownSNI)
    sourceIP = AddressField(reason: .unknownSourceIP)
    remoteIP = AddressField(reason: .unknownRemoteIP)
    destinationIP = AddressField(reason: .unknownDestinationIP)
    isPortKnown = false
    areHeadersKnown = false
    headers.removeAll(keepingCapacity: headers.capacity <= 1024)
    areClaimsKnown = false
    areClaimsHidden = false
    givenToken = nil
    hasToken = false
    claims.removeAll(keepingCapacity: claims.capacity <= 1024)
    honorsRequestAuthentication = false
    isMetadataComplete = false
    metadataFilters.removeAll(keepingCapacity: true)
    metadata.removeAll(keepingCapacity: metadata.capacity <= 1024)
    connectionPart = ConnectionPart()
  }

  /// Copies bytes into the buffer. The buffer holds at most 4 GiB; a message is far smaller.
  mutating func append(_ bytes: Span<UInt8>) -> Slice {
    let start = storage.count
    unsafe bytes.withUnsafeBufferPointer { buffer in unsafe storage.append(contentsOf: buffer) }
    return Slice(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: bytes.count))
  }

  /// The bytes of a slice, as an array of their own. For the slow paths.
  func copy(_ slice: Slice) -> [UInt8] {
    Array(storage[Int(slice.start)..<Int(slice.start) + Int(slice.count)])
  }
}
