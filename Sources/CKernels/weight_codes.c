#include "CKernels.h"
#include "dispatch.h"

#include <string.h>

enum { OFFSET = 32768, LEAST_GAP = 2, MOST_GAP = 10 };

DISPATCHED void gs_widen_int8(const int8_t *in, size_t count, int16_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = in[i];
}

DISPATCHED void gs_narrow_int16(const int16_t *in, size_t count, uint8_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = (uint8_t)in[i];
}

void gs_count_integers(const int16_t *values, size_t count, uint32_t *counts) {
  for (size_t i = 0; i < count; i++) counts[values[i] + OFFSET]++;
}

DISPATCHED void gs_count_rounded(const float *values, size_t count, float inverse, uint32_t *counts) {
  enum { BLOCK = 256 };
  int32_t block[BLOCK];
  for (size_t start = 0; start < count; start += BLOCK) {
    const size_t n = start + BLOCK < count ? BLOCK : count - start;
    for (size_t i = 0; i < n; i++) {
      float t = __builtin_rintf(values[start + i] * inverse);
      block[i] = (int32_t)(t < -32768.0f ? -32768.0f : t > 32767.0f ? 32767.0f : t);
    }
    for (size_t i = 0; i < n; i++) counts[block[i] + OFFSET]++;
  }
}

void gs_pack_fields(const int16_t *values, size_t count, int bits, uint8_t *out) {
  const int bias = 1 << (bits - 1);
  const uint32_t mask = ((uint32_t)1 << bits) - 1;
  uint64_t pending = 0;
  int filled = 0;
  for (size_t i = 0; i < count; i++) {
    pending |= (uint64_t)((uint32_t)(values[i] + bias) & mask) << filled;
    filled += bits;
    if (filled >= 32) {
      for (int byte = 0; byte < 4; byte++) *out++ = (uint8_t)(pending >> 8 * byte);
      pending >>= 32;
      filled -= 32;
    }
  }
  for (; filled > 0; filled -= 8, pending >>= 8) *out++ = (uint8_t)pending;
}

static inline __attribute__((always_inline)) void put(gs_bit_stream *s, uint32_t value, int bits) {
  s->pending = s->pending << bits | (value & (uint32_t)(((uint64_t)1 << bits) - 1));
  s->pending_bits += bits;
  while (s->pending_bits >= 8) {
    s->pending_bits -= 8;
    *s->out++ = (uint8_t)(s->pending >> s->pending_bits);
  }
}

void gs_bits_put(gs_bit_stream *stream, uint32_t value, int bits) { put(stream, value, bits); }

void gs_bits_finish(gs_bit_stream *stream) {
  if (stream->pending_bits > 0) put(stream, 0, 8 - stream->pending_bits);
}

void gs_bits_put_entries(gs_bit_stream *stream, const int16_t *values, size_t count, const uint16_t *table, int bits) {
  gs_bit_stream s = *stream;
  for (size_t i = 0; i < count; i++) put(&s, table[values[i] + OFFSET], bits);
  *stream = s;
}

size_t gs_sparse_count(const int16_t *values, size_t count, const int32_t *zero_points, size_t per_channel,
                       size_t *forced) {
  size_t others = 0, run = 0;
  memset(forced, 0, (MOST_GAP + 1) * sizeof *forced);
  for (size_t start = 0, channel = 0; start < count; start += per_channel, channel++) {
    const int32_t zero = zero_points[channel];
    const size_t end = start + per_channel < count ? start + per_channel : count;
    for (size_t i = start; i < end; i++) {
      if (values[i] == zero) {
        run++;
        continue;
      }
      others++;
      if (run >= (size_t)1 << LEAST_GAP)
        for (int k = LEAST_GAP; k <= MOST_GAP; k++) forced[k] += run >> k;
      run = 0;
    }
  }
  for (int k = LEAST_GAP; k <= MOST_GAP; k++) forced[k] += run >> k;
  return others;
}

// Calls for every coded element, with its index and how many were left out before it.
#define FOR_EACH_CODED(BODY)                                                                            \
  const size_t longest = (size_t)1 << gap_bits;                                                         \
  size_t gap = 0;                                                                                       \
  for (size_t start = 0, channel = 0; start < count; start += per_channel, channel++) {                 \
    const int32_t zero = zero_points[channel];                                                          \
    const size_t end = start + per_channel < count ? start + per_channel : count;                       \
    for (size_t i = start; i < end; i++) {                                                              \
      if (values[i] == zero && gap + 1 < longest) {                                                     \
        gap++;                                                                                          \
        continue;                                                                                       \
      }                                                                                                 \
      BODY;                                                                                             \
      gap = 0;                                                                                          \
    }                                                                                                   \
  }

void gs_sparse_put_entries(gs_bit_stream *stream, const int16_t *values, size_t count, const int32_t *zero_points,
                           size_t per_channel, int gap_bits, const uint16_t *table, int bits) {
  gs_bit_stream s = *stream;
  FOR_EACH_CODED(put(&s, table[values[i] + OFFSET], bits))
  *stream = s;
}

void gs_sparse_put_gaps(gs_bit_stream *stream, const int16_t *values, size_t count, const int32_t *zero_points,
                        size_t per_channel, int gap_bits) {
  gs_bit_stream s = *stream;
  FOR_EACH_CODED(put(&s, (uint32_t)gap, gap_bits))
  *stream = s;
}

typedef struct {
  uint64_t *word, current;
  int filled;
} word_stream;

// Appends the low `bits` bits of `value`, at most 16; higher bits must be zero.
static inline __attribute__((always_inline)) void push(word_stream *s, uint64_t value, int bits) {
  const int room = 64 - s->filled;
  if (bits < room) {
    s->current = s->current << bits | value;
    s->filled += bits;
    return;
  }
  const int rest = bits - room;
  *s->word++ = (room == 64 ? 0 : s->current << room) | value >> rest;
  s->current = value & (((uint64_t)1 << rest) - 1);
  s->filled = rest;
}

size_t gs_entropy_encode(const int16_t *values, size_t count, const uint16_t *symbol_of,
                         const gs_entropy_symbol *symbols, const uint16_t *slots, int log, uint64_t *words,
                         size_t segment, uint64_t *ends) {
  word_stream s = {words, 0, 0};
  uint32_t state = (uint32_t)1 << log;
  if (count > 0) {
    const gs_entropy_symbol first = symbols[symbol_of[values[0] + OFFSET]];
    state = slots[(int32_t)(state >> ((state + first.bits_bias) >> 16)) + first.slot_bias];
  }
  for (size_t start = 0; start < count;) {
    const size_t end = count - start > segment ? start + segment : count;
    for (size_t i = start; i < end; i++) {
      const gs_entropy_symbol symbol = symbols[symbol_of[values[i] + OFFSET]];
      const int bits = (int)((state + symbol.bits_bias) >> 16);
      push(&s, state & (((uint32_t)1 << bits) - 1), bits);
      state = slots[(int32_t)(state >> bits) + symbol.slot_bias];
    }
    *ends++ = (uint64_t)(s.word - words) << 32 | (uint64_t)state << 16 | (uint64_t)s.filled;
    start = end;
  }
  push(&s, state - ((uint32_t)1 << log), log);
  const size_t full = (size_t)(s.word - words);
  *s.word = s.filled > 0 ? s.current << (64 - s.filled) : 0;
  return full * 64 + (size_t)s.filled;
}
