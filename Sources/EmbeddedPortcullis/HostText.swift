// Texts that the host gets and frees.
// Enters: text. Leaves: memory of the C library, which `portcullis_text_free` gives back. Never here: anything else of that memory.

internal import Glibc

/// A text for the host, which frees it; `nil` without memory.
func hostText(_ text: String) -> UnsafeMutablePointer<CChar>? {
  let bytes = Array(text.utf8)
  guard let memory = unsafe malloc(bytes.count + 1) else { return nil }
  let start = unsafe memory.bindMemory(to: CChar.self, capacity: bytes.count + 1)
  // A NUL among the bytes would end the text for the host.
  for index in bytes.indices { unsafe start[index] = bytes[index] == 0 ? CChar(UInt8(ascii: " ")) : CChar(bitPattern: bytes[index]) }
  unsafe start[bytes.count] = 0
  return unsafe start
}
