#pragma once
#include <stddef.h>
#include <stdint.h>

// Reductions, softmax and normalization of float32 values. "Rows" means that a row's `count` values
// follow one another and each row gives one result; "columns" that rows of `columns` values lie
// `stride` apart and each column gives one result.
//
// Sums have 16 lanes (rows) or one accumulator for each column; terms of a block are added in float32,
// blocks in double. Results don't depend on how the work is cut by rows or columns.

enum gs_reduction {
  GS_REDUCE_SUM,
  GS_REDUCE_SUM_MAGNITUDES,
  GS_REDUCE_SUM_SQUARES,
  GS_REDUCE_PRODUCT,
  GS_REDUCE_MAXIMUM,
  GS_REDUCE_MINIMUM,
  GS_REDUCE_LOG_SUM_EXP,
};

/// out[r] = reduction of row r. NaN anywhere gives NaN.
void gs_reduce_rows(int32_t reduction, const float *in, size_t rows, size_t count, float *out);

/// out[c] = reduction of column c.
void gs_reduce_columns(int32_t reduction, const float *in, size_t rows, size_t stride, size_t columns, float *out);

/// Sums of value - center, or of its square, in double; a center for each row or column.
void gs_row_sums(const float *in, size_t rows, size_t count, double *sums);
void gs_row_squares(const float *in, size_t rows, size_t count, const float *centers, double *sums);
void gs_column_sums(const float *in, size_t rows, size_t stride, size_t columns, double *sums);
void gs_column_squares(const float *in, size_t rows, size_t stride, size_t columns, const float *centers,
                       double *sums);

/// exp(value - largest) / sum over each row or column, or the logarithm of that. `out` may be `in`.
void gs_softmax_rows(const float *in, size_t rows, size_t count, int32_t logarithm, float *out);
void gs_softmax_columns(const float *in, size_t rows, size_t stride, size_t columns, int32_t logarithm, float *out);

/// out = value * scale + shift, product and sum rounded once each. "Planes": plane p of `count`
/// values has scales[p] and shifts[p]. "Pixels": value c of each pixel has scales[c] and shifts[c]; pixels lie
/// `stride` apart.
void gs_scale_planes(const float *in, size_t planes, size_t count, const float *scales, const float *shifts,
                     float *out);
void gs_scale_pixels(const float *in, size_t pixels, size_t stride, size_t channels, const float *scales,
                     const float *shifts, float *out);

/// out = (value - center) * scale + shift, in the same two forms.
void gs_center_planes(const float *in, size_t planes, size_t count, const float *centers, const float *scales,
                      const float *shifts, float *out);
void gs_center_pixels(const float *in, size_t pixels, size_t stride, size_t channels, const float *centers,
                      const float *scales, const float *shifts, float *out);

/// Layer normalization of each row: (value - mean) / sqrt(variance + epsilon) * scale + bias; without
/// centering, root-mean-square normalization. `bias`, `means` and `inverses` may be null. Row r reads scale
/// and bias from r times their step.
void gs_normalize_rows(const float *in, size_t rows, size_t count, int32_t centering, float epsilon,
                       const float *scale, size_t scale_step, const float *bias, size_t bias_step, float *out,
                       float *means, float *inverses);

/// out = value / (bias + alpha * sum of squares of the channels from `before` before to `after`
/// after it)^beta. `squares` has room for channels + before + after values. Planes of channels lie `stride` apart.
void gs_response_pixels(const float *in, size_t pixels, size_t channels, size_t before, size_t after, float alpha,
                        float beta, float bias, float *squares, float *out);
void gs_response_planes(const float *in, size_t channels, size_t stride, size_t count, size_t before, size_t after,
                        float alpha, float beta, float bias, float *out);
