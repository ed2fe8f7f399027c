#pragma once
#include <stddef.h>
#include <stdint.h>

/// One spatial axis of a pooling: extents of input, output and window, and how windows lie.
typedef struct {
  ptrdiff_t in, out, window, stride, dilation, pad, pad_end;
} gs_pool_axis;

/// One line (along the last of three spatial axes) of a max or average pooling of a sample whose channels
/// lie together at each position. Max is -infinity where a window lies outside. Average divides by
/// the positions inside the input, or, counting padding, by those inside input and padding.
void gs_max_pool_line(const gs_pool_axis *axes, const float *in, ptrdiff_t channels, ptrdiff_t depth,
                      ptrdiff_t height, float *out);
void gs_average_pool_line(const gs_pool_axis *axes, const float *in, ptrdiff_t channels, ptrdiff_t depth,
                          ptrdiff_t height, int32_t counts_padding, float *out);
