#pragma once
#include <stddef.h>
#include <stdint.h>

// Hot loops over weights. Each has a slow obvious Swift counterpart in the tests.
//
// Results don't depend on the processor: sums have a fixed number of lanes, products and sums
// are never contracted, and rounding errors are integers in units of 2^-24 of a step.

/// Whether all of `count` float32 values are finite; their largest magnitude goes to `largest`.
int gs_scan(const float *values, size_t count, float *largest);

/// Smallest and largest of `count` > 0 finite values.
void gs_range(const float *values, size_t count, float *minimum, float *maximum);

/// Rounds to nearest, halves away from zero: integer = clamp(round(value / scale + zero_point)).
/// `errors`, unless null, gets integer - (value / scale + zero_point) in units of 2^-24, kept
/// within 127 steps.
void gs_quantize(const float *values, size_t count, double scale, double zero_point, int32_t lowest,
                 int32_t highest, int32_t *integers, int32_t *errors);

/// Rounds one after the other, taking seven eighths of each error off the next value: errors then
/// have little weight at low frequencies.
void gs_quantize_feedback(const float *values, size_t count, double scale, double zero_point, int32_t lowest,
                          int32_t highest, int32_t *integers);

/// Sum of squared errors of rounding `count` values to the grid, in units of the values. For grids of
/// at most 2^22 steps from the zero point.
double gs_rounding_error(const float *values, size_t count, double scale, int32_t zero_point, int32_t lowest,
                         int32_t highest);

/// With p the nearest integer on the grid, counted from the zero point: sums of value*p and p*p.
void gs_refit(const float *values, size_t count, double scale, int32_t zero_point, int32_t lowest, int32_t highest,
              double *products, double *squares);

/// Moves integers by one step so that their errors sum to within half a step of zero, the largest
/// errors first, the lower index first where equal; never outside lowest..highest.
/// `scratch` has room for `count` indices.
void gs_balance(int32_t *integers, int32_t *errors, size_t count, int32_t lowest, int32_t highest,
                uint32_t *scratch);

/// Moves integers by one step, always the one that helps most (the lowest index where equal), while
/// that lowers sum(e^2) + sum(m e)^2, with e the errors and m the means in sixty-fourths, |m| <= 4096.
void gs_balance_means(int32_t *integers, int32_t *errors, const int32_t *means, size_t count, int32_t lowest,
                      int32_t highest);

/// The greatest magnitude of a sum of neighbours: values 0 and 1, 2 and 3, and so on.
float gs_pair_peak(const float *values, size_t count);
/// The magnitudes of those sums that are above `bound`, in order, and how many they are.
size_t gs_pairs_above(const float *values, size_t count, float bound, float *magnitudes);
/// The sum of squares of what magnitudes are above `bound`.
double gs_excess_squares(const float *magnitudes, size_t count, float bound);
/// Takes from neighbours whose sum's magnitude is above `most` what is too much, half from each, the
/// odd one from the larger.
void gs_limit_pairs(int32_t *integers, size_t count, int32_t most);

/// Adds the expected mean and variance of a weighted sum over `kernel` positions of `channels` quantities;
/// `correlation` is that of two positions of a channel.
void gs_forecast_sum(const float *weights, size_t channels, size_t kernel, const double *means,
                     const double *variances, double correlation, double *mean, double *variance);

/// With p = integer - zero_point: sums of mean*value and mean*p.
void gs_weighted_sums(const float *values, const int32_t *integers, const int32_t *means, size_t count,
                      int32_t zero_point, double *sum_mv, int64_t *sum_mp);

/// With p = integer - zero_point: sums of p, p*p, value, value*p and value*value.
void gs_moments(const float *values, const int32_t *integers, size_t count, int32_t zero_point,
                int64_t *sum_p, int64_t *sum_pp, double *sum_v, double *sum_vp, double *sum_vv);

/// IEEE half precision and bfloat16 to float32.
void gs_widen_half(const uint16_t *in, size_t count, float *out);
void gs_widen_bfloat(const uint16_t *in, size_t count, float *out);

/// Stores integers in a narrower type. Two 4-bit integers share a byte, the first in the low half.
void gs_store_int8(const int32_t *in, size_t count, int8_t *out);
void gs_store_int16(const int32_t *in, size_t count, int16_t *out);
void gs_pack_int4(const int8_t *in, size_t count, uint8_t *out);

#include "elementwise.h"
#include "feedback.h"
#include "images.h"
#include "movement.h"
#include "quantized.h"
#include "recurrent.h"
#include "reduction.h"
#include "resampling.h"
#include "spatial.h"
#include "statistics.h"
#include "weight_codes.h"
