#include "dispatch.h"
#include "recurrent.h"

#include <string.h>

// A block of the left side that stays in the second-level cache while all panels pass by it.
enum { ROWS_AT_ONCE = 96, PACKS_FROM = 8 };

typedef float lanes __attribute__((vector_size(4 * GS_PANEL)));

// How a block's sums are stored.
typedef enum { STORES, ADDS, ADDS_INTEGERS } ending;

static inline __attribute__((always_inline)) void finish(ending how, const lanes *sum, size_t columns, void *out) {
  float values[GS_PANEL];
  memcpy(values, sum, sizeof values);
  if (how == ADDS_INTEGERS) {
    uint32_t *integers = out;
    for (size_t j = 0; j < columns; j++) integers[j] += (uint32_t)(int32_t)values[j];
    return;
  }
  float *floats = out;
  if (columns == GS_PANEL) {
    lanes total = {0};
    if (how == ADDS) memcpy(&total, floats, sizeof total);
    total = how == ADDS ? total + *sum : *sum;
    memcpy(floats, &total, sizeof total);
    return;
  }
  for (size_t j = 0; j < columns; j++) floats[j] = how == ADDS ? floats[j] + values[j] : values[j];
}

// R rows by P panels of 16 columns; all sums stay in registers.
#define KERNEL(R, P)                                                                                      \
  static inline __attribute__((always_inline)) void kernel##R##x##P(                                      \
      size_t k, const float *a, size_t a_row, size_t a_column, const float *b, size_t b_row,              \
      size_t b_panel, size_t columns, ending how, char *c, size_t c_row) {                                \
    lanes sum[R][P] = {0};                                                                                \
    for (size_t l = 0; l < k; l++) {                                                                      \
      lanes right[P];                                                                                     \
      _Pragma("clang loop unroll(full)") for (int p = 0; p < P; p++)                                      \
        memcpy(&right[p], b + l * b_row + (size_t)p * b_panel, sizeof(lanes));                            \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < R; r++) {                                    \
        float left = a[(size_t)r * a_row + l * a_column];                                                 \
        _Pragma("clang loop unroll(full)") for (int p = 0; p < P; p++) sum[r][p] += left * right[p];      \
      }                                                                                                   \
    }                                                                                                     \
    for (size_t r = 0; r < R; r++)                                                                        \
      for (size_t p = 0; p < P; p++)                                                                      \
        finish(how, &sum[r][p], P == 1 ? columns : GS_PANEL, c + 4 * (r * c_row + p * GS_PANEL));         \
  }

KERNEL(6, 1)
KERNEL(4, 1)
KERNEL(2, 1)
KERNEL(1, 1)
KERNEL(1, 4)

// All rows against one panel of at most 16 columns.
static inline __attribute__((always_inline)) void panel_product(size_t m, size_t k, const float *a, size_t a_row,
                                                               size_t a_column, const float *b, size_t b_row,
                                                               size_t columns, ending how, char *c,
                                                               size_t c_row) {
  size_t i = 0;
#define ROWS(R)                                                                                        \
  for (; i + R <= m; i += R)                                                                           \
    kernel##R##x1(k, a + i * a_row, a_row, a_column, b, b_row, 0, columns, how, c + 4 * i * c_row, c_row);
  ROWS(6)
  ROWS(4)
  ROWS(2)
  ROWS(1)
#undef ROWS
}

static inline __attribute__((always_inline)) void pack(size_t k, size_t columns, const float *b, size_t b_row,
                                                      size_t b_column, float *packed) {
  if (columns == GS_PANEL && b_column == 1) {
    for (size_t l = 0; l < k; l++) memcpy(packed + l * GS_PANEL, b + l * b_row, 4 * GS_PANEL);
    return;
  }
  if (columns < GS_PANEL) memset(packed, 0, 4 * k * GS_PANEL);
  for (size_t j = 0; j < columns; j++)
    for (size_t l = 0; l < k; l++) packed[l * GS_PANEL + j] = b[l * b_row + j * b_column];
}

// One block of k against columns that lie in panels `b_panel` apart, `b_row` from row to row.
static inline __attribute__((always_inline)) void block_product(size_t m, size_t n, size_t k, const float *a,
                                                               size_t a_row, size_t a_column, const float *b,
                                                               size_t b_row, size_t b_panel, ending how, char *c,
                                                               size_t c_row) {
  size_t j = 0;
  if (m == 1)
    for (; j + 4 * GS_PANEL <= n; j += 4 * GS_PANEL)
      kernel1x4(k, a, a_row, a_column, b + j / GS_PANEL * b_panel, b_row, b_panel, GS_PANEL, how, c + 4 * j, c_row);
  for (; j < n; j += GS_PANEL) {
    size_t columns = j + GS_PANEL < n ? GS_PANEL : n - j;
    panel_product(m, k, a, a_row, a_column, b + j / GS_PANEL * b_panel, b_row, columns, how, c + 4 * j, c_row);
  }
}

