// The door of this room: the bytes of a file enter, what it holds leaves. No file is opened here, and nothing is thrown: whatever the
// bytes are, the answer says what is usable and what is wrong.

public import PolicyModel

/// Reads the Kubernetes objects of one file of YAML or JSON.
///
/// The problems of the file are found in one run, at most as many as `limits` says. O(bytes). While a document is read it takes up to 60
/// times its size when it consists of one-byte values (`[a,a,…]`), and about four times when it is ordinary policies; `limits.nodes` and
/// `limits.fileBytes` bound that.
/// - Parameters:
///   - text: the bytes of the file, UTF-8, with or without a byte order mark.
///   - file: the file's name, as diagnostics show it.
///   - limits: how much is read.
///   - isLenient: whether objects that Istio's webhook would refuse are kept where it is known what Istio does with them at run time, on a
///     cluster without the webhook. What would have been an error is then a warning of the same code, which says that.
public func loadPolicies(
  text: [UInt8], file: ExactText, limits: LoadingLimits = LoadingLimits(), isLenient: Bool = false
) -> LoadedFile {
  var loader = FileLoader(file: file, limits: limits, isLenient: isLenient)
  loader.load(text)
  return loader.result
}
