// How much of an input is read. Numbers only; who enforces one names it.

/// Limits on what one file may cost, whatever it contains. At their defaults that is still much: 6,000,000 one-byte values take about
/// 0.6 GB while they are read. Who reads files of strangers sets them lower.
public struct LoadingLimits: Sendable {
  /// The largest file, in bytes; more than 1 GiB counts as 1 GiB.
  public var fileBytes: Int
  /// The deepest nesting of lists and mappings, aliases followed.
  public var nesting: Int
  /// The most values of one document; one takes 40 to 110 bytes while it is read, depending on what it is decoded to.
  public var nodes: Int
  /// The most values that the aliases of one document may stand for; a text counts once more for every 64 bytes.
  public var aliasedNodes: Int
  /// The most diagnostics of one file, and problems of one object or document; the others are counted, as far as they are looked for. A
  /// document with more problems of its text (duplicate keys, tags) is not read further.
  public var diagnostics: Int

  /// The most documents with a syntax error of one file; behind the last, the file is not read.
  public var brokenDocuments: Int

  /// The limits, or their defaults: 64 MiB, 100 levels, 6,000,000 values, 100,000 values by aliases, 1,000 diagnostics, 10,000 broken documents.
  public init(
    fileBytes: Int = 64 << 20, nesting: Int = 100, nodes: Int = 6_000_000, aliasedNodes: Int = 100_000, diagnostics: Int = 1_000,
    brokenDocuments: Int = 10_000
  ) {
    self.fileBytes = min(fileBytes, 1 << 30)
    self.nesting = nesting
    self.nodes = nodes
    self.aliasedNodes = aliasedNodes
    self.diagnostics = max(diagnostics, 1)
    self.brokenDocuments = max(brokenDocuments, 1)
  }
}
