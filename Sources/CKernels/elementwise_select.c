#include "elementwise.h"
#include "dispatch.h"

#define SELECT(NAME, TYPE)                                                                           \
  DISPATCHED static void NAME(size_t rows, size_t count, gs_operand c, gs_operand a, gs_operand b, TYPE *out) { \
    for (size_t r = 0; r < rows; r++, out += count) {                                                \
      const uint8_t *cs = (const uint8_t *)c.base + (ptrdiff_t)r * c.row;                            \
      const TYPE *as = (const TYPE *)a.base + (ptrdiff_t)r * a.row;                                  \
      const TYPE *bs = (const TYPE *)b.base + (ptrdiff_t)r * b.row;                                  \
      if (!c.column) {                                                                               \
        const TYPE *from = *cs ? as : bs;                                                            \
        if (*cs ? a.column : b.column)                                                               \
          for (size_t i = 0; i < count; i++) out[i] = from[i];                                       \
        else                                                                                         \
          for (size_t i = 0; i < count; i++) out[i] = *from;                                         \
      } else if (a.column && b.column) {                                                             \
        for (size_t i = 0; i < count; i++) out[i] = cs[i] ? as[i] : bs[i];                           \
      } else if (a.column) {                                                                         \
        const TYPE other = *bs;                                                                      \
        for (size_t i = 0; i < count; i++) out[i] = cs[i] ? as[i] : other;                           \
      } else if (b.column) {                                                                         \
        const TYPE other = *as;                                                                      \
        for (size_t i = 0; i < count; i++) out[i] = cs[i] ? other : bs[i];                           \
      } else {                                                                                       \
        const TYPE yes = *as, no = *bs;                                                              \
        for (size_t i = 0; i < count; i++) out[i] = cs[i] ? yes : no;                                \
      }                                                                                              \
    }                                                                                                \
  }

typedef struct { uint64_t low, high; } wide;
SELECT(select8, uint8_t)
SELECT(select16, uint16_t)
SELECT(select32, uint32_t)
SELECT(select64, uint64_t)
SELECT(select128, wide)

void gs_select(size_t width, size_t rows, size_t count, gs_operand condition, gs_operand a, gs_operand b, void *out) {
  switch (width) {
    case 1: select8(rows, count, condition, a, b, out); break;
    case 2: select16(rows, count, condition, a, b, out); break;
    case 4: select32(rows, count, condition, a, b, out); break;
    case 8: select64(rows, count, condition, a, b, out); break;
    default: select128(rows, count, condition, a, b, out); break;
  }
}
