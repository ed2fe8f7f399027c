#pragma once
#include <stddef.h>
#include <stdint.h>

// Hot loops of the codes that weights are stored in. Integers are 16 bits wide; tables over them have
// 65536 entries, that of v at v + 32768.

/// Widens 8-bit integers.
void gs_widen_int8(const int8_t *in, size_t count, int16_t *out);
/// The low byte of each integer.
void gs_narrow_int16(const int16_t *in, size_t count, uint8_t *out);

/// Adds how often each integer occurs.
void gs_count_integers(const int16_t *values, size_t count, uint32_t *counts);

/// Adds how often each round(value * inverse) occurs, halves to even, kept within 16 bits.
void gs_count_rounded(const float *values, size_t count, float inverse, uint32_t *counts);

/// Keeps the entries of a table of `count` that aren't 0: their places, counted from `first`, and what
/// they hold.
///
/// Returns how many there are.
size_t gs_keep_bins(const uint32_t *table, size_t count, int32_t first, int32_t *places, uint32_t *counts);

/// Sum over bins of count * (x - round(x))^2 with x = place * ratio.
double gs_bin_error(const int32_t *places, const uint32_t *counts, size_t count, double ratio);

/// Adds up the counts of neighbouring bins that have the same round(place * ratio), halves to even; places
/// ascend.
///
/// Returns how many sums there are.
size_t gs_multiple_counts(const int32_t *places, const uint32_t *counts, size_t count, double ratio, int64_t *merged);

/// values + 2^(bits-1) as a stream of fields of `bits` bits, each from its lowest bit on, bytes filled from
/// their lowest bit. `out` has (count * bits + 7) / 8 bytes.
void gs_pack_fields(const int16_t *values, size_t count, int bits, uint8_t *out);

/// A stream of bits, the highest bit of each byte first.
typedef struct {
  uint8_t *out;
  uint64_t pending;
  int pending_bits;
} gs_bit_stream;

/// Appends the low `bits` bits (at most 32) of a number.
void gs_bits_put(gs_bit_stream *stream, uint32_t value, int bits);

/// Fills the last byte with zeros.
void gs_bits_finish(gs_bit_stream *stream);

/// Appends `bits` bits of each integer's entry in a table.
void gs_bits_put_entries(gs_bit_stream *stream, const int16_t *values, size_t count, const uint16_t *table, int bits);

/// Where runs of elements lie that need no code: those equal to zero_points[i / per_channel]. Sets forced[k] to the
/// number of these that are coded all the same when a gap has k bits, k = 2..10, and returns the number of others.
size_t gs_sparse_count(const int16_t *values, size_t count, const int32_t *zero_points, size_t per_channel,
                       size_t *forced);

/// Appends, for each element that is coded with gaps of `gap_bits` bits, its entry's `bits` bits.
void gs_sparse_put_entries(gs_bit_stream *stream, const int16_t *values, size_t count, const int32_t *zero_points,
                           size_t per_channel, int gap_bits, const uint16_t *table, int bits);

/// Appends, for each such element, how many were left out before it.
void gs_sparse_put_gaps(gs_bit_stream *stream, const int16_t *values, size_t count, const int32_t *zero_points,
                        size_t per_channel, int gap_bits);

/// What encoding one symbol needs: see `gs_entropy_encode`.
typedef struct {
  uint32_t bits_bias;
  int32_t slot_bias;
} gs_entropy_symbol;

/// Table-based asymmetric numeral system over 2^log states. The state starts as 2^log, takes the first symbol without
/// writing, then writes and takes every symbol; at the end its low `log` bits are written. For state x and a symbol,
/// b = (x + bits_bias) >> 16 bits of x are written and the next state is slots[(x >> b) + slot_bias].
///
/// Words of 64 bits are filled from their high end, fields that cross a word have their high part in the first one.
/// Returns the number of bits; `words` has room for (count + 1) * log / 64 + 2 words.
///
/// After each `segment` values, which isn't 0, and after the last one, `ends` takes where decoding of that segment
/// starts: the number of full words, 16 bits of state, 16 bits for the bits in the word that isn't full.
size_t gs_entropy_encode(const int16_t *values, size_t count, const uint16_t *symbol_of,
                         const gs_entropy_symbol *symbols, const uint16_t *slots, int log, uint64_t *words,
                         size_t segment, uint64_t *ends);
