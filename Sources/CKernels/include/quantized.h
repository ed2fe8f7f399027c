#pragma once
#include <stddef.h>
#include <stdint.h>

// From numbers to integers on a grid and back. Rounding is as the grid says, else to the nearest, halves to even.

/// How quantized integers are stored.
typedef enum { GS_HELD_INT8, GS_HELD_UINT8, GS_HELD_INT16, GS_HELD_UINT16, GS_HELD_INT32 } gs_integer;

/// How numbers get to a grid: to the nearest integer, halves to even, or as MindSpore Lite's kernels do, which take
/// scales of sums for fixed-point numbers and round twice (gemmlowp), and round halves of a number away from 0.
typedef enum { GS_ROUND_EVEN, GS_ROUND_FIXED_POINT } gs_rounding;

/// A grid: integers between `low` and `high`, `zero` standing for 0. In fixed point scales of sums are divided by
/// `step`, the distance of its numbers, in double precision as there; with the other rounding it has no meaning.
typedef struct {
  gs_integer type;
  int32_t low, high;
  gs_rounding rounding;
  float step;
} gs_grid;

/// out[i] = clamp(round(values[i] / scale) + zero); what is not a number becomes the lowest integer.
void gs_quantize_even(const float *values, size_t count, float scale, int32_t zero, gs_grid grid, void *out);

/// The same with a scale and a zero for each value.
void gs_quantize_even_each(const float *values, size_t count, const float *scales, const int32_t *zeros,
                           gs_grid grid, void *out);

/// out[i] = (values[i] - zero) * scale.
void gs_dequantize(const void *values, gs_integer type, size_t count, float scale, int32_t zero, float *out);

/// The same with a scale and a zero for each value.
void gs_dequantize_each(const void *values, gs_integer type, size_t count, const float *scales,
                        const int32_t *zeros, float *out);

/// out[i] = clamp(round((sums[i] + bias) * scale) + zero), in 8-bit integers.
void gs_requantize(const int32_t *sums, size_t count, int32_t bias, float scale, int32_t zero, gs_grid grid,
                   void *out);

/// The same with a bias and a scale for each sum.
void gs_requantize_each(const int32_t *sums, size_t count, const int32_t *biases, const float *scales,
                        int32_t zero, gs_grid grid, void *out);

/// The same for sums that are integers in float32, below 2^24; without biases where there are none.
void gs_requantize_sums(const float *sums, size_t count, const int32_t *biases, const float *scales,
                        int32_t zero, gs_grid grid, void *out);

/// sums[i] = (sums[i] + biases[i]) * scales[i] + terms[i], in place; sums are integers in float32, below 2^24.
void gs_scale_sums(float *sums, size_t count, const int32_t *biases, const float *scales, const float *terms);

/// out[i] = clamp(round(left * a[i] + (right * b[i] + fixed))) of 8-bit integers, both of the grid's type; each
/// multiplication rounds with the addition behind it.
void gs_add_integers(const void *a, const void *b, size_t count, float left, float right, float fixed,
                     gs_grid grid, void *out);

/// Unpacks rows of a matrix of 4-bit (or 8-bit) integers, without a sign, in blocks of `block` that share
/// a scale and a zero: out[l * stride] = (integer - zero) * scale.
void gs_dequantize_blocks(const uint8_t *packed, int bits, size_t count, size_t block, const float *scales,
                          const float *zeros, float *out, size_t stride);
