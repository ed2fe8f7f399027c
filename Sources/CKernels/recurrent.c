#include "recurrent.h"
#include "dispatch.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

INLINE float bounded(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// e^x for x in -87.3...88.3, the nearest of these bounds elsewhere: 2^n times a polynomial of the rest, with the
// coefficients of the Cephes library.
INLINE float exponential(float x) {
  const float rounder = 12582912.0f;
  x = bounded(x, -87.3f, 88.3f);
  float steps = x * 1.44269504f + rounder;
  int32_t power;
  memcpy(&power, &steps, 4);
  float n = steps - rounder;
  float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  float fraction = p * (r * r) + r + 1.0f;
  int32_t bits;
  memcpy(&bits, &fraction, 4);
  bits += (int32_t)((uint32_t)power << 23);
  memcpy(&fraction, &bits, 4);
  return fraction;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Near 0 an odd polynomial keeps the relative error small.
INLINE float hyperbolic_tangent(float x) {
  float magnitude = fabsf(x), square = x * x;
  float p = -5.70498872745e-3f;
  p = p * square + 2.06390887954e-2f;
  p = p * square + -5.37397155531e-2f;
  p = p * square + 1.33314422036e-1f;
  p = p * square + -3.33332819422e-1f;
  float near = p * square * x + x;
  float far = 1.0f - 2.0f / (exponential(2.0f * magnitude) + 1.0f);
  return magnitude < 0.625f ? near : copysignf(far, x);
}

#define EACH(EXPRESSION)                   \
  for (size_t i = 0; i < count; i++) {     \
    const float x = values[i];             \
    values[i] = (EXPRESSION);              \
  }                                        \
  break;

INLINE void activate(gs_activation function, float *restrict values, size_t count) {
  const float alpha = function.alpha, beta = function.beta;
  switch (function.kind) {
    case GS_CELL_SIGMOID: EACH(sigmoid(x))
    case GS_CELL_TANH: EACH(hyperbolic_tangent(x))
    case GS_CELL_RELU: EACH(x > 0 ? x : 0)
    case GS_CELL_AFFINE: EACH(alpha * x + beta)
    case GS_CELL_LEAKY_RELU: EACH(x >= 0 ? x : alpha * x)
    case GS_CELL_THRESHOLDED_RELU: EACH(x > alpha ? x : 0)
    case GS_CELL_SCALED_TANH: EACH(alpha * hyperbolic_tangent(beta * x))
    case GS_CELL_HARD_SIGMOID: EACH(bounded(alpha * x + beta, 0, 1))
    case GS_CELL_ELU: EACH(x >= 0 ? x : alpha * (exponential(x) - 1.0f))
    case GS_CELL_SOFTSIGN: EACH(x / (1.0f + fabsf(x)))
    case GS_CELL_SOFTPLUS:
      for (size_t i = 0; i < count; i++)
        values[i] = fmaxf(values[i], 0) + log1pf(exponential(-fabsf(values[i])));
      break;
  }
}

DISPATCHED void gs_activate(gs_activation function, float *values, size_t count) { activate(function, values, count); }

INLINE void clip(float bound, float *values, size_t count) {
  if (isinf(bound)) return;
  for (size_t i = 0; i < count; i++) values[i] = bounded(values[i], -bound, bound);
}

INLINE void multiply_add(const float *a, const float *b, size_t count, float *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] += a[i] * b[i];
}

DISPATCHED void gs_lstm_step(const gs_lstm *lstm, float *gates, float *cell, float *hidden) {
  const size_t size = lstm->size;
  float *input = gates, *output = gates + size, *forget = gates + 2 * size, *update = gates + 3 * size;
  if (lstm->peepholes) {
    multiply_add(lstm->peepholes, cell, size, input);
    multiply_add(lstm->peepholes + 2 * size, cell, size, forget);
  }
  clip(lstm->clip, input, size);
  activate(lstm->gate, input, size);
  if (lstm->couples_forget) {
    for (size_t i = 0; i < size; i++) forget[i] = 1.0f - input[i];
  } else {
    clip(lstm->clip, forget, size);
    activate(lstm->gate, forget, size);
  }
  clip(lstm->clip, update, size);
  activate(lstm->update, update, size);
  for (size_t i = 0; i < size; i++) cell[i] = forget[i] * cell[i] + input[i] * update[i];
  if (lstm->peepholes) multiply_add(lstm->peepholes + size, cell, size, output);
  clip(lstm->clip, output, size);
  activate(lstm->gate, output, size);
  memcpy(update, cell, 4 * size);
  activate(lstm->output, update, size);
  for (size_t i = 0; i < size; i++) hidden[i] = output[i] * update[i];
}

DISPATCHED void gs_gru_gates(const gs_gru *gru, float *gates) {
  clip(gru->clip, gates, 2 * gru->size);
  activate(gru->gate, gates, 2 * gru->size);
}

DISPATCHED void gs_gru_step(const gs_gru *gru, const float *update, float *candidate, float *hidden) {
  clip(gru->clip, candidate, gru->size);
  activate(gru->update, candidate, gru->size);
  for (size_t i = 0; i < gru->size; i++) hidden[i] = (1.0f - update[i]) * candidate[i] + update[i] * hidden[i];
}

DISPATCHED void gs_multiply(const float *a, const float *b, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) out[i] = a[i] * b[i];
}

DISPATCHED void gs_multiply_add(const float *a, const float *b, size_t count, float *out) {
  multiply_add(a, b, count, out);
}
