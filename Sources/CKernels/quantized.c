#include "quantized.h"
#include "dispatch.h"
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Rounds what is clamped to a grid of fewer than 2^22 steps: adding 1.5 * 2^23 leaves no bits for a fraction.
INLINE int32_t on_grid(float t, int32_t zero, gs_grid grid) {
  const float low = (float)(grid.low - zero), high = (float)(grid.high - zero);
  t = t > low ? t : low;
  t = t < high ? t : high;
  return (int32_t)((t + 12582912.0f) - 12582912.0f) + zero;
}

INLINE int32_t clamped(int64_t value, gs_grid grid) {
  return (int32_t)(value < grid.low ? grid.low : value > grid.high ? grid.high : value);
}

// sum * scale with the scale as m * 2^(e - 31), 2^30 <= m < 2^31: the upper half of the doubled product is rounded to
// the nearest, halves up; what a negative e leaves to divide by rounds to the nearest, halves away from 0.
INLINE int64_t fixed_point(int32_t sum, double scale) {
  uint64_t bits;
  memcpy(&bits, &scale, 8);
  bits += 0x200000;  // m is rounded, a carry included.
  int exponent = (int)(bits >> 52 & 2047) - 1022;
  int left = exponent > 0 ? exponent : 0, right = exponent < 0 ? -exponent : 0;
  if (right > 31 || left > 16) return left ? (sum > 0 ? INT32_MAX : sum < 0 ? INT32_MIN : 0) : 0;
  int64_t m = (int64_t)(((bits & 0xfffffffffffff) | 0x10000000000000) >> 22);
  int64_t shifted = (int64_t)sum * (1 << left);
  shifted = shifted > INT32_MAX ? INT32_MAX : shifted < INT32_MIN ? INT32_MIN : shifted;
  int64_t product = shifted * m;
  int64_t high = (product + (product >= 0 ? 1 << 30 : 1 - (1 << 30))) / ((int64_t)1 << 31);
  int64_t mask = ((int64_t)1 << right) - 1, rest = high & mask, half = (mask >> 1) + (high < 0);
  return (high >> right) + (rest > half);
}

INLINE int32_t on_fixed(int32_t sum, int32_t bias, float scale, int32_t zero, gs_grid grid) {
  return clamped(fixed_point((int32_t)((uint32_t)sum + (uint32_t)bias), (double)scale / grid.step) + zero, grid);
}

INLINE int32_t cast(float value, float inverse, int32_t zero, gs_grid grid) {
  const float low = (float)grid.low, high = (float)grid.high;
  float t = fmaf(value, inverse, (float)zero);
  t = t > low ? t : low;
  return (int32_t)roundf(t < high ? t : high);
}

// Runs a loop whose results are stored in the grid's type.
#define STORE(EXPRESSION)                                                        \
  if (grid.type == GS_HELD_INT8 || grid.type == GS_HELD_UINT8) {                           \
    uint8_t *restrict to = out;                                                  \
    for (size_t i = 0; i < count; i++) to[i] = (uint8_t)(EXPRESSION);            \
  } else {                                                                       \
    uint16_t *restrict to = out;                                                 \
    for (size_t i = 0; i < count; i++) to[i] = (uint16_t)(EXPRESSION);           \
  }

DISPATCHED void gs_quantize_even(const float *values, size_t count, float scale, int32_t zero, gs_grid grid,
                                 void *out) {
  if (grid.rounding == GS_ROUND_FIXED_POINT) {
    const float inverse = 1 / scale;
    STORE(cast(values[i], inverse, zero, grid))
    return;
  }
  STORE(on_grid(values[i] / scale, zero, grid))
}

DISPATCHED void gs_quantize_even_each(const float *values, size_t count, const float *scales,
                                      const int32_t *zeros, gs_grid grid, void *out) {
  STORE(on_grid(values[i] / scales[i], zeros[i], grid))
}

// A sum of products and its bias, which wraps around as 32-bit integers do, as a float32.
INLINE float biased(int32_t sum, int32_t bias) { return (float)(int32_t)((uint32_t)sum + (uint32_t)bias); }

