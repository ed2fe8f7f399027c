#include "recurrent.h"
#include "dispatch.h"

#include "elementwise_math.h"

#include <math.h>
#include <string.h>

static void activate(gs_activation activation, float *values, size_t count) {
  gs_apply(activation.function, values, count, activation.p, activation.q, values);
}

INLINE void clip(float bound, float *values, size_t count) {
  if (isinf(bound)) return;
  for (size_t i = 0; i < count; i++) values[i] = at_most(at_least(values[i], -bound), bound);
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
