#include "elementwise.h"
#include "dispatch.h"

#include <math.h>

typedef void (*binary)(size_t, size_t, gs_operand, gs_operand, void *);

// Rows of two operands, with loops of their own for the ways a row may repeat. The result may be
// the memory of an operand: element i of it needs only elements i.
#define ROWS(NAME, TYPE, RESULT, EXPRESSION)                                                         \
  DISPATCHED static void NAME(size_t rows, size_t count, gs_operand left, gs_operand right, void *to) { \
    for (size_t r = 0; r < rows; r++) {                                                              \
      const TYPE *as = (const TYPE *)left.base + (ptrdiff_t)r * left.row;                            \
      const TYPE *bs = (const TYPE *)right.base + (ptrdiff_t)r * right.row;                          \
      RESULT *out = (RESULT *)to + r * count;                                                        \
      if (left.column && right.column) {                                                             \
        _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {          \
          TYPE a = as[i], b = bs[i];                                                                 \
          out[i] = (RESULT)(EXPRESSION);                                                             \
        }                                                                                            \
      } else if (left.column) {                                                                      \
        TYPE b = *bs;                                                                                \
        _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {          \
          TYPE a = as[i];                                                                            \
          out[i] = (RESULT)(EXPRESSION);                                                             \
        }                                                                                            \
      } else {                                                                                       \
        TYPE a = *as;                                                                                \
        if (right.column) {                                                                          \
          _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < count; i++) {        \
            TYPE b = bs[i];                                                                          \
            out[i] = (RESULT)(EXPRESSION);                                                           \
          }                                                                                          \
        } else {                                                                                     \
          TYPE b = *bs;                                                                              \
          RESULT value = (RESULT)(EXPRESSION);                                                       \
          for (size_t i = 0; i < count; i++) out[i] = value;                                         \
        }                                                                                            \
      }                                                                                              \
    }                                                                                                \
  }

// The same for types and functions that are seldom hot.
#define PLAIN_ROWS(NAME, TYPE, RESULT, EXPRESSION)                                                   \
  static void NAME(size_t rows, size_t count, gs_operand left, gs_operand right, void *to) {         \
    for (size_t r = 0; r < rows; r++) {                                                              \
      const TYPE *as = (const TYPE *)left.base + (ptrdiff_t)r * left.row;                            \
      const TYPE *bs = (const TYPE *)right.base + (ptrdiff_t)r * right.row;                          \
      RESULT *out = (RESULT *)to + r * count;                                                        \
      for (size_t i = 0; i < count; i++) {                                                           \
        TYPE a = as[(ptrdiff_t)i * left.column], b = bs[(ptrdiff_t)i * right.column];                \
        out[i] = (RESULT)(EXPRESSION);                                                               \
      }                                                                                              \
    }                                                                                                \
  }

