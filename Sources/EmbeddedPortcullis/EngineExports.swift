// The functions of the header that are about engines and texts.
// Enters: calls of the host, from any thread. Leaves: a status, handles, texts. The header says what each does.
// Never here: a pointer of the host that is used before it is looked at, an out parameter that is left as it was.
//
// The names are those of the header, because the compiler looks the declarations up by them.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

public import CPortcullis
internal import Glibc
internal import PolicyEngine

/// See the header.
@implementation @c
public func portcullis_engine_open(
  _ options: UnsafePointer<portcullis_options>?, _ engine: UnsafeMutablePointer<OpaquePointer?>?,
  _ message: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> portcullis_status {
  unsafe message?.pointee = nil
  unsafe engine?.pointee = nil
  do {
    let size = unsafe MemoryLayout<portcullis_options>.size
    var copy = unsafe portcullis_options()
    try unsafe SizedStruct.read(
      options.map { unsafe UnsafeRawPointer($0) }, into: &copy, sizes: (size, size), "options: null or not aligned")
    guard let engine = unsafe engine else { throw Refusal("engine: null") }
    let core = try unsafe EngineCore(EngineSettings(copy))
    let warnings = core.warnings
    if !warnings.isEmpty { unsafe message?.pointee = hostText(warnings) }
    unsafe engine.pointee = unsafe Handle.open(core, .engine)
    return Status.ok.code
  } catch let problem as EngineProblem {
    unsafe message?.pointee = hostText(problem.text)
    return problem.status.code
  } catch let refusal as Refusal {
    unsafe message?.pointee = hostText("\(refusal.text)")
    return refusal.status.code
  } catch {
    return Status.badArgument.code
  }
}

/// See the header.
@implementation @c
public func portcullis_engine_reload(
  _ engine: OpaquePointer?, _ message: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> portcullis_status {
  unsafe message?.pointee = nil
  guard let core = unsafe Handle.object(engine, .engine, EngineCore.self) else { return Status.badHandle.code }
  do throws(EngineProblem) {
    try core.reload()
    let warnings = core.warnings
    if !warnings.isEmpty { unsafe message?.pointee = hostText(warnings) }
    return Status.ok.code
  } catch {
    unsafe message?.pointee = hostText(error.text)
    return error.status.code
  }
}

/// See the header.
@implementation @c
public func portcullis_engine_describe(
  _ engine: OpaquePointer?, _ text: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> portcullis_status {
  guard let text = unsafe text else { return Status.badArgument.code }
  unsafe text.pointee = nil
  guard let core = unsafe Handle.object(engine, .engine, EngineCore.self) else { return Status.badHandle.code }
  unsafe text.pointee = hostText(core.description)
  core.tidy()
  return unsafe text.pointee == nil ? Status.system.code : Status.ok.code
}

/// See the header.
@implementation @c
public func portcullis_engine_generation(_ engine: OpaquePointer?, _ generation: UnsafeMutablePointer<UInt64>?) -> portcullis_status {
  guard let generation = unsafe generation else { return Status.badArgument.code }
  unsafe generation.pointee = 0
  guard let core = unsafe Handle.object(engine, .engine, EngineCore.self) else { return Status.badHandle.code }
  unsafe generation.pointee = core.generation
  core.tidy()
  return Status.ok.code
}

/// See the header.
@implementation @c
public func portcullis_engine_close(_ engine: OpaquePointer?) -> portcullis_status {
  guard let core = unsafe Handle.close(engine, .engine, EngineCore.self) else { return Status.badHandle.code }
  core.close()
  return Status.ok.code
}

/// See the header.
@implementation @c
public func portcullis_abi_version() -> UInt32 { UInt32(PORTCULLIS_ABI_VERSION) }

/// See the header.
@implementation @c
public func portcullis_version() -> UnsafePointer<CChar>? { unsafe ("0.1.0" as StaticString).cString }

/// See the header.
@implementation @c
public func portcullis_status_text(_ status: portcullis_status) -> UnsafePointer<CChar>? { unsafe Status.text(status).cString }

/// See the header.
@implementation @c
public func portcullis_outcome_name(_ outcome: Int32) -> UnsafePointer<CChar>? {
  for verdict in [Verdict.deny, .allow, .undecided] where verdict.number == outcome { return unsafe verdict.name.cString }
  return nil
}

/// See the header.
@implementation @c
public func portcullis_reason_code(_ reason: Int32) -> UnsafePointer<CChar>? {
  unsafe Reason.allCases.first { $0.number == reason }?.code.cString
}

/// See the header.
@implementation @c
public func portcullis_reason_explanation(_ reason: Int32) -> UnsafePointer<CChar>? {
  unsafe Reason.allCases.first { $0.number == reason }?.explanation.cString
}

/// See the header.
@implementation @c
public func portcullis_text_free(_ text: UnsafeMutablePointer<CChar>?) { unsafe free(text) }
