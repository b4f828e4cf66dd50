// Requests and connections as the test makes, shrinks and shows them, and the texts that both policies and requests are made from.

/// What a client connects with.
struct TestPeer: Sendable, Equatable, Hashable {
  /// Index in `Identities.all`.
  var identity: Int
  var source: String
  /// Behind the first two octets of the destination.
  var destination: Int
  /// Index of the listener's port.
  var port: Int
  var sni: String?
  /// Whether it speaks HTTP/2 (not when its set is for TCP).
  var isHTTP2 = false
}

/// One request, or one connection when its set is for TCP.
struct TestRequest: Sendable, Equatable {
  var peer: TestPeer
  var method = "GET"
  var host = "a.com"
  var path = "/"
  /// Only HTTP/2 says it.
  var scheme = "http"
  var headers: [[String]] = []
  /// Index in `Texts.tokens`.
  var token: Int?
}

/// The names in the certificates of the test's clients, each for what it is there.
enum Identities {
  struct Identity: Sendable {
    var uris: [String] = []
    var dns: [String] = []
    var subject: String?
    /// Without TLS.
    var isPlaintext = false
    /// Whether mutual TLS asks whose trust domain it is of.
    var hasSPIFFEName: Bool { uris.contains { $0.utf8.starts(with: "spiffe://".utf8) } }
    /// Whether the client shows a certificate.
    var hasCertificate: Bool { !uris.isEmpty || !dns.isEmpty || subject != nil }
  }

  static let all: [Identity] = [
    Identity(isPlaintext: true),
    // TLS without a certificate: nobody, but with a server name.
    Identity(),
    Identity(uris: ["spiffe://cluster.local/ns/foo/sa/a"]),
    // Longer by one letter: prefixes match both.
    Identity(uris: ["spiffe://cluster.local/ns/foo/sa/ab"]),
    Identity(uris: ["spiffe://td1/ns/bar/sa/a"]),
    Identity(uris: ["spiffe://old-td1/ns/foo/sa/a.b"]),
    // A dot that a regular expression would match in the one above.
    Identity(uris: ["spiffe://old-td1/ns/foo/sa/axb"]),
    // Two names: both count.
    Identity(uris: ["spiffe://cluster.local/ns/foo/sa/b", "spiffe://td1/ns/bar/sa/b"]),
    // All kinds of names at once.
    Identity(uris: ["spiffe://cluster.local/ns/istio-system/sa/a"], dns: ["a.foo.example"], subject: "/ns/bar/sa/a"),
    Identity(dns: ["a.example", "b.a.example"]),
    // A subject that looks like a path; `principals: ["*"]` and namespaces match it.
    Identity(subject: "x/ns/foo/sa/a"),
    // Further segments between namespace and account, and behind.
    Identity(uris: ["spiffe://cluster.local/x/ns/foo/r/1/sa/a/v/2"]),
    // No SPIFFE scheme.
    Identity(uris: ["https://cluster.local/ns/foo/sa/a"]),
    Identity(uris: ["spiffe://a.b.example/ns/foo-bar/sa/a"]),
    // Two namespaces in one name.
    Identity(uris: ["spiffe://cluster.local/ns/foo/ns/bar/sa/a"]),
    Identity(uris: ["spiffe://cluster.local"]),
    Identity(uris: ["spiffe://CLUSTER.local/ns/Foo/sa/A"]),
  ]

  /// Names as policies write them.
  static let principals: [String] =
    all.flatMap(\.uris).map { $0.replacing("spiffe://", with: "") } + [
      "a.example", "CN=x/ns/foo/sa/a", "cluster.local/ns/foo/sa/*", "*-td1/ns/foo/sa/a.b", "old*/ns/foo/sa/a.b", "td1/ns/foo/sa/a",
      "cluster.local/ns/foo/*", "ns/foo/sa/a", "*/ns/foo/sa/a", "cluster.local/ns/foo/sa/a/b", "spiffe://cluster.local/ns/foo/sa/a",
    ]
}

