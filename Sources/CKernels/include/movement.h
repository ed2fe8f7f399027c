#pragma once
#include <stddef.h>
#include <stdint.h>

/// Copies elements of `width` bytes between two strided arrangements: for every index within `shape`,
/// out[sum(index * out_strides)] = in[sum(index * in_strides)], strides in elements, any sign, 0 to
/// repeat an input. `rank` is at most 16. Axes that lie behind one another on both sides are merged,
/// runs are copied whole, and transpositions go in blocks.
void gs_copy_strided(void *out, const void *in, size_t rank, const int64_t *shape, const int64_t *out_strides,
                     const int64_t *in_strides, size_t width);

/// Writes one element of `width` bytes `count` times.
void gs_fill(void *out, size_t count, const void *element, size_t width);

/// out[i] = in[indices[i]] for rows of `row_bytes` bytes.
void gs_gather_rows(void *out, const void *in, const int64_t *indices, size_t count, size_t row_bytes);
