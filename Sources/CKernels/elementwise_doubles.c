#include "elementwise.h"

#include <math.h>

#define EACH(EXPRESSION)                                                                             \
  for (size_t i = 0; i < count; i++) {                                                               \
    double x = in[i];                                                                                \
    out[i] = EXPRESSION;                                                                             \
  }                                                                                                  \
  return;

static double at_least(double x, double low) { return x < low ? low : x; }
static double at_most(double x, double high) { return x > high ? high : x; }
static double clip(double x, double low, double high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}
static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
static double softplus(double x) { return at_least(x, 0.0) + log1p(exp(-fabs(x))); }

void gs_apply_double(gs_function function, const double *in, size_t count, double p, double q, double *out) {
  switch (function) {
    case GS_COPY: EACH(x)
    case GS_NEGATE: EACH(-x)
    case GS_ABSOLUTE: EACH(fabs(x))
    case GS_SIGN: EACH(x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x)
    case GS_RECIPROCAL: EACH(1.0 / x)
    case GS_SQUARE: EACH(x * x)
    case GS_CUBE: EACH(x * x * x)
    case GS_SQUARE_ROOT: EACH(sqrt(x))
    case GS_POWER_HALF: EACH(pow(x, 0.5))
    case GS_POWER_MINUS_HALF: EACH(pow(x, -0.5))
    case GS_EXP: EACH(exp(x))
    case GS_LOG: EACH(log(x))
    case GS_FLOOR: EACH(floor(x))
    case GS_CEIL: EACH(ceil(x))
    case GS_ROUND: EACH(rint(x))
    case GS_SIN: EACH(sin(x))
    case GS_COS: EACH(cos(x))
    case GS_TAN: EACH(tan(x))
    case GS_ASIN: EACH(asin(x))
    case GS_ACOS: EACH(acos(x))
    case GS_ATAN: EACH(atan(x))
    case GS_SINH: EACH(sinh(x))
    case GS_COSH: EACH(cosh(x))
    case GS_TANH: EACH(tanh(x))
    case GS_ASINH: EACH(asinh(x))
    case GS_ACOSH: EACH(acosh(x))
    case GS_ATANH: EACH(atanh(x))
    case GS_ERF: EACH(erf(x))
    case GS_RELU: EACH(x > 0.0 ? x : 0.0)
    case GS_LEAKY_RELU: EACH(x < 0.0 ? p * x : x)
    case GS_ELU: EACH(x < 0.0 ? p * expm1(x) : x)
    case GS_SELU: EACH(q * (x < 0.0 ? p * expm1(x) : x))
    case GS_CELU: EACH(at_least(x, 0.0) + at_most(p * expm1(x / p), 0.0))
    case GS_SIGMOID: EACH(sigmoid(x))
    case GS_HARD_SIGMOID: EACH(at_most(at_least(p * x + q, 0.0), 1.0))
    case GS_HARD_SWISH: EACH(x * at_most(at_least(x / 6.0 + 0.5, 0.0), 1.0))
    case GS_SOFTPLUS: EACH(softplus(x))
    case GS_SOFTSIGN: EACH(x / (1.0 + fabs(x)))
    case GS_THRESHOLDED_RELU: EACH(x > p ? x : 0.0)
    case GS_SHRINK: EACH(x < -p ? x + q : x > p ? x - q : 0.0)
    case GS_GELU: EACH(0.5 * x * (1.0 + erf(x * 0.70710678118654752440)))
    case GS_GELU_TANH: EACH(x * sigmoid(1.5957691216057307117 * (x + 0.044715 * x * x * x)))
    case GS_MISH: EACH(x * tanh(softplus(x)))
    case GS_SWISH: EACH(x * sigmoid(p * x))
    case GS_AFFINE: EACH(p * x + q)
    case GS_SCALED_TANH: EACH(p * tanh(q * x))
    case GS_CLIP: EACH(clip(x, p, q))
  }
}