/// Texts near each other.
enum Texts {
  static let namespaces = ["foo", "bar", "foo-bar", "Foo", "istio-system", "fo", "foo/r/1", "r", "foo/ns/bar"]
  static let accounts = ["a", "ab", "b", "foo/a", "bar/a", "bar/b", "istio-system/a", "foo/a.b", "foo/axb", "foo-bar/a", "foo/v", "A"]
  static let trustDomains = [
    "cluster.local", "td1", "old-td1", "a.b.example", "*", "*.example", "*td1", "cluster*", "a.*", "old-*", "*.local",
  ]
  static let sources = ["127.0.0.1", "127.0.0.2", "127.0.1.7", "127.1.2.3"]
  static let sourceBlocks = [
    "127.0.0.1", "127.0.0.2", "127.0.0.0/24", "127.0.0.0/8", "127.1.9.9/16", "127.0.1.7/32", "127.0.1.6/31", "10.0.0.0/8", "0.0.0.0/0",
    "::1",
    "::/0", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104",
  ]
  static let destinationBlocks = [
    "127.9.0.0/16", "127.0.0.0/8", "127.9.0.1", "127.9.0.0/32", "127.9.0.2/31", "10.0.0.0/8", "::/0", "127.9.0.1/32", "128.0.0.0/1",
  ]
  static let forwarded = [
    "10.1.1.1", "9.9.9.9, 10.1.1.1", "10.1.1.1, 9.9.9.9", "garbage", "10.1.1.1,garbage", "2001:db8::1", "10.1.1.1:80", "[2001:db8::1]:80",
    "", "10.1.1.1,", " 10.2.3.4 ", "127.0.0.1", "9.9.9.9,10.1.1.1", "010.1.1.1", "::ffff:10.1.1.1", "10.1.1.1 , 10.2.3.4",
  ]
  static let remoteBlocks = [
    "10.1.1.1", "10.0.0.0/8", "9.9.9.9", "2001:db8::/32", "2001:db8::1", "127.0.0.0/8", "10.2.3.4/31", "0.0.0.0/0", "::/0", "10.1.1.0/31",
    "::ffff:10.1.1.1",
  ]
  static let hosts = [
    "a.com", "A.COM", "a.com:80", "a.com.", "b.a.com", "evila.com", "a.com.evil.org", "x", "B.a.Com", "a.com:8080", "[::1]:80", "a_b.com",
  ]
  static let methods = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"]
  static let paths = [
    "/", "/admin", "/admin/", "/admin/x", "/administrator", "/a/b/c", "/store/x/cart", "/store//cart", "/store/cart", "/foo", "/foo/",
    "/foo/a",
    "/foo/a/", "/foo/a/b", "/foo/a%2Fb", "/foo/a%2fb", "//admin", "/%61dmin", "/x/../admin", "/x/..%2fadmin", "/admin;a=b", "/Admin",
    "/admin?x=1",
    "/admin.html", "/admin.html?q=.png", "/foo/a:b@c", "/foo/[x]", "/foo/a*b", "/foo/a|b", "/foo/%C3%A9", "/..;/admin", "/a/.;/b",
    "/a/.%2e;/b",
    "/app/%2E%2E%2Fadmin", "/app\\admin", "/app/./x", "/a/..", "/a/...", "/foo/a%20b", "/foo//bar/x", "/foo/buzz/bar/", "/foo/buzz/bar",
    "/admin%2f", "/%2e%2e/admin", "/foo/a?{*}", "/foo?/admin", "/%41dmin", "/foo/{*}", "/a%zz", "/foo/\"q\"", "/admin%5c", "/~a/%7Ea",
    "/foo/a%3Fb",
    "/admin#f", "/foo/%", "/a/b/../../admin", "/a//../admin", "/%2Fadmin", "/foo/^", "/foo/a%7Cb", "/foo/a<b", "/admin??", "/foo/`",
  ]
  /// Paths that change when they are normalized once more. Portcullis cannot tell them from paths that were not normalized at all: a rule
  /// that tests the path is undecided, and the request denied where the answer depends on it.
  static let unsettledPaths: Set<String> = ["/a/.%2e;/b"]
  static let templates = [
    "/foo/{*}", "/foo/{**}", "/foo/{**}/", "/foo/{*}/bar/{**}", "/store/{**}/cart", "/{*}", "/{**}", "/{*}/{*}", "/foo/{*}/", "/a/{*}/c",
    "/{*}/admin", "/foo/{*}/{**}",
  ]
  static let roles = ["admin", "user", "user,admin", "", "Admin", "admin2", "a min", "admin,user", "*", "x*y"]
  static let snis = ["a.com", "WWW.a.com", "www.a.com", "outbound_.8080_._.b.foo.svc.cluster.local", "b.a.com"]
  static let audiences = ["web", "api", "web,api", "Web"]
  static let words = ["admin", "dev", "a b", "x", "admin,x", "5", "true", "", "adm"]
  static let requestPrincipals = [
    "*", "*/*", "https://iss.example/alice", "https://iss.example/*", "https://iss.example*", "https://iss.example/al*", "*alice",
    "*/alice",
    "*iss.example/alice", "iss", "iss/alice", "is*", "iss/a/b", "iss/", "iss/*", "https:/*", "*b", "*ss/alice",
    "https://iss.example//alice",
  ]
  /// Keys of conditions about tokens, and the values to compare with.
  static let claimKeys = [
    "groups", "groups", "scope", "permission", "level", "nest][k", "nest][l", "nest", "nest.k", "a[b", "level", "missing", "mixed", "iss",
    "empty",
  ]

  /// Payloads of tokens, each for what it is there.
  static let tokens = [
    #"{"iss":"https://iss.example","sub":"alice","aud":"web","azp":"web","groups":["dev","admin"],"scope":"a b x","level":5}"#,
    #"{"iss":"https://iss.example","sub":"bob","aud":["web","api"],"azp":"api","groups":"admin","scope":"admin","nest":{"k":"x"},"nest.k":"dev"}"#,
    // No subject: no request principal.
    #"{"iss":"https://iss.example","aud":"api","groups":"dev,admin","permission":"a b","nest":{"k":["x","dev"],"l":{"m":"x"}}}"#,
    #"{"iss":"iss","sub":"alice","azp":["web"],"groups":[],"scope":["a b","x"],"level":"5","mixed":[5,true,"admin",null,["x"]]}"#,
    // A subject with a slash is compared as it is.
    #"{"iss":"iss","sub":"a/b","aud":[],"groups":[["admin"]],"level":true,"empty":"","nest":["k"]}"#,
    // An empty subject is the one that a principal without a slash wants.
    #"{"iss":"iss","sub":"","aud":"Web","groups":{"admin":"admin"},"level":null,"scope":"","a[b":"x"}"#,
    #"{"sub":"alice","aud":"web","groups":["Admin","adm"],"scope":"admin  x","a":{"b":"x"}}"#,
    #"{"iss":"https://iss.example/","sub":"alice","groups":[""],"permission":["admin"],"scope":" "}"#,
    #"{"iss":"https:/","sub":"iss.example","nest":{"k":"","l":"dev"},"mixed":[{"k":"x"}],"empty":[]}"#,
    #"{"iss":"*","sub":"*","groups":["*","a*b"],"azp":"*"}"#,
  ]
}
