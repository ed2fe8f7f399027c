#include "CKernels.h"
#include "dispatch.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };
typedef float floats __attribute__((ext_vector_type(LANES)));
typedef int32_t integers32 __attribute__((ext_vector_type(LANES)));
typedef double doubles __attribute__((ext_vector_type(LANES)));

static const double ERROR_UNIT = 16777216.0;

DISPATCHED int gs_scan(const float *values, size_t count, float *largest) {
  uint32_t top = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, values + i, 4);
    bits &= 0x7fffffff;
    top = bits > top ? bits : top;
  }
  memcpy(largest, &top, 4);
  return top < 0x7f800000;
}

DISPATCHED void gs_range(const float *values, size_t count, float *minimum, float *maximum) {
  float low = values[0], high = values[0];
  floats lows = low, highs = high, v;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    memcpy(&v, values + i, sizeof v);
    lows = v < lows ? v : lows;
    highs = v > highs ? v : highs;
  }
  for (; i < count; i++) {
    low = values[i] < low ? values[i] : low;
    high = values[i] > high ? values[i] : high;
  }
  for (int j = 0; j < LANES; j++) {
    low = lows[j] < low ? lows[j] : low;
    high = highs[j] > high ? highs[j] : high;
  }
  *minimum = low;
  *maximum = high;
}

// 0.49999999999999994 is the largest double below one half: adding it and cutting rounds halves
// away from zero without rounding up values just below them.
static inline __attribute__((always_inline)) double round_half_away(double x) {
  return trunc(x + copysign(0.49999999999999994, x));
}

