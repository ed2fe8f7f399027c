#include "dispatch.h"
#include "reduction.h"
#include "reduction_lanes.h"

DISPATCHED void gs_scale_planes(const float *in, size_t planes, size_t count, const float *scales,
                                const float *shifts, float *out) {
  for (size_t p = 0; p < planes; p++, in += count, out += count) {
    const float scale = scales[p], shift = shifts[p];
    INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = in[i] * scale + shift;
  }
}

DISPATCHED void gs_scale_pixels(const float *in, size_t pixels, size_t stride, size_t channels, const float *scales,
                                const float *shifts, float *out) {
  for (size_t p = 0; p < pixels; p++, in += stride, out += stride)
    INDEPENDENT for (size_t c = 0; c < channels; c++) out[c] = in[c] * scales[c] + shifts[c];
}

DISPATCHED void gs_center_planes(const float *in, size_t planes, size_t count, const float *centers,
                                 const float *scales, const float *shifts, float *out) {
  for (size_t p = 0; p < planes; p++, in += count, out += count) {
    const float center = centers[p], scale = scales[p], shift = shifts[p];
    INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = (in[i] - center) * scale + shift;
  }
}

DISPATCHED void gs_center_pixels(const float *in, size_t pixels, size_t stride, size_t channels, const float *centers,
                                 const float *scales, const float *shifts, float *out) {
  for (size_t p = 0; p < pixels; p++, in += stride, out += stride)
    INDEPENDENT for (size_t c = 0; c < channels; c++) out[c] = (in[c] - centers[c]) * scales[c] + shifts[c];
}

// Sum of value - center (power 1) or of its square (power 2).
INLINED double row_moment(const float *in, size_t count, float center, int power) {
  double total[LANES] = {0};
  size_t i = 0;
  while (i < count) {
    float block[LANES] = {0};
    size_t end = i + BLOCK < count ? i + BLOCK : count;
    for (; i + LANES <= end; i += LANES)
      for (int j = 0; j < LANES; j++) {
        float d = in[i + j] - center;
        block[j] += power == 2 ? d * d : d;
      }
    for (int j = 0; i < end; i++, j++) {
      float d = in[i] - center;
      block[j] += power == 2 ? d * d : d;
    }
    for (int j = 0; j < LANES; j++) total[j] += block[j];
  }
  return fold_lanes(total);
}

DISPATCHED void gs_normalize_rows(const float *in, size_t rows, size_t count, int32_t centering, float epsilon,
                                  const float *scale, size_t scale_step, const float *bias, size_t bias_step,
                                  float *out, float *means, float *inverses) {
  for (size_t r = 0; r < rows; r++, in += count, out += count) {
    const float *s = scale + r * scale_step;
    float mean = centering ? (float)(row_moment(in, count, 0, 1) / (double)count) : 0;
    double variance = row_moment(in, count, mean, 2) / (double)count;
    float inverse = (float)(1 / sqrt(variance + epsilon));
    if (bias == NULL) {
      INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = (in[i] - mean) * inverse * s[i];
    } else {
      const float *b = bias + r * bias_step;
      INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = (in[i] - mean) * inverse * s[i] + b[i];
    }
    if (means != NULL) means[r] = mean;
    if (inverses != NULL) inverses[r] = inverse;
  }
}

// The processor's square root, which is exact to the last bit and sets no error number.
INLINED float square_root(float x) { return __builtin_elementwise_sqrt(x); }

// values[i] / bases[i]^beta; the exponents of the published networks without a call for each value.
INLINED void divide_by_powers(const float *values, const float *bases, size_t count, float beta, float *out) {
  if (beta == 0.75f) {
    for (size_t i = 0; i < count; i++) {
      float root = square_root(bases[i]);
      out[i] = values[i] / (root * square_root(root));
    }
  } else if (beta == 0.5f) {
    INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = values[i] / square_root(bases[i]);
  } else if (beta == 1.0f) {
    INDEPENDENT for (size_t i = 0; i < count; i++) out[i] = values[i] / bases[i];
  } else {
    for (size_t i = 0; i < count; i++) out[i] = values[i] / (float)pow(bases[i], beta);
  }
}

DISPATCHED void gs_response_pixels(const float *in, size_t pixels, size_t channels, size_t before, size_t after,
                                   float alpha, float beta, float bias, float *squares, float *out) {
  memset(squares, 0, before * sizeof(float));
  memset(squares + before + channels, 0, after * sizeof(float));
  for (size_t p = 0; p < pixels; p++, in += channels, out += channels) {
    for (size_t c = 0; c < channels; c++) squares[before + c] = in[c] * in[c];
    for (size_t t = 0; t < channels; t += TILE) {
      size_t width = channels - t < TILE ? channels - t : TILE;
      float bases[TILE] = {0};
      for (size_t k = 0; k <= before + after; k++)
        for (size_t c = 0; c < width; c++) bases[c] += squares[t + c + k];
      for (size_t c = 0; c < width; c++) bases[c] = bias + alpha * bases[c];
      divide_by_powers(in + t, bases, width, beta, out + t);
    }
  }
}

DISPATCHED void gs_response_planes(const float *in, size_t channels, size_t stride, size_t count, size_t before,
                                   size_t after, float alpha, float beta, float bias, float *out) {
  for (size_t t = 0; t < count; t += TILE) {
    size_t width = count - t < TILE ? count - t : TILE;
    for (size_t c = 0; c < channels; c++) {
      size_t first = c < before ? 0 : c - before;
      size_t end = channels - c <= after ? channels : c + after + 1;
      float bases[TILE] = {0};
      for (size_t k = first; k < end; k++)
        for (size_t i = 0; i < width; i++) bases[i] += in[k * stride + t + i] * in[k * stride + t + i];
      for (size_t i = 0; i < width; i++) bases[i] = bias + alpha * bases[i];
      divide_by_powers(in + c * stride + t, bases, width, beta, out + c * stride + t);
    }
  }
}
