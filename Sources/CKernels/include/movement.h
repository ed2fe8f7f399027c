#pragma once
#include <stddef.h>
#include <stdint.h>

// Moving elements about, whatever they mean. Widths are 1, 2, 4, 8 or 16 bytes.

/// Most axes with more than one element; more don't fit into an address space.
enum { GS_MOST_AXES = 64 };

/// For every index of `extents`: out[index . out_strides] = in[index . in_strides]. Strides count
/// elements; those of `in` may be 0 or negative, those of `out` must keep its elements apart. At most
/// GS_MOST_AXES extents are larger than one.
void gs_move(const void *in, const intptr_t *in_strides, void *out, const intptr_t *out_strides,
             const intptr_t *extents, size_t rank, size_t width);

/// out[j * out_stride + i * width] = in[i * in_stride + j * width], strides in bytes.
void gs_transpose_strided(const void *in, intptr_t in_stride, void *out, intptr_t out_stride, size_t rows,
                          size_t columns, size_t width);

/// Copies `rows` runs of `run` bytes; each begins the strides' bytes after the one before.
void gs_move_rows(const void *in, intptr_t in_stride, void *out, intptr_t out_stride, size_t rows, size_t run);

/// Copies the runs of `run` bytes that `rows` picks, one after the other.
void gs_gather_rows(const void *in, const int64_t *rows, size_t count, size_t run, void *out);

/// Writes one element `count` times.
void gs_fill(void *out, const void *element, size_t width, size_t count);

/// One axis of padding, in elements: `before` and `after` to fill, `count` taken over from the input,
/// at steps of `in_stride` there and `out_stride` in the result, whose own length is `out_stride`
/// times before + count + after.
typedef struct {
  size_t before, count, after, in_stride, out_stride;
} gs_pad_axis;

/// Surrounds a box of elements with `element`. The last axis has strides of 1.
void gs_pad(const void *in, void *out, const gs_pad_axis *axes, size_t rank, const void *element, size_t width);

/// A key and the place it comes from.
typedef struct {
  uint64_t key, place;
} gs_pair;

/// Sorts pairs by ascending key, equal keys in their order. `scratch` has room for as many.
void gs_sort_pairs(gs_pair *pairs, gs_pair *scratch, size_t count);

/// Place of the first of the greatest (least) values of each of `inner` columns of `count` rows, or of
/// the last of them. A value that isn't a number is passed over.
void gs_place_of_extreme(const float *values, size_t count, size_t inner, int least, int last, int64_t *places);

/// Running sums down each of `inner` columns of `count` rows. They are summed up in double precision;
/// `sums` has room for `inner` of them.
void gs_running_sum(const float *values, size_t count, size_t inner, int exclusive, int reverse, double *sums,
                    float *out);
