#pragma once
#include <stddef.h>
#include <stdint.h>

/// Where the elements of one resampled axis come from: element j of `count` is the sum over `taps`
/// source positions k of weight[k * count + j] * source[index[k * count + j]].
typedef struct {
  const int32_t *index;
  const float *weight;
  size_t count;
  size_t taps;
} gs_samples;

/// Resamples one row whose positions hold `inner` neighbouring elements each.
void gs_resample_row(const float *in, size_t inner, gs_samples columns, float *out);

/// Resamples a plane with rows of `in_width` x `inner` elements: first the columns of every row that is read,
/// then the rows. Writes rows first to last of the result; `out` is its row 0. The
/// row indices of one result lie in a window of rows.taps. `scratch` has room for rows.taps rows of the
/// result, `cached` for as many numbers.
void gs_resample_plane(const float *in, size_t in_width, size_t inner, gs_samples rows, gs_samples columns,
                       size_t first, size_t last, float *scratch, int64_t *cached, float *out);

/// Copies the elements that nearest-neighbour resampling picks, each of `width` bytes: rows first to last
/// of a plane whose rows hold `in_width` positions.
void gs_pick_plane(const void *in, size_t in_width, size_t width, const int32_t *rows, const int32_t *columns,
                   size_t out_width, size_t first, size_t last, void *out);
