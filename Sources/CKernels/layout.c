#include "layout.h"
#include "dispatch.h"

// Blocks of 16 x 16 keep both sides in the first-level cache.
enum { BLOCK = 16 };

#define TRANSPOSE(NAME, TYPE)                                                                     \
  DISPATCHED static void NAME(const TYPE *in, size_t rows, size_t columns, TYPE *out) {            \
    for (size_t r = 0; r < rows; r += BLOCK) {                                                     \
      size_t row_end = r + BLOCK < rows ? r + BLOCK : rows;                                        \
      for (size_t c = 0; c < columns; c += BLOCK) {                                                \
        size_t column_end = c + BLOCK < columns ? c + BLOCK : columns;                             \
        for (size_t j = c; j < column_end; j++)                                                    \
          for (size_t i = r; i < row_end; i++) out[j * rows + i] = in[i * columns + j];            \
      }                                                                                            \
    }                                                                                              \
  }

typedef struct { uint64_t low, high; } wide;
TRANSPOSE(transpose8, uint8_t)
TRANSPOSE(transpose16, uint16_t)
TRANSPOSE(transpose32, uint32_t)
TRANSPOSE(transpose64, uint64_t)
TRANSPOSE(transpose128, wide)

void gs_transpose(const void *in, size_t rows, size_t columns, size_t width, void *out) {
  switch (width) {
    case 1: transpose8(in, rows, columns, out); break;
    case 2: transpose16(in, rows, columns, out); break;
    case 4: transpose32(in, rows, columns, out); break;
    case 8: transpose64(in, rows, columns, out); break;
    default: transpose128(in, rows, columns, out); break;
  }
}
