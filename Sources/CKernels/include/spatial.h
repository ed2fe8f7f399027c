#pragma once
#include <stddef.h>
#include <stdint.h>

/// A window over up to three spatial axes; unused axes have extent 1. Padding elements are not read.
typedef struct {
  size_t input[3], output[3], kernel[3], stride[3], dilation[3];
  ptrdiff_t begin[3];
  /// Up to where, beyond the input's end, padding counts as an element for an average.
  size_t end[3];
} gs_window;

/// One sample with channels last: in [input..., channels], out [output..., channels], the largest
/// element of each window; -infinity for a window with no element.
void gs_max_pool(const gs_window *window, const float *in, size_t channels, float *out);

/// The same for averages: of the elements inside the input, or of the padding too.
void gs_average_pool(const gs_window *window, const float *in, size_t channels, int counts_padding, float *out);
