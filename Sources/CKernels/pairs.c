#include <math.h>

#include "CKernels.h"
#include "dispatch.h"

DISPATCHED float gs_pair_peak(const float *values, size_t count) {
  enum { LANES = 16 };
  float peaks[LANES] = {0}, peak = 0;
  size_t i = 0;
  for (; i + 2 * LANES <= count; i += 2 * LANES)
    for (size_t lane = 0; lane < LANES; lane++) {
      float sum = fabsf(values[i + 2 * lane] + values[i + 2 * lane + 1]);
      peaks[lane] = sum > peaks[lane] ? sum : peaks[lane];
    }
  for (; i + 1 < count; i += 2) peak = fmaxf(peak, fabsf(values[i] + values[i + 1]));
  for (size_t lane = 0; lane < LANES; lane++) peak = fmaxf(peak, peaks[lane]);
  return peak;
}

size_t gs_pairs_above(const float *values, size_t count, float bound, float *magnitudes) {
  size_t found = 0;
  for (size_t i = 0; i + 1 < count; i += 2) {
    magnitudes[found] = fabsf(values[i] + values[i + 1]);
    found += magnitudes[found] > bound;
  }
  return found;
}

DISPATCHED double gs_excess_squares(const float *magnitudes, size_t count, float bound) {
  enum { LANES = 16 };
  double sums[LANES] = {0}, total = 0;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (size_t lane = 0; lane < LANES; lane++) {
      float excess = fmaxf(magnitudes[i + lane] - bound, 0);
      sums[lane] += excess * excess;
    }
  for (; i < count; i++) {
    float excess = fmaxf(magnitudes[i] - bound, 0);
    total += excess * excess;
  }
  for (size_t lane = 0; lane < LANES; lane++) total += sums[lane];
  return total;
}

DISPATCHED void gs_limit_pairs(int32_t *integers, size_t count, int32_t most) {
  for (size_t i = 0; i + 1 < count; i += 2) {
    int32_t a = integers[i], b = integers[i + 1], sum = a + b;
    int32_t excess = (sum < 0 ? -sum : sum) - most;
    excess = excess > 0 ? excess : 0;
    int32_t first = ((a < 0 ? -a : a) >= (b < 0 ? -b : b) ? excess + 1 : excess) >> 1, second = excess - first;
    integers[i] = sum > 0 ? a - first : a + first;
    integers[i + 1] = sum > 0 ? b - second : b + second;
  }
}
