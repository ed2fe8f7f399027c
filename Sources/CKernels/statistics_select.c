#include "statistics.h"
#include "dispatch.h"
#include "statistics_keys.h"

enum { GROUP = 4 * LANES };

// Compared as floats, which is cheaper than finding keys and leaves out NaN.
INLINED uint32_t within(float v, const float *bounds) { return (v >= bounds[0]) & (v <= bounds[1]); }

DISPATCHED void gs_gather_keys(const float *values, size_t count, const int32_t lows[2], const int32_t highs[2],
                               int32_t *const outs[2]) {
  int32_t *out0 = outs[0], *out1 = outs[1];
  const float first[2] = {value_of_key(lows[0]), value_of_key(highs[0])};
  const float second[2] = {value_of_key(lows[1]), value_of_key(highs[1])};
  for (size_t i = 0; i < count; i += GROUP) {
    size_t length = count - i < GROUP ? count - i : GROUP;
    if (length == GROUP) {
      uint32_t any = 0;
      for (int j = 0; j < GROUP; j++) any |= within(values[i + j], first) | within(values[i + j], second);
      if (!any) continue;
    }
    for (size_t j = i; j < i + length; j++) {
      int32_t key = key_of(values[j]);
      *out0 = *out1 = key;
      out0 += within(values[j], first);
      out1 += within(values[j], second);
    }
  }
}

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

int32_t gs_select_key(const int32_t *keys, size_t count, int32_t low, int32_t high, size_t rank) {
  while (low < high) {
    uint32_t span = (uint32_t)high - (uint32_t)low, shift = 0, digit = 0;
    while (span >> shift >= DIGITS) shift++;
    size_t counts[DIGITS] = {0};
    for (size_t i = 0; i < count; i++) {
      uint32_t above = (uint32_t)keys[i] - (uint32_t)low;
      if (above <= span) counts[above >> shift]++;
    }
    for (; digit < DIGITS - 1 && rank >= counts[digit]; digit++) rank -= counts[digit];
    int64_t first = low + ((int64_t)digit << shift), last = first + ((int64_t)1 << shift) - 1;
    low = (int32_t)first;
    high = (int32_t)(last < high ? last : high);
  }
  return low;
}
