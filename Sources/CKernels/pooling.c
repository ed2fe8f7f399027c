#include "spatial.h"
#include "dispatch.h"

// The elements that a window at `position` covers along an axis: kernel indices from..to.
typedef struct { size_t from, to; ptrdiff_t first; } span;

static span covered(const gs_window *w, int axis, size_t position) {
  span s;
  s.first = (ptrdiff_t)(position * w->stride[axis]) - w->begin[axis];
  ptrdiff_t dilation = (ptrdiff_t)w->dilation[axis], extent = (ptrdiff_t)w->input[axis];
  ptrdiff_t from = s.first < 0 ? (-s.first + dilation - 1) / dilation : 0;
  ptrdiff_t to = extent <= s.first ? 0 : (extent - s.first + dilation - 1) / dilation;
  ptrdiff_t kernel = (ptrdiff_t)w->kernel[axis];
  to = to < kernel ? to : kernel;
  s.from = (size_t)(from < to ? from : to);
  s.to = (size_t)to;
  return s;
}

// How many of a window's positions lie before the end of the padding.
static size_t padded_count(const gs_window *w, int axis, size_t position) {
  ptrdiff_t first = (ptrdiff_t)(position * w->stride[axis]) - w->begin[axis];
  ptrdiff_t end = (ptrdiff_t)(w->input[axis] + w->end[axis]), dilation = (ptrdiff_t)w->dilation[axis];
  ptrdiff_t count = end <= first ? 0 : (end - first + dilation - 1) / dilation;
  return (size_t)(count < (ptrdiff_t)w->kernel[axis] ? count : (ptrdiff_t)w->kernel[axis]);
}

#define FOR_EACH_ELEMENT(BODY)                                                                         \
  for (size_t a = d.from; a < d.to; a++)                                                               \
    for (size_t b = h.from; b < h.to; b++)                                                             \
      for (size_t c = v.from; c < v.to; c++) {                                                         \
        size_t z = (size_t)(d.first + (ptrdiff_t)(a * w->dilation[0]));                                \
        size_t y = (size_t)(h.first + (ptrdiff_t)(b * w->dilation[1]));                                \
        size_t x = (size_t)(v.first + (ptrdiff_t)(c * w->dilation[2]));                                \
        const float *from = in + ((z * w->input[1] + y) * w->input[2] + x) * channels;                 \
        for (size_t i = 0; i < channels; i++) BODY;                                                    \
      }

DISPATCHED void gs_max_pool(const gs_window *w, const float *in, size_t channels, float *restrict out) {
  for (size_t i = 0; i < w->output[0]; i++)
    for (size_t j = 0; j < w->output[1]; j++)
      for (size_t k = 0; k < w->output[2]; k++) {
        span d = covered(w, 0, i), h = covered(w, 1, j), v = covered(w, 2, k);
        for (size_t c = 0; c < channels; c++) out[c] = -__builtin_inff();
        FOR_EACH_ELEMENT(out[i] = from[i] > out[i] || from[i] != from[i] ? from[i] : out[i])
        out += channels;
      }
}

DISPATCHED void gs_average_pool(const gs_window *w, const float *in, size_t channels, int counts_padding,
                                float *restrict out) {
  for (size_t i = 0; i < w->output[0]; i++)
    for (size_t j = 0; j < w->output[1]; j++)
      for (size_t k = 0; k < w->output[2]; k++) {
        span d = covered(w, 0, i), h = covered(w, 1, j), v = covered(w, 2, k);
        for (size_t c = 0; c < channels; c++) out[c] = 0;
        FOR_EACH_ELEMENT(out[i] += from[i])
        size_t count = (d.to - d.from) * (h.to - h.from) * (v.to - v.from);
        if (counts_padding) count = padded_count(w, 0, i) * padded_count(w, 1, j) * padded_count(w, 2, k);
        float divisor = (float)count;
        for (size_t c = 0; c < channels; c++) out[c] = out[c] / divisor;
        out += channels;
      }
}
