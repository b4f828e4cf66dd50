// What a call can end with, and why a struct or a value is refused.
// Enters: nothing. Leaves: the numbers of the header, and static lines for them. Never here: memory that somebody must free.

internal import CPortcullis

/// A `portcullis_status`.
struct Status: Equatable, Sendable {
  /// The number.
  let code: portcullis_status

  private init(_ code: Int) { self.code = portcullis_status(truncatingIfNeeded: code) }

  static let ok = Status(PORTCULLIS_OK)
  static let badArgument = Status(PORTCULLIS_BAD_ARGUMENT)
  static let badStructSize = Status(PORTCULLIS_BAD_STRUCT_SIZE)
  static let badHandle = Status(PORTCULLIS_BAD_HANDLE)
  static let closed = Status(PORTCULLIS_CLOSED)
  static let busy = Status(PORTCULLIS_BUSY)
  static let badSources = Status(PORTCULLIS_BAD_SOURCES)
  static let badState = Status(PORTCULLIS_BAD_STATE)
  static let system = Status(PORTCULLIS_SYSTEM)

  /// One line for a number, whoever made it.
  static func text(_ code: portcullis_status) -> StaticString {
    switch Int(code) {
    case PORTCULLIS_OK: "success"
    case PORTCULLIS_BAD_ARGUMENT: "an argument is null, unknown, too long, or contradicts another"
    case PORTCULLIS_BAD_STRUCT_SIZE: "struct_size is none that this library knows"
    case PORTCULLIS_BAD_HANDLE: "a handle is null, was closed, or is of another kind"
    case PORTCULLIS_CLOSED: "the engine, the reader or the connection was closed"
    case PORTCULLIS_BUSY: "another thread uses the reader"
    case PORTCULLIS_BAD_SOURCES: "the policy files or the mesh's settings have errors or cannot be read"
    case PORTCULLIS_BAD_STATE: "the engine cannot do this as it was opened"
    case PORTCULLIS_SYSTEM: "the system gave no thread, or no memory for a text"
    default: "no status of this library"
    }
  }
}

/// Why a call is refused. A value without memory of its own: it is thrown where requests come in.
struct Refusal: Error {
  let status: Status
  /// What is wrong, as one line.
  let text: StaticString

  init(_ text: StaticString) {
    status = .badArgument
    self.text = text
  }

  /// A refusal that its status explains.
  init(_ status: Status) {
    self.status = status
    text = Status.text(status.code)
  }
}

extension StaticString {
  /// The text for C: such texts end with a NUL and live as long as the library.
  var cString: UnsafePointer<CChar> { unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
