#include "elementwise.h"
#include "dispatch.h"
#include "elementwise_math.h"

#include <math.h>

// `in` and `out` may be the same memory: element i of the result needs only element i.
#define FUNCTION(NAME, EXPRESSION)                                                                   \
  DISPATCHED static void NAME(const float *in, size_t count, float p, float q, float *out) {         \
    (void)p, (void)q;                                                                                \
    _Pragma("clang loop vectorize(assume_safety) interleave_count(4)")                               \
    for (size_t i = 0; i < count; i++) {                                                             \
      float x = in[i];                                                                               \
      out[i] = EXPRESSION;                                                                           \
    }                                                                                                \
  }

FUNCTION(copy_all, x)
FUNCTION(negate_all, -x)
FUNCTION(absolute_all, magnitude(x))
FUNCTION(sign_all, x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x)
FUNCTION(reciprocal_all, 1.0f / x)
FUNCTION(square_all, x * x)
FUNCTION(cube_all, x *x *x)
FUNCTION(square_root_all, square_root(x))
FUNCTION(power_half_all, power_half(x))
FUNCTION(power_minus_half_all, 1.0f / power_half(x))
FUNCTION(exp_all, exp_(x))
FUNCTION(log_all, log_(x))
FUNCTION(floor_all, __builtin_elementwise_floor(x))
FUNCTION(ceil_all, __builtin_elementwise_ceil(x))
FUNCTION(round_all, __builtin_elementwise_roundeven(x))
FUNCTION(tanh_all, tanh_(x))
FUNCTION(erf_all, erf_(x))
FUNCTION(relu_all, relu_(x))
FUNCTION(leaky_relu_all, x < 0.0f ? p * x : x)
FUNCTION(elu_all, x < 0.0f ? p * expm1_(at_most(x, 0.0f)) : x)
FUNCTION(selu_all, q *(x < 0.0f ? p * expm1_(at_most(x, 0.0f)) : x))
FUNCTION(celu_all, at_least(x, 0.0f) + at_most(p * expm1_(at_most(x / p, 80.0f)), 0.0f))
FUNCTION(sigmoid_all, sigmoid_(x))
FUNCTION(hard_sigmoid_all, at_most(at_least(p * x + q, 0.0f), 1.0f))
FUNCTION(hard_swish_all, x *at_most(at_least(x * (1.0f / 6.0f) + 0.5f, 0.0f), 1.0f))
FUNCTION(softplus_all, softplus_(x))
FUNCTION(softsign_all, x / (1.0f + magnitude(x)))
FUNCTION(thresholded_relu_all, x > p ? x : 0.0f)
FUNCTION(shrink_all, x < -p ? x + q : x > p ? x - q : 0.0f)
FUNCTION(gelu_all, gelu_(x))
FUNCTION(gelu_tanh_all, gelu_tanh_(x))
FUNCTION(mish_all, mish_(x))
FUNCTION(swish_all, x *sigmoid_(p *x))
FUNCTION(affine_all, p *x + q)
FUNCTION(scaled_tanh_all, p *tanh_(q *x))
FUNCTION(clip_all, clip_(x, p, q))

// Seldom used: in double precision, so that rounding hides how the processor computed them.
#define LIBRARY_FUNCTION(NAME, EXPRESSION)                                                           \
  static void NAME(const float *in, size_t count, float p, float q, float *out) {                    \
    (void)p, (void)q;                                                                                \
    for (size_t i = 0; i < count; i++) {                                                             \
      double x = in[i];                                                                              \
      out[i] = (float)EXPRESSION;                                                                    \
    }                                                                                                \
  }

LIBRARY_FUNCTION(sin_all, sin(x))
LIBRARY_FUNCTION(cos_all, cos(x))
LIBRARY_FUNCTION(tan_all, tan(x))
LIBRARY_FUNCTION(asin_all, asin(x))
LIBRARY_FUNCTION(acos_all, acos(x))
LIBRARY_FUNCTION(atan_all, atan(x))
LIBRARY_FUNCTION(sinh_all, sinh(x))
LIBRARY_FUNCTION(cosh_all, cosh(x))
LIBRARY_FUNCTION(asinh_all, asinh(x))
LIBRARY_FUNCTION(acosh_all, acosh(x))
LIBRARY_FUNCTION(atanh_all, atanh(x))

typedef void (*function)(const float *, size_t, float, float, float *);

static const function functions[] = {
    [GS_COPY] = copy_all,
    [GS_NEGATE] = negate_all,
    [GS_ABSOLUTE] = absolute_all,
    [GS_SIGN] = sign_all,
    [GS_RECIPROCAL] = reciprocal_all,
    [GS_SQUARE] = square_all,
    [GS_CUBE] = cube_all,
    [GS_SQUARE_ROOT] = square_root_all,
    [GS_POWER_HALF] = power_half_all,
    [GS_POWER_MINUS_HALF] = power_minus_half_all,
    [GS_EXP] = exp_all,
    [GS_LOG] = log_all,
    [GS_FLOOR] = floor_all,
    [GS_CEIL] = ceil_all,
    [GS_ROUND] = round_all,
    [GS_SIN] = sin_all,
    [GS_COS] = cos_all,
    [GS_TAN] = tan_all,
    [GS_ASIN] = asin_all,
    [GS_ACOS] = acos_all,
    [GS_ATAN] = atan_all,
    [GS_SINH] = sinh_all,
    [GS_COSH] = cosh_all,
    [GS_TANH] = tanh_all,
    [GS_ASINH] = asinh_all,
    [GS_ACOSH] = acosh_all,
    [GS_ATANH] = atanh_all,
    [GS_ERF] = erf_all,
    [GS_RELU] = relu_all,
    [GS_LEAKY_RELU] = leaky_relu_all,
    [GS_ELU] = elu_all,
    [GS_SELU] = selu_all,
    [GS_CELU] = celu_all,
    [GS_SIGMOID] = sigmoid_all,
    [GS_HARD_SIGMOID] = hard_sigmoid_all,
    [GS_HARD_SWISH] = hard_swish_all,
    [GS_SOFTPLUS] = softplus_all,
    [GS_SOFTSIGN] = softsign_all,
    [GS_THRESHOLDED_RELU] = thresholded_relu_all,
    [GS_SHRINK] = shrink_all,
    [GS_GELU] = gelu_all,
    [GS_GELU_TANH] = gelu_tanh_all,
    [GS_MISH] = mish_all,
    [GS_SWISH] = swish_all,
    [GS_AFFINE] = affine_all,
    [GS_SCALED_TANH] = scaled_tanh_all,
    [GS_CLIP] = clip_all,
};

void gs_apply(gs_function function, const float *in, size_t count, float p, float q, float *out) {
  functions[function](in, count, p, q, out);
}
