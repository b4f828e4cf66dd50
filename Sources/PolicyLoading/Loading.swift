// The door of this room: the bytes of a file enter, what it holds leaves. No file is opened here, and nothing is thrown: whatever the
// bytes are, the answer says what is usable and what is wrong.

public import PolicyModel

/// Reads the Kubernetes objects of one file of YAML or JSON.
///
/// All problems of the file are found in one run. O(bytes); memory is bounded by `limits`, about ten times the largest document.
/// - Parameters:
///   - text: the bytes of the file, UTF-8, with or without a byte order mark.
///   - file: the file's name, as diagnostics show it.
///   - limits: how much is read.
public func loadPolicies(text: [UInt8], file: ExactText, limits: LoadingLimits = LoadingLimits()) -> LoadedFile {
  var loader = FileLoader(file: file, limits: limits)
  loader.load(text)
  return loader.result
}
