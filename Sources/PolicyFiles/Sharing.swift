// Work that can be split, on several threads. A number of pieces enters; their results leave in the order of the pieces, as if one after
// the other had been done. Never here: what the work is, or a thread that outlives the call.

internal import Glibc
internal import PolicyModel
internal import Synchronization

/// Threads that share the pieces of one piece of work.
enum Sharing {
  /// How many processors there are; at least 1.
  static var processors: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  /// The results of `work` for 0, 1, … `count` - 1. The calling thread works too, so that nothing is lost when no other can be started.
  static func results<Result: Sendable>(
    count: Int, threads: Int, _ work: @escaping @Sendable (Int) -> Result
  ) -> [Result] {
    guard threads > 1, count > 1 else { return (0..<max(count, 0)).map(work) }
    let pieces = Pieces<Result>(count: count)
    var helpers: [WaitingThread] = []
    for _ in 1..<min(threads, count) {
      do throws(SystemError) {
        helpers.append(try WaitingThread { pieces.take(work) })
      } catch {
        break
      }
    }
    pieces.take(work)
    for helper in helpers { helper.join() }
    return pieces.results
  }

  private final class Pieces<Result: Sendable>: Sendable {
    private let count: Int
    private let next = Atomic(0)
    private let done: Mutex<[Result?]>

    init(count: Int) {
      self.count = count
      done = Mutex(Array(repeating: nil, count: count))
    }

    /// Works until no piece is left.
    func take(_ work: (Int) -> Result) {
      var own: [(Int, Result)] = []
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < count else { break }
        own.append((index, work(index)))
      }
      let found = own
      done.withLock { done in for (index, result) in found { done[index] = result } }
    }

    var results: [Result] { done.withLock { done in done.compactMap { $0 } } }
  }
}