#define FLOATS(EACH, TYPE, FMOD, POW)                                                                \
  EACH(add_##TYPE, TYPE, TYPE, a + b)                                                                \
  EACH(subtract_##TYPE, TYPE, TYPE, a - b)                                                           \
  EACH(multiply_##TYPE, TYPE, TYPE, a *b)                                                            \
  EACH(divide_##TYPE, TYPE, TYPE, a / b)                                                             \
  EACH(minimum_##TYPE, TYPE, TYPE, a < b || a != a ? a : b)                                          \
  EACH(maximum_##TYPE, TYPE, TYPE, a > b || a != a ? a : b)                                          \
  PLAIN_ROWS(remainder_##TYPE, TYPE, TYPE, FMOD)                                                     \
  PLAIN_ROWS(power_##TYPE, TYPE, TYPE, POW)                                                          \
  EACH(prelu_##TYPE, TYPE, TYPE, a < 0 ? a * b : a)                                                  \
  static const binary combine_##TYPE[] = {                                                           \
      [GS_ADD] = add_##TYPE,         [GS_SUBTRACT] = subtract_##TYPE,   [GS_MULTIPLY] = multiply_##TYPE, \
      [GS_DIVIDE] = divide_##TYPE,   [GS_MINIMUM] = minimum_##TYPE,     [GS_MAXIMUM] = maximum_##TYPE, \
      [GS_MODULO] = remainder_##TYPE, [GS_REMAINDER] = remainder_##TYPE, [GS_POWER] = power_##TYPE,  \
      [GS_PRELU] = prelu_##TYPE,     [GS_SHIFT_RIGHT] = 0};

// Arithmetic goes through 64-bit unsigned numbers, which wrap.
#define INTEGERS(TYPE, IS_SIGNED)                                                                    \
  PLAIN_ROWS(add_##TYPE, TYPE, TYPE, (uint64_t)a + (uint64_t)b)                                      \
  PLAIN_ROWS(subtract_##TYPE, TYPE, TYPE, (uint64_t)a - (uint64_t)b)                                 \
  PLAIN_ROWS(multiply_##TYPE, TYPE, TYPE, (uint64_t)a *(uint64_t)b)                                  \
  PLAIN_ROWS(divide_##TYPE, TYPE, TYPE,                                                              \
       b == 0 ? 0 : IS_SIGNED && b == (TYPE)-1 ? (TYPE)(0 - (uint64_t)a) : (TYPE)(a / b))            \
  PLAIN_ROWS(minimum_##TYPE, TYPE, TYPE, a < b ? a : b)                                              \
  PLAIN_ROWS(maximum_##TYPE, TYPE, TYPE, a > b ? a : b)                                              \
  PLAIN_ROWS(remainder_##TYPE, TYPE, TYPE, b == 0 || (IS_SIGNED && b == (TYPE)-1) ? 0 : a % b)       \
  static inline TYPE modulo_of_##TYPE(TYPE a, TYPE b) {                                              \
    if (b == 0 || (IS_SIGNED && b == (TYPE)-1)) return 0;                                            \
    TYPE rest = (TYPE)(a % b);                                                                       \
    return IS_SIGNED && rest != 0 && (rest < 0) != (b < 0) ? (TYPE)(rest + b) : rest;                \
  }                                                                                                  \
  PLAIN_ROWS(modulo_##TYPE, TYPE, TYPE, modulo_of_##TYPE(a, b))                                      \
  PLAIN_ROWS(prelu_##TYPE, TYPE, TYPE, a < 0 ? (TYPE)((uint64_t)a * (uint64_t)b) : a)                \
  PLAIN_ROWS(bit_and_##TYPE, TYPE, TYPE, a &b)                                                       \
  PLAIN_ROWS(bit_or_##TYPE, TYPE, TYPE, a | b)                                                       \
  PLAIN_ROWS(bit_xor_##TYPE, TYPE, TYPE, a ^ b)                                                      \
  PLAIN_ROWS(shift_left_##TYPE, TYPE, TYPE, (uint64_t)b < sizeof(TYPE) * 8 ? (uint64_t)a << b : 0)   \
  PLAIN_ROWS(shift_right_##TYPE, TYPE, TYPE, (uint64_t)b < sizeof(TYPE) * 8 ? a >> b : 0)            \
  static const binary combine_##TYPE[] = {                                                           \
      [GS_ADD] = add_##TYPE,         [GS_SUBTRACT] = subtract_##TYPE,   [GS_MULTIPLY] = multiply_##TYPE, \
      [GS_DIVIDE] = divide_##TYPE,   [GS_MINIMUM] = minimum_##TYPE,     [GS_MAXIMUM] = maximum_##TYPE, \
      [GS_MODULO] = modulo_##TYPE,   [GS_REMAINDER] = remainder_##TYPE, [GS_PRELU] = prelu_##TYPE,   \
      [GS_BIT_AND] = bit_and_##TYPE, [GS_BIT_OR] = bit_or_##TYPE,       [GS_BIT_XOR] = bit_xor_##TYPE, \
      [GS_SHIFT_LEFT] = shift_left_##TYPE, [GS_SHIFT_RIGHT] = shift_right_##TYPE};

#define COMPARISONS(EACH, TYPE)                                                                      \
  EACH(equal_##TYPE, TYPE, uint8_t, a == b)                                                          \
  EACH(less_##TYPE, TYPE, uint8_t, a < b)                                                            \
  EACH(less_or_equal_##TYPE, TYPE, uint8_t, a <= b)                                                  \
  EACH(greater_##TYPE, TYPE, uint8_t, a > b)                                                         \
  EACH(greater_or_equal_##TYPE, TYPE, uint8_t, a >= b)                                               \
  static const binary compare_##TYPE[] = {[GS_EQUAL] = equal_##TYPE,                                 \
                                          [GS_LESS] = less_##TYPE,                                   \
                                          [GS_LESS_OR_EQUAL] = less_or_equal_##TYPE,                 \
                                          [GS_GREATER] = greater_##TYPE,                             \
                                          [GS_GREATER_OR_EQUAL] = greater_or_equal_##TYPE};

FLOATS(ROWS, float, (float)fmod(a, b), (float)pow(a, b))
FLOATS(PLAIN_ROWS, double, fmod(a, b), pow(a, b))
INTEGERS(int8_t, 1)
INTEGERS(int16_t, 1)
INTEGERS(int32_t, 1)
INTEGERS(int64_t, 1)
INTEGERS(uint8_t, 0)
INTEGERS(uint16_t, 0)
INTEGERS(uint32_t, 0)
INTEGERS(uint64_t, 0)
COMPARISONS(ROWS, float)
COMPARISONS(PLAIN_ROWS, double)
COMPARISONS(PLAIN_ROWS, int8_t)
COMPARISONS(PLAIN_ROWS, int16_t)
COMPARISONS(PLAIN_ROWS, int32_t)
COMPARISONS(PLAIN_ROWS, int64_t)
COMPARISONS(PLAIN_ROWS, uint8_t)
COMPARISONS(PLAIN_ROWS, uint16_t)
COMPARISONS(PLAIN_ROWS, uint32_t)
COMPARISONS(PLAIN_ROWS, uint64_t)

#define TABLE(PREFIX)                                                                                \
  {[GS_FLOAT32] = PREFIX##_float,    [GS_FLOAT64] = PREFIX##_double,   [GS_INT8] = PREFIX##_int8_t,  \
   [GS_INT16] = PREFIX##_int16_t,    [GS_INT32] = PREFIX##_int32_t,    [GS_INT64] = PREFIX##_int64_t, \
   [GS_UINT8] = PREFIX##_uint8_t,    [GS_UINT16] = PREFIX##_uint16_t,  [GS_UINT32] = PREFIX##_uint32_t, \
   [GS_UINT64] = PREFIX##_uint64_t}

static const binary *const combine[] = TABLE(combine);
static const binary *const compare[] = TABLE(compare);

void gs_combine(gs_binary op, gs_number type, size_t rows, size_t count, gs_operand a, gs_operand b, void *out) {
  combine[type][op](rows, count, a, b, out);
}

void gs_compare(gs_comparison op, gs_number type, size_t rows, size_t count, gs_operand a, gs_operand b,
                uint8_t *out) {
  compare[type][op](rows, count, a, b, out);
}
