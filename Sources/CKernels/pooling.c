#include "dispatch.h"
#include "spatial.h"

#include <math.h>

#define INLINED static inline __attribute__((always_inline))

// Channels that stay in registers while a window is walked through.
enum { WIDE = 32, MIDDLE = 16, NARROW = 8 };

typedef struct { ptrdiff_t start, first, end; } span;

// The part of a window that lies inside the input: positions start + k * dilation for first <= k < end.
INLINED span window_at(gs_pool_axis axis, ptrdiff_t position) {
  span s;
  s.start = position * axis.stride - axis.pad;
  s.first = s.start < 0 ? (axis.dilation - 1 - s.start) / axis.dilation : 0;
  ptrdiff_t left = axis.in - s.start;
  s.end = left <= 0 ? 0 : (left + axis.dilation - 1) / axis.dilation;
  if (s.end > axis.window) s.end = axis.window;
  if (s.end < s.first) s.end = s.first;
  return s;
}

// How many positions of a window lie inside the input and its padding.
INLINED ptrdiff_t padded_extent(gs_pool_axis axis, ptrdiff_t position) {
  ptrdiff_t left = axis.in + axis.pad + axis.pad_end - position * axis.stride;
  ptrdiff_t count = (left + axis.dilation - 1) / axis.dilation;
  return count > axis.window ? axis.window : count;
}

#define AT(K, AXIS, SPAN) (((SPAN).start + (K) * axes[AXIS].dilation))

INLINED void maximum(const gs_pool_axis *axes, const span *w, const float *in, ptrdiff_t channels, int width,
                     float *out) {
  float best[WIDE];
  for (int j = 0; j < width; j++) best[j] = -INFINITY;
  for (ptrdiff_t d = w[0].first; d < w[0].end; d++)
    for (ptrdiff_t h = w[1].first; h < w[1].end; h++) {
      const float *line = in + (AT(d, 0, w[0]) * axes[1].in + AT(h, 1, w[1])) * axes[2].in * channels;
      for (ptrdiff_t k = w[2].first; k < w[2].end; k++) {
        const float *x = line + AT(k, 2, w[2]) * channels;
        for (int j = 0; j < width; j++) best[j] = x[j] > best[j] ? x[j] : best[j];
      }
    }
  for (int j = 0; j < width; j++) out[j] = best[j];
}

// Each line of the window is summed by itself first, which keeps rounding errors small.
INLINED void average(const gs_pool_axis *axes, const span *w, const float *in, ptrdiff_t channels, int width,
                     float divisor, float *out) {
  float total[WIDE] = {0};
  for (ptrdiff_t d = w[0].first; d < w[0].end; d++)
    for (ptrdiff_t h = w[1].first; h < w[1].end; h++) {
      const float *line = in + (AT(d, 0, w[0]) * axes[1].in + AT(h, 1, w[1])) * axes[2].in * channels;
      float sum[WIDE] = {0};
      for (ptrdiff_t k = w[2].first; k < w[2].end; k++) {
        const float *x = line + AT(k, 2, w[2]) * channels;
        for (int j = 0; j < width; j++) sum[j] += x[j];
      }
      for (int j = 0; j < width; j++) total[j] += sum[j];
    }
  for (int j = 0; j < width; j++) out[j] = total[j] / divisor;
}

DISPATCHED void gs_max_pool_line(const gs_pool_axis *axes, const float *in, ptrdiff_t channels, ptrdiff_t depth,
                                 ptrdiff_t height, float *out) {
  span w[3] = {window_at(axes[0], depth), window_at(axes[1], height)};
  for (ptrdiff_t x = 0; x < axes[2].out; x++, out += channels) {
    w[2] = window_at(axes[2], x);
    ptrdiff_t c = 0;
    for (; c + WIDE <= channels; c += WIDE) maximum(axes, w, in + c, channels, WIDE, out + c);
    for (; c + MIDDLE <= channels; c += MIDDLE) maximum(axes, w, in + c, channels, MIDDLE, out + c);
    for (; c + NARROW <= channels; c += NARROW) maximum(axes, w, in + c, channels, NARROW, out + c);
    for (; c < channels; c++) maximum(axes, w, in + c, channels, 1, out + c);
  }
}

DISPATCHED void gs_average_pool_line(const gs_pool_axis *axes, const float *in, ptrdiff_t channels, ptrdiff_t depth,
                                     ptrdiff_t height, int32_t counts_padding, float *out) {
  span w[3] = {window_at(axes[0], depth), window_at(axes[1], height)};
  for (ptrdiff_t x = 0; x < axes[2].out; x++, out += channels) {
    w[2] = window_at(axes[2], x);
    double count = 1;
    const ptrdiff_t position[3] = {depth, height, x};
    for (int a = 0; a < 3; a++)
      count *= (double)(counts_padding ? padded_extent(axes[a], position[a]) : w[a].end - w[a].first);
    float divisor = (float)count;
    ptrdiff_t c = 0;
    for (; c + WIDE <= channels; c += WIDE) average(axes, w, in + c, channels, WIDE, divisor, out + c);
    for (; c + MIDDLE <= channels; c += MIDDLE) average(axes, w, in + c, channels, MIDDLE, divisor, out + c);
    for (; c + NARROW <= channels; c += NARROW) average(axes, w, in + c, channels, NARROW, divisor, out + c);
    for (; c < channels; c++) average(axes, w, in + c, channels, 1, divisor, out + c);
  }
}
