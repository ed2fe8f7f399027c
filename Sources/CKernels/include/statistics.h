#pragma once
#include <stddef.h>
#include <stdint.h>

// Distributions of float32 values. Values that are not finite are counted and otherwise left out.
//
// The key of a value is the 32-bit integer that sorts as the value does: its bits, the lower 31 of them
// inverted where the sign is set. +0 has key 0, -0 has key -1.

/// What values span. `low` and `high` are keys of finite values; low > high where there is none.
typedef struct {
  int32_t low, high;
  uint64_t zeros, not_numbers, infinities;
} gs_extent;

enum { GS_SIDE_BINS = 2048, GS_LEAST_EXPONENT = -116 };

/// Widens `extent` by `count` values.
void gs_scan_extent(const float *values, size_t count, gs_extent *extent);

/// Scans values as `gs_scan_extent` does, and adds the finite ones' sum: eight neighbours at a time
/// in float32, those sums in float64.
void gs_scan_extent_and_sum(const float *values, size_t count, gs_extent *extent, double *sum);

/// Widens `extent` and adds the values other than 0 to a histogram over (-2^exponent, 2^exponent), with
/// w = 2^exponent / GS_SIDE_BINS: counts[GS_SIDE_BINS + i] for values from i w to below (i + 1) w, and
/// counts[GS_SIDE_BINS - 1 - i] for values from -i w down to above -(i + 1) w. Where a value is beyond, pairs of
/// bins are merged until it is not. Gives the new exponent.
int32_t gs_add_to_histogram(const float *values, size_t count, gs_extent *extent, int32_t exponent,
                            uint64_t *counts);

/// Merges each 2^doublings neighbouring bins of a histogram, beginning at 0.
void gs_merge_bins(uint64_t *counts, int32_t doublings);

/// Gathers the keys from lows[r] to highs[r], of finite values other than 0, into outs[r], in order, for two
/// ranges r. Both outs have room for one key more than there are.
void gs_gather_keys(const float *values, size_t count, const int32_t lows[2], const int32_t highs[2],
                    int32_t *const outs[2]);

/// The key that has `rank` < count smaller or equal ones before it among `count` > 0 keys from low to high.
int32_t gs_select_key(const int32_t *keys, size_t count, int32_t low, int32_t high, size_t rank);

/// Widens the ranges of the channels of [outer, channels, inner] values.
void gs_channel_ranges(const float *values, size_t outer, size_t channels, size_t inner, float *lows, float *highs);

/// Adds up the values of each channel, and their squares unless `squares` is null.
void gs_channel_sums(const float *values, size_t outer, size_t channels, size_t inner, double *sums,
                     double *squares);

/// Sum of the squared differences from `center`.
double gs_spread(const float *values, size_t count, double center);

/// Sums of a*b, a*a and b*b. Values that are not finite spread to the sums.
void gs_pair_sums(const float *a, const float *b, size_t count, double *products, double *squares_a,
                  double *squares_b);

/// How many finite values lie outside low..high.
size_t gs_count_outside(const float *values, size_t count, float low, float high);

/// A table of 4 rows of count + 1 numbers: masses of bins, and their running sums: of the masses, of the number
/// of bins that hold something, and of mass * ln(mass). Fills rows 1 to 3 from row 0.
void gs_sum_bins(double *table, size_t count);

/// Kullback-Leibler divergence, in nats, of P from Q, for a table that `gs_sum_bins` filled. P is the bins from
/// first to below last with the mass outside added to the first and last of them; Q is those bins without that
/// mass, merged into `levels` <= last - first groups of equal width, a bin cut by a border counting by its
/// parts, each group then spread evenly over its bins that hold something. Both are normalized. Infinite where
/// mass from outside goes to an empty bin. `scratch` has room for 7 * (levels + 1) numbers.
double gs_divergence(const double *table, size_t count, size_t first, size_t last, size_t levels, double *scratch);

/// Expected squared error, in squared steps, of rounding values to the integers 0..most, values beyond going to
/// `most`. counts[i] values are spread evenly from i * width to (i + 1) * width, those of the last bin up to
/// `end`; width and end are in steps. `scratch` has room for `bins` numbers.
double gs_histogram_error(const double *counts, size_t bins, double width, double end, double most, double *scratch);