static inline __attribute__((always_inline)) void product(size_t m, size_t n, size_t k, const float *a, size_t a_row,
                                                         size_t a_column, const float *b, size_t b_row,
                                                         size_t b_column, ending how, char *c, size_t c_row) {
  float panel[GS_PRODUCT_BLOCK * GS_PANEL];
  const int is_direct = b_column == 1 && m < PACKS_FROM;
  const size_t direct = is_direct ? n / GS_PANEL * GS_PANEL : 0;
  for (size_t l = 0; l < k; l += GS_PRODUCT_BLOCK) {
    const size_t depth = l + GS_PRODUCT_BLOCK < k ? GS_PRODUCT_BLOCK : k - l;
    const ending last = how == STORES && l > 0 ? ADDS : how;
    const float *left = a + l * a_column, *right = b + l * b_row;
    block_product(m, direct, depth, left, a_row, a_column, right, b_row, GS_PANEL, last, c, c_row);
    for (size_t j = direct; j < n; j += GS_PANEL) {
      size_t columns = j + GS_PANEL < n ? GS_PANEL : n - j;
      pack(depth, columns, right + j * b_column, b_row, b_column, panel);
      panel_product(m, depth, left, a_row, a_column, panel, GS_PANEL, columns, last, c + 4 * j, c_row);
    }
  }
}

static inline __attribute__((always_inline)) void clear(size_t m, size_t n, void *out, size_t row) {
  for (size_t i = 0; i < m; i++) memset((char *)out + 4 * i * row, 0, 4 * n);
}

DISPATCHED void gs_matmul_small(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                                const float *b, size_t b_row, size_t b_column, float *c, size_t c_row,
                                int accumulate) {
  if (k == 0 && !accumulate) clear(m, n, c, c_row);
  for (size_t i = 0; i < m; i += ROWS_AT_ONCE) {
    size_t rows = i + ROWS_AT_ONCE < m ? ROWS_AT_ONCE : m - i;
    product(rows, n, k, a + i * a_row, a_row, a_column, b, b_row, b_column, accumulate ? ADDS : STORES,
            (char *)(c + i * c_row), c_row);
  }
}

DISPATCHED void gs_matmul_exact(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                                const float *b, size_t b_row, size_t b_column, int32_t *c, size_t c_row) {
  clear(m, n, c, c_row);
  for (size_t i = 0; i < m; i += ROWS_AT_ONCE) {
    size_t rows = i + ROWS_AT_ONCE < m ? ROWS_AT_ONCE : m - i;
    product(rows, n, k, a + i * a_row, a_row, a_column, b, b_row, b_column, ADDS_INTEGERS, (char *)(c + i * c_row),
            c_row);
  }
}

size_t gs_packed_count(size_t k, size_t n) { return (n + GS_PANEL - 1) / GS_PANEL * GS_PANEL * k; }

DISPATCHED void gs_pack_panels(size_t k, size_t n, const float *b, size_t b_row, size_t b_column, float *packed) {
  for (size_t j = 0; j < n; j += GS_PANEL) {
    size_t columns = j + GS_PANEL < n ? GS_PANEL : n - j;
    pack(k, columns, b + j * b_column, b_row, b_column, packed + j * k);
  }
}

DISPATCHED void gs_matmul_packed(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_column,
                                 const float *packed, float *c, size_t c_row, int accumulate) {
  if (k == 0 && !accumulate) clear(m, n, c, c_row);
  for (size_t i = 0; i < m; i += ROWS_AT_ONCE) {
    size_t rows = i + ROWS_AT_ONCE < m ? ROWS_AT_ONCE : m - i;
    for (size_t l = 0; l < k; l += GS_PRODUCT_BLOCK) {
      size_t depth = l + GS_PRODUCT_BLOCK < k ? GS_PRODUCT_BLOCK : k - l;
      block_product(rows, n, depth, a + i * a_row + l * a_column, a_row, a_column, packed + l * GS_PANEL, GS_PANEL,
                    k * GS_PANEL, l > 0 || accumulate ? ADDS : STORES, (char *)(c + i * c_row), c_row);
    }
  }
}
