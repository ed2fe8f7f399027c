#include "statistics.h"
#include "dispatch.h"
#include "statistics_keys.h"

// Counters of one block fit 32 bits.
enum { EXTENT_BLOCK = 4096 };

// Where the block holds values that are not finite.
static void scan_mixed(const float *values, size_t count, gs_extent *extent) {
  for (size_t i = 0; i < count; i++) {
    int32_t magnitude = bits_of(values[i]) & MAGNITUDE, key = key_of(values[i]);
    if (magnitude >= INFINITY_BITS) {
      extent->infinities += magnitude == INFINITY_BITS;
      extent->not_numbers += magnitude > INFINITY_BITS;
      continue;
    }
    extent->low = key < extent->low ? key : extent->low;
    extent->high = key > extent->high ? key : extent->high;
  }
}

INLINED void scan_value(float v, float *low, float *high, int32_t *zeros) {
  *low = v < *low ? v : *low;
  *high = v > *high ? v : *high;
  *zeros += v == 0;
}

// Widens `extent` by what lanes of finite values have seen. (The lanes are arrays of their own so that loops over
// them become vector instructions.)
INLINED void widen(const float *low, const float *high, gs_extent *extent) {
  for (int j = 0; j < LANES; j++) {
    int32_t least = key_of(low[j]), most = key_of(high[j]);
    extent->low = least < extent->low && low[j] < INFINITY ? least : extent->low;
    extent->high = most > extent->high && high[j] > -INFINITY ? most : extent->high;
  }
}

// Whether all values are finite.
INLINED int32_t scan_block(const float *values, size_t count, gs_extent *extent) {
  float low[LANES], high[LANES];
  int32_t zeros[LANES] = {0}, largest[LANES] = {0};
  for (int j = 0; j < LANES; j++) low[j] = INFINITY, high[j] = -INFINITY;
  for (size_t i = 0; i < count / LANES * LANES; i += LANES)
    for (int j = 0; j < LANES; j++) {
      int32_t magnitude = bits_of(values[i + j]) & MAGNITUDE;
      scan_value(values[i + j], low + j, high + j, zeros + j);
      largest[j] = magnitude > largest[j] ? magnitude : largest[j];
    }
  for (size_t i = count / LANES * LANES; i < count; i++) {
    int32_t magnitude = bits_of(values[i]) & MAGNITUDE;
    scan_value(values[i], low, high, zeros);
    largest[0] = magnitude > largest[0] ? magnitude : largest[0];
  }
  for (int j = 0; j < LANES; j++) {
    extent->zeros += zeros[j];
    largest[0] = largest[j] > largest[0] ? largest[j] : largest[0];
  }
  if (largest[0] >= INFINITY_BITS) {
    scan_mixed(values, count, extent);
    return 0;
  }
  widen(low, high, extent);
  return 1;
}

DISPATCHED void gs_scan_extent(const float *values, size_t count, gs_extent *extent) {
  for (size_t i = 0; i < count; i += EXTENT_BLOCK)
    scan_block(values + i, count - i < EXTENT_BLOCK ? count - i : EXTENT_BLOCK, extent);
}

// Sums of this many neighbours in a lane are rounded to float32 before they are added up in float64.
enum { SUMMED = 8 };

// Scans a block and adds the sum of each lane, in one loop. Zero where a sum is not finite: then a value may not be,
// and `extent` is as before.
INLINED int32_t scan_and_sum_block(const float *values, size_t count, gs_extent *extent, double *sums) {
  float low[LANES], high[LANES];
  int32_t zeros[LANES] = {0};
  for (int j = 0; j < LANES; j++) low[j] = INFINITY, high[j] = -INFINITY;
  size_t i = 0;
  for (; i + SUMMED * LANES <= count; i += SUMMED * LANES) {
    float group[LANES] = {0};
    for (int k = 0; k < SUMMED * LANES; k += LANES)
      for (int j = 0; j < LANES; j++) {
        float v = values[i + k + j];
        scan_value(v, low + j, high + j, zeros + j);
        group[j] += v;
      }
    for (int j = 0; j < LANES; j++) sums[j] += group[j];
  }
  for (; i < count; i++) {
    scan_value(values[i], low + i % LANES, high + i % LANES, zeros + i % LANES);
    sums[i % LANES] += values[i];
  }
  for (int j = 0; j < LANES; j++)
    if (!(sums[j] - sums[j] == 0)) return 0;
  for (int j = 0; j < LANES; j++) extent->zeros += zeros[j];
  widen(low, high, extent);
  return 1;
}

// For blocks with values that are not finite, and finite ones whose sum in float32 is not.
static void sum_mixed(const float *values, size_t count, double *sums) {
  for (size_t i = 0; i < count; i++) sums[i % LANES] += is_finite(values[i]) ? values[i] : 0;
}

DISPATCHED void gs_scan_extent_and_sum(const float *values, size_t count, gs_extent *extent, double *sum) {
  double sums[LANES] = {0};
  for (size_t i = 0; i < count; i += EXTENT_BLOCK) {
    size_t size = count - i < EXTENT_BLOCK ? count - i : EXTENT_BLOCK;
    double before[LANES];
    memcpy(before, sums, sizeof sums);
    if (scan_and_sum_block(values + i, size, extent, sums)) continue;
    memcpy(sums, before, sizeof sums);
    scan_block(values + i, size, extent);
    sum_mixed(values + i, size, sums);
  }
  *sum += fold_lanes(sums);
}

