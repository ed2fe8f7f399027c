#pragma once
#include "elementwise.h"

#include <stddef.h>
#include <stdint.h>

// Matrix products for small matrices, and the cells of recurrent networks.
//
// Each element of a product is a sum in order of k, cut into blocks of GS_PRODUCT_BLOCK terms whose
// sums are added in turn: no other blocking changes a bit of the result.

enum { GS_PRODUCT_BLOCK = 256, GS_PANEL = 16 };

/// c[i * c_row + j] = sum over l of a[i * a_row + l * a_column] * b[l * b_row + j * b_column], or that
/// added to what is there when `accumulate` is not 0.
void gs_matmul_small(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                     const float *b, size_t b_row, size_t b_column, float *c, size_t c_row, int accumulate);

/// How many floats gs_pack_panels writes.
size_t gs_packed_count(size_t k, size_t n);

/// Puts b[l * b_row + j * b_column] into panels of GS_PANEL columns, row by row, the last one filled
/// up with zeros.
void gs_pack_panels(size_t k, size_t n, const float *b, size_t b_row, size_t b_column, float *packed);

/// gs_matmul_small with a right side that gs_pack_panels arranged.
void gs_matmul_packed(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                      const float *packed, float *c, size_t c_row, int accumulate);

/// gs_matmul_small of integers, which float32 holds: as long as no factor is larger than 255, the sums
/// are exact. They wrap like 32-bit integers.
void gs_matmul_exact(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                     const float *b, size_t b_row, size_t b_column, int32_t *c, size_t c_row);

/// A function and its settings, as gs_apply takes them.
typedef struct {
  gs_function function;
  float p, q;
} gs_activation;

/// What is the same in every step of an LSTM: f, g, h of the formulas; a bound of the functions'
/// arguments, infinite for none; three peephole weights of `size` floats each (input, output, forget),
/// or null; whether the forget gate is 1 - input.
typedef struct {
  size_t size;
  gs_activation gate, update, output;
  float clip;
  const float *peepholes;
  int couples_forget;
} gs_lstm;

/// One step of one sequence: `gates` are the sums for input, output, forget and update gates, and are
/// overwritten; the cell state is updated in place.
void gs_lstm_step(const gs_lstm *lstm, float *gates, float *cell, float *hidden);

/// What is the same in every step of a GRU.
typedef struct {
  size_t size;
  gs_activation gate, update;
  float clip;
} gs_gru;

/// The gates of a step: update and reset, each of `size` floats, in place.
void gs_gru_gates(const gs_gru *gru, float *gates);

/// Ends the step: hidden = (1 - update) * g(candidate) + update * hidden; the candidate is overwritten.
void gs_gru_step(const gs_gru *gru, const float *update, float *candidate, float *hidden);

/// out[i] = a[i] * b[i].
void gs_multiply(const float *a, const float *b, size_t count, float *out);

/// out[i] += a[i] * b[i].
void gs_multiply_add(const float *a, const float *b, size_t count, float *out);