static inline __attribute__((always_inline)) double clamp(double x, double low, double high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

DISPATCHED void gs_quantize(const float *values, size_t count, double scale, double zero_point, int32_t lowest,
                            int32_t highest, int32_t *integers, int32_t *errors) {
  const double low = lowest, high = highest;
  if (errors == NULL) {
    for (size_t i = 0; i < count; i++)
      integers[i] = (int32_t)clamp(round_half_away(values[i] / scale + zero_point), low, high);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    double t = values[i] / scale + zero_point;
    double q = clamp(round_half_away(t), low, high);
    integers[i] = (int32_t)q;
    errors[i] = (int32_t)rint(clamp((q - t) * ERROR_UNIT, -127 * ERROR_UNIT, 127 * ERROR_UNIT));
  }
}

void gs_quantize_feedback(const float *values, size_t count, double scale, double zero_point, int32_t lowest,
                          int32_t highest, int32_t *integers) {
  double error = 0;
  for (size_t i = 0; i < count; i++) {
    double wanted = values[i] / scale + zero_point - 0.875 * error;
    double q = clamp(round_half_away(wanted), lowest, highest);
    integers[i] = (int32_t)q;
    error = clamp(q - wanted, -1, 1);
  }
}

static inline __attribute__((always_inline)) double sum_lanes(double *lanes) {
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lanes[j] += lanes[j + width];
  return lanes[0];
}

static inline __attribute__((always_inline)) double sum_vector(const doubles *vector) {
  double lanes[LANES];
  memcpy(lanes, vector, sizeof lanes);
  return sum_lanes(lanes);
}

// The nearest integer, counted from the zero point and kept on the grid, in float32: adding 1.5 * 2^23
// leaves no bits for a fraction.
static inline __attribute__((always_inline)) float on_grid(float t, float low, float high) {
  float c = t < low ? low : t;
  c = c > high ? high : c;
  return (c + 12582912.0f) - 12582912.0f;
}

// Terms of a block are added in float32, blocks in double.
enum { BLOCK = 64 * LANES };

DISPATCHED double gs_rounding_error(const float *values, size_t count, double scale, int32_t zero_point,
                                    int32_t lowest, int32_t highest) {
  const float inverse = (float)(1 / scale), low = (float)(lowest - zero_point), high = (float)(highest - zero_point);
  double total[LANES] = {0};
  size_t i = 0;
  while (i < count) {
    float block[LANES] = {0};
    size_t end = i + BLOCK < count ? i + BLOCK : count;
    for (; i + LANES <= end; i += LANES)
      for (int j = 0; j < LANES; j++) {
        float t = values[i + j] * inverse, e = t - on_grid(t, low, high);
        block[j] += e * e;
      }
    for (int j = 0; i < end; i++, j++) {
      float t = values[i] * inverse, e = t - on_grid(t, low, high);
      block[j] += e * e;
    }
    for (int j = 0; j < LANES; j++) total[j] += block[j];
  }
  return sum_lanes(total) * scale * scale;
}

DISPATCHED void gs_refit(const float *values, size_t count, double scale, int32_t zero_point, int32_t lowest,
                         int32_t highest, double *products, double *squares) {
  const float inverse = (float)(1 / scale), low = (float)(lowest - zero_point), high = (float)(highest - zero_point);
  double vp[LANES] = {0}, pp[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      double p = on_grid(values[i + j] * inverse, low, high);
      vp[j] += values[i + j] * p;
      pp[j] += p * p;
    }
  for (int j = 0; i < count; i++, j++) {
    double p = on_grid(values[i] * inverse, low, high);
    vp[j] += values[i] * p;
    pp[j] += p * p;
  }
  *products = sum_lanes(vp);
  *squares = sum_lanes(pp);
}

// Sums of integers of up to 17 bits and of their squares are exact in these many rounds of all lanes.
enum { EXACT = LANES << 13 };

DISPATCHED void gs_moments(const float *values, const int32_t *integers, size_t count, int32_t zero_point,
                           int64_t *sum_p, int64_t *sum_pp, double *sum_v, double *sum_vp, double *sum_vv) {
  int64_t p1 = 0, p2 = 0;
  doubles v1 = 0, vp = 0, v2 = 0;
  size_t i = 0;
  while (i + LANES <= count) {
    integers32 sums = 0;
    doubles squares = 0;
    for (size_t end = i + EXACT < count ? i + EXACT : count; i + LANES <= end; i += LANES) {
      integers32 whole;
      floats real;
      memcpy(&whole, integers + i, sizeof whole);
      memcpy(&real, values + i, sizeof real);
      whole -= zero_point;
      sums += whole;
      doubles p = __builtin_convertvector(whole, doubles), v = __builtin_convertvector(real, doubles);
      squares += p * p;
      v1 += v;
      vp += v * p;
      v2 += v * v;
    }
    for (int j = 0; j < LANES; j++) p1 += sums[j], p2 += (int64_t)squares[j];
  }
  for (int j = 0; i < count; i++, j++) {
    int64_t p = integers[i] - zero_point;
    double v = values[i];
    p1 += p;
    p2 += p * p;
    v1[j] += v;
    vp[j] += v * (double)p;
    v2[j] += v * v;
  }
  *sum_p = p1;
  *sum_pp = p2;
  *sum_v = sum_vector(&v1);
  *sum_vp = sum_vector(&vp);
  *sum_vv = sum_vector(&v2);
}

DISPATCHED void gs_weighted_sums(const float *values, const int32_t *integers, const int32_t *means, size_t count,
                                 int32_t zero_point, double *sum_mv, int64_t *sum_mp) {
  doubles mv = 0;
  int64_t mp = 0;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      mp += (int64_t)means[i + j] * (integers[i + j] - zero_point);
      mv[j] += (double)means[i + j] * values[i + j];
    }
  for (int j = 0; i < count; i++, j++) {
    mp += (int64_t)means[i] * (integers[i] - zero_point);
    mv[j] += (double)means[i] * values[i];
  }
  *sum_mv = sum_vector(&mv);
  *sum_mp = mp;
}

DISPATCHED void gs_widen_bfloat(const uint16_t *in, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = (uint32_t)in[i] << 16;
    memcpy(out + i, &bits, 4);
  }
}

// The exponent is moved by a multiplication with 2^112, which also makes subnormals exact.
DISPATCHED void gs_widen_half(const uint16_t *in, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) {
    uint32_t magnitude = (uint32_t)(in[i] & 0x7fff) << 13, sign = (uint32_t)(in[i] & 0x8000) << 16, bits;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 0x1p112f;
    memcpy(&bits, &value, 4);
    bits = (in[i] & 0x7c00) == 0x7c00 ? magnitude | 0x7f800000 : bits;
    bits |= sign;
    memcpy(out + i, &bits, 4);
  }
}

DISPATCHED void gs_store_int8(const int32_t *in, size_t count, int8_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = (int8_t)in[i];
}

DISPATCHED void gs_store_int16(const int32_t *in, size_t count, int16_t *out) {
  for (size_t i = 0; i < count; i++) out[i] = (int16_t)in[i];
}

void gs_pack_int4(const int8_t *in, size_t count, uint8_t *out) {
  for (size_t i = 0; i + 1 < count; i += 2) out[i / 2] = (uint8_t)((in[i] & 15) | (in[i + 1] & 15) << 4);
  if (count % 2) out[count / 2] = in[count - 1] & 15;
}
