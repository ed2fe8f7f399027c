#include "movement.h"
#include "dispatch.h"

#include <string.h>

enum { MOST_AXES = 16, BLOCK = 16 };

typedef struct {
  size_t rank;
  int64_t shape[MOST_AXES], out[MOST_AXES], in[MOST_AXES];
} arrangement;

static arrangement merged(size_t rank, const int64_t *shape, const int64_t *out, const int64_t *in) {
  arrangement a = {0};
  for (size_t i = 0; i < rank; i++) {
    if (shape[i] == 1) continue;
    size_t last = a.rank;
    if (last > 0 && a.out[last - 1] == out[i] * shape[i] && a.in[last - 1] == in[i] * shape[i]) {
      a.shape[last - 1] *= shape[i];
      a.out[last - 1] = out[i];
      a.in[last - 1] = in[i];
    } else {
      a.shape[last] = shape[i];
      a.out[last] = out[i];
      a.in[last] = in[i];
      a.rank++;
    }
  }
  return a;
}

#define ROW(NAME, TYPE)                                                                               \
  DISPATCHED static void NAME(TYPE *out, const TYPE *in, int64_t count, int64_t step_out, int64_t step_in) { \
    if (step_out == 1 && step_in == 0) {                                                              \
      TYPE value = in[0];                                                                             \
      for (int64_t i = 0; i < count; i++) out[i] = value;                                             \
    } else if (step_out == 1) {                                                                       \
      for (int64_t i = 0; i < count; i++) out[i] = in[i * step_in];                                   \
    } else {                                                                                          \
      for (int64_t i = 0; i < count; i++) out[i * step_out] = in[i * step_in];                        \
    }                                                                                                 \
  }

#define PLANE(NAME, TYPE)                                                                             \
  DISPATCHED static void NAME(TYPE *out, const TYPE *in, int64_t rows, int64_t columns, int64_t row_out, \
                              int64_t column_in) {                                                    \
    for (int64_t r = 0; r < rows; r += BLOCK) {                                                       \
      int64_t row_end = r + BLOCK < rows ? r + BLOCK : rows;                                          \
      for (int64_t c = 0; c < columns; c += BLOCK) {                                                  \
        int64_t column_end = c + BLOCK < columns ? c + BLOCK : columns;                               \
        for (int64_t i = r; i < row_end; i++)                                                         \
          for (int64_t j = c; j < column_end; j++) out[i * row_out + j] = in[j * column_in + i];      \
      }                                                                                               \
    }                                                                                                 \
  }

typedef struct { uint64_t low, high; } wide;
ROW(row8, uint8_t)
ROW(row16, uint16_t)
ROW(row32, uint32_t)
ROW(row64, uint64_t)
ROW(row128, wide)
PLANE(plane8, uint8_t)
PLANE(plane16, uint16_t)
PLANE(plane32, uint32_t)
PLANE(plane64, uint64_t)
PLANE(plane128, wide)

static void copy_row(char *out, const char *in, int64_t count, int64_t step_out, int64_t step_in, size_t width) {
  if (step_out == 1 && step_in == 1) {
    memcpy(out, in, (size_t)count * width);
    return;
  }
  switch (width) {
    case 1: row8((uint8_t *)out, (const uint8_t *)in, count, step_out, step_in); break;
    case 2: row16((uint16_t *)out, (const uint16_t *)in, count, step_out, step_in); break;
    case 4: row32((uint32_t *)out, (const uint32_t *)in, count, step_out, step_in); break;
    case 8: row64((uint64_t *)out, (const uint64_t *)in, count, step_out, step_in); break;
    default: row128((wide *)out, (const wide *)in, count, step_out, step_in); break;
  }
}

static void copy_plane(char *out, const char *in, int64_t rows, int64_t columns, int64_t row_out,
                       int64_t column_in, size_t width) {
  switch (width) {
    case 1: plane8((uint8_t *)out, (const uint8_t *)in, rows, columns, row_out, column_in); break;
    case 2: plane16((uint16_t *)out, (const uint16_t *)in, rows, columns, row_out, column_in); break;
    case 4: plane32((uint32_t *)out, (const uint32_t *)in, rows, columns, row_out, column_in); break;
    case 8: plane64((uint64_t *)out, (const uint64_t *)in, rows, columns, row_out, column_in); break;
    default: plane128((wide *)out, (const wide *)in, rows, columns, row_out, column_in); break;
  }
}

void gs_copy_strided(void *out, const void *in, size_t rank, const int64_t *shape, const int64_t *out_strides,
                     const int64_t *in_strides, size_t width) {
  for (size_t i = 0; i < rank; i++)
    if (shape[i] <= 0) return;
  arrangement a = merged(rank, shape, out_strides, in_strides);
  if (a.rank == 0) {
    memcpy(out, in, width);
    return;
  }
  size_t last = a.rank - 1, other = last;
  // A transposition: the last axis runs on in the output, another one in the input.
  if (a.out[last] == 1 && a.in[last] != 1 && a.in[last] != 0)
    for (size_t i = 0; i < last; i++)
      if (a.in[i] == 1 && a.shape[i] > 1) other = i;
  int64_t index[MOST_AXES] = {0};
  int64_t at_out = 0, at_in = 0;
  for (;;) {
    char *to = (char *)out + at_out * (int64_t)width;
    const char *from = (const char *)in + at_in * (int64_t)width;
    if (other != last)
      copy_plane(to, from, a.shape[other], a.shape[last], a.out[other], a.in[last], width);
    else
      copy_row(to, from, a.shape[last], a.out[last], a.in[last], width);
    size_t axis = last;
    for (;;) {
      if (axis == 0) return;
      axis--;
      if (axis == other) continue;
      index[axis]++;
      at_out += a.out[axis];
      at_in += a.in[axis];
      if (index[axis] < a.shape[axis]) break;
      at_out -= a.out[axis] * a.shape[axis];
      at_in -= a.in[axis] * a.shape[axis];
      index[axis] = 0;
    }
  }
}

void gs_fill(void *out, size_t count, const void *element, size_t width) {
  if (count) copy_row(out, element, (int64_t)count, 1, 0, width);
}

void gs_gather_rows(void *out, const void *in, const int64_t *indices, size_t count, size_t row_bytes) {
  for (size_t i = 0; i < count; i++)
    memcpy((char *)out + i * row_bytes, (const char *)in + (size_t)indices[i] * row_bytes, row_bytes);
}
