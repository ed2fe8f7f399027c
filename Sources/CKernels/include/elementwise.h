#pragma once
#include <stddef.h>
#include <stdint.h>

// Elementwise loops. An output may be the memory of an input of the same width.
// float32 functions are accurate to 2 units in the last place over the whole range and give the
// same bits on every processor.

/// Functions of one number; `p` and `q` are their settings.
typedef enum {
  GS_COPY,
  GS_NEGATE,
  GS_ABSOLUTE,
  GS_SIGN,
  GS_RECIPROCAL,
  GS_SQUARE,
  GS_CUBE,
  GS_SQUARE_ROOT,
  GS_POWER_HALF,       // x^0.5: square root, but +inf for -inf
  GS_POWER_MINUS_HALF,
  GS_EXP,
  GS_LOG,
  GS_FLOOR,
  GS_CEIL,
  GS_ROUND,
  GS_SIN,
  GS_COS,
  GS_TAN,
  GS_ASIN,
  GS_ACOS,
  GS_ATAN,
  GS_SINH,
  GS_COSH,
  GS_TANH,
  GS_ASINH,
  GS_ACOSH,
  GS_ATANH,
  GS_ERF,
  GS_RELU,             // x above 0, else 0, for NaN too: what oneDNN's vector code gives
  GS_LEAKY_RELU,       // p x below 0
  GS_ELU,              // p (e^x - 1) below 0
  GS_SELU,             // q x; q p (e^x - 1) below 0
  GS_CELU,             // p (e^(x/p) - 1) below 0
  GS_SIGMOID,
  GS_HARD_SIGMOID,     // p x + q within 0..1
  GS_HARD_SWISH,
  GS_SOFTPLUS,
  GS_SOFTSIGN,
  GS_THRESHOLDED_RELU, // x above p, else 0
  GS_SHRINK,           // x + q below -p, x - q above p, else 0
  GS_GELU,
  GS_GELU_TANH,
  GS_MISH,
  GS_SWISH,            // x sigmoid(p x)
  GS_AFFINE,           // p x + q
  GS_SCALED_TANH,      // p tanh(q x)
  GS_CLIP,             // within p..q, p for NaN; q where p > q
} gs_function;

/// out = function(in) for `count` float32 elements.
void gs_apply(gs_function function, const float *in, size_t count, float p, float q, float *out);
/// The same for float64.
void gs_apply_double(gs_function function, const double *in, size_t count, double p, double q, double *out);

/// How numbers lie in memory.
typedef enum {
  GS_FLOAT32,
  GS_FLOAT64,
  GS_INT8,
  GS_INT16,
  GS_INT32,
  GS_INT64,
  GS_UINT8,
  GS_UINT16,
  GS_UINT32,
  GS_UINT64,
} gs_number;

/// Functions of two numbers. Integers wrap; dividing them by 0 gives 0.
typedef enum {
  GS_ADD,
  GS_SUBTRACT,
  GS_MULTIPLY,
  GS_DIVIDE,
  GS_MINIMUM, // NaN if either is
  GS_MAXIMUM,
  GS_REMAINDER, // with the dividend's sign, as C's fmod
  GS_MODULO,    // with the divisor's sign; integers only
  GS_POWER,     // floating-point numbers only
  GS_PRELU,     // a, or a b where a < 0
  GS_BIT_AND,   // the rest for integers only
  GS_BIT_OR,
  GS_BIT_XOR,
  GS_SHIFT_LEFT, // 0 when shifted by the width or more
  GS_SHIFT_RIGHT,
} gs_binary;

/// Comparisons; results are bytes 0 or 1.
typedef enum {
  GS_EQUAL,
  GS_LESS,
  GS_LESS_OR_EQUAL,
  GS_GREATER,
  GS_GREATER_OR_EQUAL,
} gs_comparison;

/// An operand of rows: elements from one row to the next, and from one column to the next (1, or 0
/// for a row of equal elements).
typedef struct {
  const void *base;
  ptrdiff_t row;
  ptrdiff_t column;
} gs_operand;

/// out = a op b for `rows` rows of `count` elements; `out` is dense.
void gs_combine(gs_binary op, gs_number type, size_t rows, size_t count, gs_operand a, gs_operand b, void *out);
/// The same for comparisons.
void gs_compare(gs_comparison op, gs_number type, size_t rows, size_t count, gs_operand a, gs_operand b,
                uint8_t *out);
/// out = condition ? a : b for elements of 1, 2, 4, 8 or 16 bytes; `condition` is of bytes.
void gs_select(size_t width, size_t rows, size_t count, gs_operand condition, gs_operand a, gs_operand b, void *out);

/// Converts numbers: floating-point ones are cut towards zero, integers keep their low bits.
/// What doesn't fit becomes what x86 processors make of it.
void gs_cast(gs_number from, gs_number to, const void *in, size_t count, void *out);
/// 1 where an element isn't 0.
void gs_cast_truth(gs_number from, const void *in, size_t count, uint8_t *out);

/// float32 to IEEE half precision and bfloat16, ties to even.
void gs_narrow_half(const float *in, size_t count, uint16_t *out);
void gs_narrow_bfloat(const float *in, size_t count, uint16_t *out);

/// Elements of a tile: with a few buffers they fit the first-level cache.
enum { GS_TILE = 1024 };

/// One of several operations on float32 tiles. A place is an operand, then a buffer, by number; or
/// the output, -1.
typedef struct {
  int32_t is_function;
  gs_function function;
  gs_binary binary;
  float p, q;
  int32_t left, right, output;
} gs_step;

/// Runs all steps tile by tile over `rows` > 0 rows of `count` > 0 elements. `buffers` has room for
/// a tile each. Operands of functions, and `out`, are dense.
void gs_run_steps(const gs_step *steps, size_t step_count, const gs_operand *operands, size_t operand_count,
                  size_t rows, size_t count, float *buffers, float *out);
