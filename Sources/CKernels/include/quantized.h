#pragma once
#include <stddef.h>
#include <stdint.h>

// From numbers to integers on a grid and back. Rounding is to the nearest, halves to even.

/// How quantized integers are stored.
typedef enum { GS_HELD_INT8, GS_HELD_UINT8, GS_HELD_INT16, GS_HELD_UINT16, GS_HELD_INT32 } gs_integer;

/// A grid: integers between `low` and `high`, `zero` standing for 0.
typedef struct {
  gs_integer type;
  int32_t low, high;
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

/// The same with a scale for each sum, and no bias.
void gs_requantize_each(const int32_t *sums, size_t count, const float *scales, int32_t zero, gs_grid grid,
                        void *out);

/// Unpacks rows of a matrix of 4-bit (or 8-bit) integers, without a sign, in blocks of `block` that share
/// a scale and a zero: out[l * stride] = (integer - zero) * scale.
void gs_dequantize_blocks(const uint8_t *packed, int bits, size_t count, size_t block, const float *scales,
                          const float *zeros, float *out, size_t stride);
