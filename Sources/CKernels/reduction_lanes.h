#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// What reductions, softmax and normalization share.

enum { LANES = 16, BLOCK = 64 * LANES, TILE = 64, TILE_ROWS = 64 };

#define INLINED static inline __attribute__((always_inline))

// Before a loop whose turns don't depend on each other although its result may go where it reads from.
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")

INLINED double fold_lanes(double *lanes) {
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lanes[j] += lanes[j + width];
  return lanes[0];
}

/// exp(x) to 1 unit in the last place: 2^n * (1 + r + r^2 q(r)) with q a minimax polynomial on
/// |r| <= ln(2) / 2. The power is multiplied in two halves, so that subnormal results are right.
INLINED float exponential(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  float shifted = x * 0x1.715476p+0f + 0x1.8p23f;
  float n = shifted - 0x1.8p23f;
  float r = (x - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f;
  float q = 0x1.6a2352p-10f;
  q = q * r + 0x1.123a6cp-7f;
  q = q * r + 0x1.5558f4p-5f;
  q = q * r + 0x1.555490p-3f;
  q = q * r + 0x1.fffffcp-2f;
  float mantissa = q * (r * r) + r + 1.0f;
  int32_t power;
  memcpy(&power, &shifted, 4);
  power -= 0x4b400000;
  int32_t half = power >> 1;
  int32_t first = (half + 127) * 0x800000, second = (power - half + 127) * 0x800000;
  float low, high;
  memcpy(&low, &first, 4);
  memcpy(&high, &second, 4);
  return mantissa * low * high;
}
