// UTF-8. What enters: bytes. What leaves: whether they are text, or a copy that is. What never happens here: a read past
// the end, or a longer form of a character taken for the character.

#include <string.h>

#include "codec.h"

/// Length of the valid sequence at `data`, or 0 (Unicode 15, table 3-7).
static size_t sequence_length(const uint8_t *data, size_t size) {
  const uint8_t first = data[0];
  if (first < 0x80) return 1;
  size_t length = 0;
  uint8_t low = 0x80;
  uint8_t high = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (size < length || data[1] < low || data[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if (data[i] < 0x80 || data[i] > 0xBF) return 0;
  }
  return length;
}

static const uint64_t high_bits = UINT64_C(0x8080808080808080);

static uint64_t word_at(const uint8_t *data) {
  uint64_t word;
  memcpy(&word, data, sizeof(word));
  return word;
}

/// Nearly all text is: 32 bytes at a time where there are many, then eight, the last eight once more in place of what is left over.
static bool is_ascii(const uint8_t *data, size_t size) {
  uint64_t seen = 0;
  if (size < 8) {
    for (size_t i = 0; i < size; i++) seen |= data[i];
    return (seen & 0x80) == 0;
  }
  size_t i = 0;
  for (; size - i >= 32; i += 32) {
    seen |= word_at(data + i) | word_at(data + i + 8) | word_at(data + i + 16) | word_at(data + i + 24);
    if ((seen & high_bits) != 0) return false;
  }
  for (; size - i >= 8; i += 8) seen |= word_at(data + i);
  seen |= word_at(data + size - 8);
  return (seen & high_bits) == 0;
}

bool text_is_utf8(const uint8_t *data, size_t size) {
  if (is_ascii(data, size)) return true;
  for (size_t i = 0; i < size;) {
    size_t length = sequence_length(data + i, size - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

size_t text_repair(const uint8_t *data, size_t size, uint8_t *target) {
  static const uint8_t replacement[3] = {0xEF, 0xBF, 0xBD};
  size_t written = 0;
  for (size_t i = 0; i < size;) {
    size_t length = sequence_length(data + i, size - i);
    if (length == 0) {
      memcpy(target + written, replacement, sizeof(replacement));
      written += sizeof(replacement);
      i += 1;
    } else {
      memcpy(target + written, data + i, length);
      written += length;
      i += length;
    }
  }
  return written;
}