DISPATCHED void gs_requantize(const int32_t *sums, size_t count, int32_t bias, float scale, int32_t zero,
                              gs_grid grid, void *out) {
  if (grid.rounding == GS_ROUND_FIXED_POINT) {
    STORE(on_fixed(sums[i], bias, scale, zero, grid))
    return;
  }
  STORE(on_grid(biased(sums[i], bias) * scale, zero, grid))
}

DISPATCHED void gs_requantize_each(const int32_t *sums, size_t count, const int32_t *biases, const float *scales,
                                   int32_t zero, gs_grid grid, void *out) {
  if (grid.rounding == GS_ROUND_FIXED_POINT) {
    STORE(on_fixed(sums[i], biases[i], scales[i], zero, grid))
    return;
  }
  STORE(on_grid(biased(sums[i], biases[i]) * scales[i], zero, grid))
}

DISPATCHED void gs_requantize_sums(const float *sums, size_t count, const int32_t *biases, const float *scales,
                                   int32_t zero, gs_grid grid, void *out) {
  if (grid.rounding == GS_ROUND_FIXED_POINT) {
    STORE(on_fixed((int32_t)sums[i], biases ? biases[i] : 0, scales[i], zero, grid))
  } else if (biases) {
    STORE(on_grid(biased((int32_t)sums[i], biases[i]) * scales[i], zero, grid))
  } else {
    STORE(on_grid(sums[i] * scales[i], zero, grid))
  }
}

DISPATCHED void gs_scale_sums(float *sums, size_t count, const int32_t *biases, const float *scales,
                              const float *terms) {
  for (size_t i = 0; i < count; i++) sums[i] = biased((int32_t)sums[i], biases[i]) * scales[i] + terms[i];
}

#define ADD(TYPE)                                                                                      \
  {                                                                                                    \
    const TYPE *from = a, *other = b;                                                                  \
    STORE(on_grid(fmaf((float)from[i], left, fmaf((float)other[i], right, fixed)), 0, grid))           \
  }

DISPATCHED void gs_add_integers(const void *a, const void *b, size_t count, float left, float right, float fixed,
                                gs_grid grid, void *out) {
  if (grid.type == GS_HELD_INT8) ADD(int8_t) else ADD(uint8_t)
}

#define LOAD(TYPE, SCALE, ZERO)                                                                        \
  {                                                                                                    \
    const TYPE *from = values;                                                                         \
    for (size_t i = 0; i < count; i++)                                                                 \
      out[i] = (float)(int32_t)((uint32_t)(int32_t)from[i] - (uint32_t)(ZERO)) * (SCALE);              \
    break;                                                                                             \
  }

#define LOAD_ANY(SCALE, ZERO)                     \
  switch (type) {                                 \
    case GS_HELD_INT8: LOAD(int8_t, SCALE, ZERO)       \
    case GS_HELD_UINT8: LOAD(uint8_t, SCALE, ZERO)     \
    case GS_HELD_INT16: LOAD(int16_t, SCALE, ZERO)     \
    case GS_HELD_UINT16: LOAD(uint16_t, SCALE, ZERO)   \
    case GS_HELD_INT32: LOAD(int32_t, SCALE, ZERO)     \
  }

DISPATCHED void gs_dequantize(const void *values, gs_integer type, size_t count, float scale, int32_t zero,
                              float *restrict out) {
  LOAD_ANY(scale, zero)
}

DISPATCHED void gs_dequantize_each(const void *values, gs_integer type, size_t count, const float *scales,
                                   const int32_t *zeros, float *restrict out) {
  LOAD_ANY(scales[i], zeros[i])
}

DISPATCHED void gs_dequantize_blocks(const uint8_t *packed, int bits, size_t count, size_t block,
                                     const float *scales, const float *zeros, float *out, size_t stride) {
  for (size_t first = 0, index = 0; first < count; first += block, index++) {
    const float scale = scales[index], zero = zeros[index];
    const uint8_t *bytes = packed + index * (bits == 4 ? block / 2 : block);
    const size_t end = first + block < count ? block : count - first;
    for (size_t l = 0; l < end; l++) {
      int integer = bits == 8 ? bytes[l] : l % 2 ? bytes[l / 2] >> 4 : bytes[l / 2] & 15;
      out[(first + l) * stride] = ((float)integer - zero) * scale;
    }
  }
}
