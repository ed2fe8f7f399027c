#include "movement.h"

// Blocks of one vector's length squared are transposed by interleaving: each of log2(lanes) rounds
// interleaves the rows of the upper half with those of the lower one. Blocks are taken in an order that
// uses every cache line of the input up before it is evicted.

typedef uint8_t u8 __attribute__((aligned(1), may_alias));
typedef uint16_t u16 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef struct { u64 low, high; } u128;

typedef uint8_t vector8 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint16_t vector16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint32_t vector32 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t vector64 __attribute__((vector_size(16), aligned(1), may_alias));

#define LOW8(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH8(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define LOW16(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH16(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define LOW32(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH32(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define LOW64(a, b) __builtin_shufflevector(a, b, 0, 2)
#define HIGH64(a, b) __builtin_shufflevector(a, b, 1, 3)

enum { ROWS_AT_ONCE = 128, LINE = 64 };

#define BLOCK(NAME, VECTOR, LANES, LOW, HIGH)                                                      \
  static inline __attribute__((always_inline)) void NAME(const char *in, intptr_t in_stride, char *out,   \
                                                         intptr_t out_stride) {                    \
    VECTOR rows[LANES], mixed[LANES];                                                              \
    for (int k = 0; k < LANES; k++) rows[k] = *(const VECTOR *)(in + k * in_stride);               \
    _Pragma("unroll") for (int round = 1; round < LANES; round *= 2) {                             \
      _Pragma("unroll") for (int k = 0; k < LANES / 2; k++) {                                      \
        mixed[2 * k] = LOW(rows[k], rows[k + LANES / 2]);                                          \
        mixed[2 * k + 1] = HIGH(rows[k], rows[k + LANES / 2]);                                     \
      }                                                                                            \
      _Pragma("unroll") for (int k = 0; k < LANES; k++) rows[k] = mixed[k];                        \
    }                                                                                              \
    for (int k = 0; k < LANES; k++) *(VECTOR *)(out + k * out_stride) = rows[k];                   \
  }

BLOCK(block8, vector8, 16, LOW8, HIGH8)
BLOCK(block16, vector16, 8, LOW16, HIGH16)
BLOCK(block32, vector32, 4, LOW32, HIGH32)
BLOCK(block64, vector64, 2, LOW64, HIGH64)

static inline __attribute__((always_inline)) void block128(const char *in, intptr_t in_stride, char *out,
                                                           intptr_t out_stride) {
  (void)in_stride, (void)out_stride;
  *(u128 *)out = *(const u128 *)in;
}

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

#define TRANSPOSE(NAME, TYPE, LANES, BLOCK)                                                                \
  static void NAME##_edge(const char *in, intptr_t in_stride, char *out, intptr_t out_stride, size_t rows, \
                          size_t columns) {                                                                \
    for (size_t j = 0; j < columns; j++)                                                                   \
      for (size_t i = 0; i < rows; i++)                                                                    \
        ((TYPE *)(out + (intptr_t)j * out_stride))[i] = ((const TYPE *)(in + (intptr_t)i * in_stride))[j]; \
  }                                                                                                        \
  static void NAME(const char *in, intptr_t in_stride, char *out, intptr_t out_stride, size_t rows,        \
                   size_t columns) {                                                                       \
    enum { WIDTH = sizeof(TYPE), COLUMNS = LINE / WIDTH };                                                 \
    const size_t whole_rows = rows - rows % LANES, whole_columns = columns - columns % LANES;              \
    for (size_t top = 0; top < whole_rows; top += ROWS_AT_ONCE) {                                          \
      size_t bottom = smaller(top + ROWS_AT_ONCE, whole_rows);                                             \
      for (size_t left = 0; left < whole_columns; left += COLUMNS) {                                       \
        size_t right = smaller(left + COLUMNS, whole_columns);                                             \
        for (size_t i = top; i < bottom; i += LANES)                                                       \
          for (size_t j = left; j < right; j += LANES)                                                     \
            BLOCK(in + (intptr_t)i * in_stride + j * WIDTH, in_stride,                                     \
                  out + (intptr_t)j * out_stride + i * WIDTH, out_stride);                                 \
      }                                                                                                    \
    }                                                                                                      \
    if (whole_columns < columns)                                                                           \
      NAME##_edge(in + whole_columns * WIDTH, in_stride, out + (intptr_t)whole_columns * out_stride,       \
                  out_stride, whole_rows, columns - whole_columns);                                        \
    if (whole_rows < rows)                                                                                 \
      NAME##_edge(in + (intptr_t)whole_rows * in_stride, in_stride, out + whole_rows * WIDTH, out_stride,  \
                  rows - whole_rows, columns);                                                             \
  }

TRANSPOSE(transpose8, u8, 16, block8)
TRANSPOSE(transpose16, u16, 8, block16)
TRANSPOSE(transpose32, u32, 4, block32)
TRANSPOSE(transpose64, u64, 2, block64)
TRANSPOSE(transpose128, u128, 1, block128)

void gs_transpose_strided(const void *in, intptr_t in_stride, void *out, intptr_t out_stride, size_t rows,
                          size_t columns, size_t width) {
  switch (width) {
    case 1: transpose8(in, in_stride, out, out_stride, rows, columns); break;
    case 2: transpose16(in, in_stride, out, out_stride, rows, columns); break;
    case 4: transpose32(in, in_stride, out, out_stride, rows, columns); break;
    case 8: transpose64(in, in_stride, out, out_stride, rows, columns); break;
    default: transpose128(in, in_stride, out, out_stride, rows, columns); break;
  }
}
