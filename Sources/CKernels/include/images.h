#pragma once
#include <stddef.h>
#include <stdint.h>

// Pixels of 8 bits to float32 samples.

/// One channel of a resized row: out[x * out_stride] is the sum over t < taps of
/// weights[x * taps + t] * table[row[columns[x * taps + t] * row_stride]], in the order of t.
/// `table` says what each of the 256 values of a pixel is worth.
void gs_image_row(const uint8_t *row, size_t row_stride, const uint32_t *columns, const float *weights,
                     size_t taps, size_t width, const float *table, float *out, size_t out_stride);

/// out[i] is the sum over t < taps of weights[t] * rows[t][i], in the order of t; taps is at least 1.
void gs_image_blend(const float *const *rows, const float *weights, size_t taps, size_t count, float *out);

/// Grey of pixels of red, green and blue: (9798 r + 19235 g + 3735 b + 16384) / 32768.
void gs_image_gray(const uint8_t *pixels, size_t count, uint8_t *gray);
