#include "resampling.h"
#include "dispatch.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

// Rows of single elements: the taps of neighbouring results are gathered.
INLINE void gather_row(const float *restrict in, gs_samples s, size_t taps, float *restrict out) {
  for (size_t j = 0; j < s.count; j++) {
    float sum = in[s.index[j]] * s.weight[j];
    for (size_t k = 1; k < taps; k++) sum += in[s.index[k * s.count + j]] * s.weight[k * s.count + j];
    out[j] = sum;
  }
}

INLINE void blend2(const float *restrict a, const float *restrict b, float u, float v, size_t count,
                   float *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] = a[i] * u + b[i] * v;
}

INLINE void blend4(const float *const *rows, const float *w, size_t count, float *restrict out) {
  const float *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  const float s = w[0], t = w[1], u = w[2], v = w[3];
  for (size_t i = 0; i < count; i++) out[i] = a[i] * s + b[i] * t + c[i] * u + d[i] * v;
}

INLINE void scale_row(const float *restrict in, float w, size_t count, float *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] = in[i] * w;
}

INLINE void add_scaled(const float *restrict in, float w, size_t count, float *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] += in[i] * w;
}

// The weighted sum of `s.taps` runs of `count` elements; run k of result j starts at
// base + (index % modulus) * count.
INLINE void blend(const float *base, gs_samples s, size_t j, size_t modulus, size_t count, float *out) {
  const float *runs[4];
  float w[4];
  if (s.taps <= 4)
    for (size_t k = 0; k < s.taps; k++) {
      size_t index = (size_t)s.index[k * s.count + j];
      runs[k] = base + (modulus ? index % modulus : index) * count;
      w[k] = s.weight[k * s.count + j];
    }
  if (s.taps == 2) {
    blend2(runs[0], runs[1], w[0], w[1], count, out);
  } else if (s.taps == 4) {
    blend4(runs, w, count, out);
  } else {
    int is_first = 1;
    for (size_t k = 0; k < s.taps; k++) {
      float weight = s.weight[k * s.count + j];
      if (weight == 0) continue;
      size_t index = (size_t)s.index[k * s.count + j];
      const float *run = base + (modulus ? index % modulus : index) * count;
      if (is_first) scale_row(run, weight, count, out);
      else add_scaled(run, weight, count, out);
      is_first = 0;
    }
    if (is_first) memset(out, 0, count * sizeof(float));
  }
}

DISPATCHED void gs_resample_row(const float *in, size_t inner, gs_samples columns, float *out) {
  if (inner == 1) {
    switch (columns.taps) {
      case 1: gather_row(in, columns, 1, out); break;
      case 2: gather_row(in, columns, 2, out); break;
      case 4: gather_row(in, columns, 4, out); break;
      default: gather_row(in, columns, columns.taps, out); break;
    }
    return;
  }
  for (size_t j = 0; j < columns.count; j++) blend(in, columns, j, 0, inner, out + j * inner);
}

DISPATCHED static void blend_rows(const float *base, gs_samples rows, size_t y, size_t modulus, size_t count,
                                  float *out) {
  blend(base, rows, y, modulus, count, out);
}

void gs_resample_plane(const float *in, size_t in_width, size_t inner, gs_samples rows, gs_samples columns,
                       size_t first, size_t last, float *scratch, int64_t *cached, float *out) {
  const size_t in_row = in_width * inner, out_row = columns.count * inner;
  if (rows.taps == 1) {
    for (size_t y = first; y < last; y++)
      gs_resample_row(in + (size_t)rows.index[y] * in_row, inner, columns, out + y * out_row);
    return;
  }
  // A source row's place is its number modulo the taps.
  for (size_t k = 0; k < rows.taps; k++) cached[k] = -1;
  for (size_t y = first; y < last; y++) {
    for (size_t k = 0; k < rows.taps; k++) {
      if (rows.weight[k * rows.count + y] == 0 && rows.taps > 4) continue;
      size_t r = (size_t)rows.index[k * rows.count + y], place = r % rows.taps;
      if (cached[place] == (int64_t)r) continue;
      gs_resample_row(in + r * in_row, inner, columns, scratch + place * out_row);
      cached[place] = (int64_t)r;
    }
    blend_rows(scratch, rows, y, rows.taps, out_row, out + y * out_row);
  }
}

#define PICK(NAME, TYPE)                                                                                    \
  DISPATCHED static void NAME(const TYPE *restrict in, const int32_t *restrict index, size_t count,          \
                              TYPE *restrict out) {                                                          \
    for (size_t j = 0; j < count; j++) out[j] = in[index[j]];                                                \
  }

PICK(pick8, uint8_t)
PICK(pick16, uint16_t)
PICK(pick32, uint32_t)
PICK(pick64, uint64_t)

static void pick_row(const char *in, size_t width, const int32_t *index, size_t count, char *out) {
  switch (width) {
    case 1: pick8((const uint8_t *)in, index, count, (uint8_t *)out); break;
    case 2: pick16((const uint16_t *)in, index, count, (uint16_t *)out); break;
    case 4: pick32((const uint32_t *)in, index, count, (uint32_t *)out); break;
    case 8: pick64((const uint64_t *)in, index, count, (uint64_t *)out); break;
    default:
      for (size_t j = 0; j < count; j++) memcpy(out + j * width, in + (size_t)index[j] * width, width);
  }
}

void gs_pick_plane(const void *in, size_t in_width, size_t width, const int32_t *rows, const int32_t *columns,
                   size_t out_width, size_t first, size_t last, void *out) {
  const size_t out_row = out_width * width;
  for (size_t y = first; y < last; y++) {
    char *target = (char *)out + y * out_row;
    if (y > first && rows[y] == rows[y - 1]) memcpy(target, target - out_row, out_row);
    else pick_row((const char *)in + (size_t)rows[y] * in_width * width, width, columns, out_width, target);
  }
}
