// What stops a benchmark: a text for the person who runs it. A measurement with one wrong answer is stopped, never printed.

/// Why a benchmark could not be run, or must not be believed.
struct BenchError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
