#include "dispatch.h"
#include "reduction.h"
#include "reduction_lanes.h"

INLINED float larger(float v, float best) { return v > best ? v : best; }

typedef float vector __attribute__((vector_size(4 * LANES)));
typedef int32_t vector_mask __attribute__((vector_size(4 * LANES)));

INLINED float largest_of(const float *in, size_t count) {
  vector best = (vector){0} + in[0];
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    vector v;
    memcpy(&v, in + i, sizeof v);
    vector_mask above = v > best;
    best = (vector)(((vector_mask)v & above) | ((vector_mask)best & ~above));
  }
  float lanes[LANES];
  memcpy(lanes, &best, sizeof lanes);
  for (; i < count; i++) lanes[0] = larger(in[i], lanes[0]);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lanes[j] = larger(lanes[j + width], lanes[j]);
  return lanes[0];
}

// e^x for x <= 0: the bits of `exponential`, with fewer operations. The rounder leaves an exponent's bits at the bottom
// of the sum, so that one shift makes the power of two; 65 more than wanted: never subnormal, and ties round as they did.
INLINED float falling_exponential(float x) {
  const float rounder = 0x1.8p23f + (127.0f + 65.0f);
  float shifted = x * 0x1.715476p+0f + rounder;
  float n = shifted - rounder;
  float r = (x - n * 0x1.62ep-1f) - n * 0x1.0bfbe8p-15f;
  float q = 0x1.6a2352p-10f;
  q = q * r + 0x1.123a6cp-7f;
  q = q * r + 0x1.5558f4p-5f;
  q = q * r + 0x1.555490p-3f;
  q = q * r + 0x1.fffffcp-2f;
  uint32_t bits;
  memcpy(&bits, &shifted, 4);
  bits <<= 23;
  float power;
  memcpy(&power, &bits, 4);
  float result = (q * (r * r) + r + 1.0f) * power * 0x1p-65f;
  return x < -104.0f ? 0.0f : result;
}

// Stores the exponentials unless only their sum is wanted.
INLINED double row_exponentials(const float *in, size_t count, float largest, int stores, float *out) {
  double total[LANES] = {0};
  size_t i = 0;
  while (i < count) {
    float block[LANES] = {0};
    size_t end = i + BLOCK < count ? i + BLOCK : count;
    for (; i + LANES <= end; i += LANES) {
      float e[LANES];
      for (int j = 0; j < LANES; j++) e[j] = falling_exponential(in[i + j] - largest);
      for (int j = 0; j < LANES; j++) block[j] += e[j];
      if (stores)
        for (int j = 0; j < LANES; j++) out[i + j] = e[j];
    }
    for (int j = 0; i < end; i++, j++) {
      float e = falling_exponential(in[i] - largest);
      block[j] += e;
      if (stores) out[i] = e;
    }
    for (int j = 0; j < LANES; j++) total[j] += block[j];
  }
  return fold_lanes(total);
}

DISPATCHED void gs_softmax_rows(const float *in, size_t rows, size_t count, int32_t logarithm, float *out) {
  for (size_t r = 0; r < rows; r++, in += count, out += count) {
    float largest = largest_of(in, count);
    if (logarithm) {
      float shift = (float)log(row_exponentials(in, count, largest, 0, out));
      INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = (in[i] - largest) - shift;
    } else {
      float factor = (float)(1 / row_exponentials(in, count, largest, 1, out));
      for (size_t i = 0; i < count; i++) out[i] *= factor;
    }
  }
}

INLINED void softmax_tile(const float *in, size_t rows, size_t stride, size_t width, int logarithm, float *out) {
  float largest[TILE], factor[TILE];
  double total[TILE] = {0};
  for (size_t j = 0; j < width; j++) largest[j] = in[j];
  for (size_t r = 1; r < rows; r++)
    for (size_t j = 0; j < width; j++) largest[j] = larger(in[r * stride + j], largest[j]);
  for (size_t r = 0; r < rows;) {
    float block[TILE] = {0};
    size_t end = r + TILE_ROWS < rows ? r + TILE_ROWS : rows;
    for (; r < end; r++)
      INDEPENDENT for (size_t j = 0; j < width; j++) {
        float e = falling_exponential(in[r * stride + j] - largest[j]);
        block[j] += e;
        if (!logarithm) out[r * stride + j] = e;
      }
    for (size_t j = 0; j < width; j++) total[j] += block[j];
  }
  for (size_t j = 0; j < width; j++) factor[j] = (float)(logarithm ? log(total[j]) : 1 / total[j]);
  for (size_t r = 0; r < rows; r++)
    INDEPENDENT for (size_t j = 0; j < width; j++) {
      size_t i = r * stride + j;
      if (logarithm)
        out[i] = (in[i] - largest[j]) - factor[j];
      else
        out[i] *= factor[j];
    }
}

DISPATCHED void gs_softmax_columns(const float *in, size_t rows, size_t stride, size_t columns, int32_t logarithm,
                                   float *out) {
  size_t c = 0;
  for (; c + TILE <= columns; c += TILE) {
    if (logarithm)
      softmax_tile(in + c, rows, stride, TILE, 1, out + c);
    else
      softmax_tile(in + c, rows, stride, TILE, 0, out + c);
  }
  if (c < columns) softmax_tile(in + c, rows, stride, columns - c, logarithm, out + c);
}