void gs_merge_bins(uint64_t *counts, int32_t doublings) {
  if (doublings <= 0) return;
  int32_t shift = doublings < 11 ? doublings : 11;
  uint64_t *middle = counts + GS_SIDE_BINS;
  for (ptrdiff_t i = 1; i < GS_SIDE_BINS; i++) {
    uint64_t above = middle[i], below = middle[~i];
    middle[i] = middle[~i] = 0;
    middle[i >> shift] += above;
    middle[~(i >> shift)] += below;
  }
}

// The least exponent with 2^exponent above all magnitudes.
static int32_t exponent_for(const gs_extent *extent, int32_t exponent) {
  if (extent->low > extent->high) return exponent;
  int32_t low = magnitude_of_key(extent->low), high = magnitude_of_key(extent->high);
  int32_t needed = ((low > high ? low : high) >> 23) - 126;
  return needed > exponent ? needed : exponent;
}

// Two histograms take turns, so that an increment seldom waits for the one before; more would not fit the first-level
// cache. Zeros go to slots behind the bins, which nobody reads.
enum { BINS = 2 * GS_SIDE_BINS, TURNS = 2, SLOTS = 16 };

typedef uint32_t gs_turns[TURNS][BINS + SLOTS];

// Before this many blocks no counter overflows.
static const uint32_t FLUSH = 1 << 19;

static void flush_turns(gs_turns turns, uint64_t *counts) {
  for (int i = 0; i < BINS; i++) counts[i] += (uint64_t)turns[0][i] + turns[1][i];
  memset(turns, 0, sizeof(gs_turns));
}

typedef float gs_floats __attribute__((vector_size(4 * SLOTS)));
typedef int32_t gs_integers __attribute__((vector_size(4 * SLOTS)));
typedef uint16_t gs_shorts __attribute__((vector_size(2 * SLOTS)));

// For SLOTS finite values.
INLINED void bin_indices(const float *values, float scale, uint16_t *indices) {
  const gs_integers slots = {BINS,     BINS + 1, BINS + 2,  BINS + 3,  BINS + 4,  BINS + 5,  BINS + 6,  BINS + 7,
                             BINS + 8, BINS + 9, BINS + 10, BINS + 11, BINS + 12, BINS + 13, BINS + 14, BINS + 15};
  gs_floats v;
  memcpy(&v, values, sizeof v);
  gs_integers bits = (gs_integers)v;
  gs_floats position = (gs_floats)(bits & MAGNITUDE) * scale;
  gs_integers bin = (__builtin_convertvector(position, gs_integers) ^ (bits >> 31)) + GS_SIDE_BINS;
  gs_integers other = v != 0;
  gs_shorts result = __builtin_convertvector((bin & other) | (slots & ~other), gs_shorts);
  memcpy(indices, &result, sizeof result);
}

INLINED void count_indices(const uint16_t *indices, size_t count, gs_turns turns) {
  for (size_t i = 0; i < count; i += 8) {
    uint64_t a, b;
    memcpy(&a, indices + i, 8);
    memcpy(&b, indices + i + 4, 8);
    turns[0][a & 0xffff]++;
    turns[1][a >> 16 & 0xffff]++;
    turns[0][a >> 32 & 0xffff]++;
    turns[1][a >> 48]++;
    turns[0][b & 0xffff]++;
    turns[1][b >> 16 & 0xffff]++;
    turns[0][b >> 32 & 0xffff]++;
    turns[1][b >> 48]++;
  }
}

// The values with zeros for those that are not finite and after the last, up to a multiple of SLOTS.
static const float *cleaned(const float *values, size_t count, float *buffer) {
  for (size_t i = 0; i < count; i++) buffer[i] = is_finite(values[i]) ? values[i] : 0;
  for (; count % SLOTS != 0; count++) buffer[count] = 0;
  return buffer;
}

DISPATCHED int32_t gs_add_to_histogram(const float *values, size_t count, gs_extent *extent, int32_t exponent,
                                       uint64_t *counts) {
  gs_turns turns;
  uint16_t indices[EXTENT_BLOCK];
  float buffer[EXTENT_BLOCK];
  uint32_t unflushed = 0;
  memset(turns, 0, sizeof(gs_turns));
  for (size_t i = 0; i < count; i += EXTENT_BLOCK) {
    size_t length = count - i < EXTENT_BLOCK ? count - i : EXTENT_BLOCK;
    const float *block = values + i;
    int clean = scan_block(block, length, extent) && length % SLOTS == 0;
    if (!clean) block = cleaned(block, length, buffer);
    int32_t needed = exponent_for(extent, exponent);
    if (needed > exponent || unflushed == FLUSH) {
      if (unflushed > 0) flush_turns(turns, counts);
      gs_merge_bins(counts, needed - exponent);
      exponent = needed;
      unflushed = 0;
    }
    float scale = value_of_bits((127 + 11 - exponent) << 23);
    for (size_t j = 0; j < length; j += SLOTS) bin_indices(block + j, scale, indices + j);
    count_indices(indices, length, turns);
    unflushed++;
  }
  if (unflushed > 0) flush_turns(turns, counts);
  return exponent;
}
