#pragma once
#include <stdint.h>
#include <string.h>

// Functions of one float32 number, free of branches and library calls so that loops over them
// vectorize. Errors stay within 2 units in the last place, except where a formula of several functions
// (Mish, Gelu) magnifies the rounding of its argument. Polynomials are minimax fits (Remez).

#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

INLINE float magnitude(float x) { return float_of(bits_of(x) & 0x7fffffff); }

// The magnitude of x >= 0 with the sign of y.
INLINE float signed_as(float x, float y) { return float_of(bits_of(x) | (bits_of(y) & 0x80000000)); }

INLINE float at_least(float x, float low) { return x < low ? low : x; }
INLINE float at_most(float x, float high) { return x > high ? high : x; }
INLINE float relu_(float x) { return x > 0.0f ? x : 0.0f; }

INLINE float clip_(float x, float low, float high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

INLINE float square_root(float x) { return __builtin_elementwise_sqrt(x); }

// x^0.5, which unlike the square root is +inf for -inf.
INLINE float power_half(float x) { return x == -__builtin_inff() ? __builtin_inff() : square_root(x + 0.0f); }

// The nearest integer of |x| < 2^22: adding 1.5 * 2^23 leaves no bits for a fraction.
#define ROUNDER 12582912.0f

// e^x = 2^n e^r with |r| <= ln(2) / 2; ln(2) comes in two parts, so that n times the first is exact.
typedef struct {
  int32_t n;
  float rest; // e^r - 1
} split_power;

INLINE split_power split_exp(float x) {
  float shifted = x * 1.44269504f + ROUNDER, n = shifted - ROUNDER;
  float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float q = 0.00836724695f + r * 0.00139475986f;
  q = 0.0416662656f + r * q;
  q = 0.166665375f + r * q;
  q = 0.5f + r * q;
  split_power result = {(int32_t)(bits_of(shifted) - 0x4b400000), r + r * r * q};
  return result;
}

INLINE float power_of_two(int32_t n) { return float_of((uint32_t)(n + 127) << 23); }

// The power of two comes in two factors, so that it reaches both ends of the range.
INLINE float exp_(float x) {
  split_power p = split_exp(at_most(at_least(x, -104.0f), 89.0f));
  int32_t half = p.n >> 1;
  return (1.0f + p.rest) * power_of_two(half) * power_of_two(p.n - half);
}

// e^x - 1 for x <= 88; exact to the last places near zero.
INLINE float expm1_(float x) {
  split_power p = split_exp(at_least(x, -25.0f));
  float scale = power_of_two(p.n);
  return p.rest * scale + (scale - 1.0f);
}

// ln(m 2^e) = ln(1 + f) + e ln(2) with m in sqrt(1/2)..sqrt(2), ln(1 + f) in the powers of f / (2 + f).
INLINE float log_(float x) {
  int tiny = x < 1.17549435e-38f;
  float scaled = tiny ? x * 8388608.0f : x;
  uint32_t moved = bits_of(scaled) - 0x3f3504f3;
  float e = (float)((int32_t)moved >> 23) - (tiny ? 23.0f : 0.0f);
  float f = float_of((moved & 0x007fffff) + 0x3f3504f3) - 1.0f;
  float s = f / (2.0f + f), z = s * s, half_square = 0.5f * f * f;
  float tail = z * (0.666667819f + z * (0.39976722f + z * 0.298962623f));
  float y = e * 0.693359375f + (f - (half_square - (s * (half_square + tail) - e * 2.12194440e-4f)));
  y = x > 3.40282347e38f ? x : y;
  y = x == 0.0f ? -__builtin_inff() : y;
  return x < 0.0f || x != x ? __builtin_nanf("") : y;
}

// ln(1 + u) for u in 0..1.
INLINE float log1p_(float u) {
  float s = u / (2.0f + u), z = s * s, half_square = 0.5f * u * u;
  float tail = 0.400216401f + z * (0.279999882f + z * 0.280207664f);
  tail = z * (0.666664124f + z * tail);
  return u - (half_square - s * (half_square + tail));
}

// With e = e^-|x| and t = e / (1 + e): 1 - t, or t itself written so that little is rounded.
INLINE float sigmoid_(float x) {
  float e = exp_(-magnitude(x)), t = e / (1.0f + e);
  return x < 0.0f ? e - e * t : 1.0f - t;
}

// Up to 0.6 an odd polynomial, beyond it 1 - 2 / (e^2x + 1).
INLINE float tanh_(float x) {
  float a = at_most(magnitude(x), 15.0f), z = a * a;
  float near = -0.0537733063f + z * (0.0207559709f + z * -0.00584381679f);
  near = -0.333332956f + z * (0.133318186f + z * near);
  near = a + a * (z * near);
  split_power p = split_exp(2.0f * a);
  float far = 1.0f - 2.0f / ((1.0f + p.rest) * power_of_two(p.n) + 1.0f);
  float y = signed_as(a > 0.6f ? far : near, x);
  return x != x ? x : y;
}

// Up to 1 an odd polynomial, beyond it 1 - e^q(x).
INLINE float erf_(float x) {
  float a = at_most(magnitude(x), 4.0f), z = a * a, zz = z * z;
  float near = (0.00518953567f + z * -0.000802084222f) + zz * 7.88912294e-05f;
  near = (0.112836003f + z * -0.0268544443f) + zz * near;
  near = (0.128379166f + z * -0.37612626f) + zz * near;
  near = a + a * near;
  float q = (0.0218380578f + a * -0.00294765667f) + z * 0.000186379038f;
  q = (-0.638144851f + a * -0.103106745f) + z * q;
  q = (-0.000341525214f + a * -1.12708914f) + z * q;
  split_power p = split_exp(q);
  float far = 1.0f - (1.0f + p.rest) * power_of_two(p.n);
  float y = signed_as(a > 1.0f ? far : near, x);
  return x != x ? x : y;
}

INLINE float softplus_(float x) { return at_least(x, 0.0f) + log1p_(exp_(-magnitude(x))); }

// x tanh(softplus(x)), with e = e^x: x (e^2 + 2e) / (e^2 + 2e + 2).
INLINE float mish_(float x) {
  float e = exp_(at_most(x, 20.0f)), n = e * (e + 2.0f);
  return at_least(x, -104.0f) * (n / (n + 2.0f));
}

// Below -20 the second factor is 0.
INLINE float gelu_(float x) {
  x = at_least(x, -20.0f);
  return 0.5f * x * (1.0f + erf_(x * 0.707106781f));
}

// 0.5 (1 + tanh(u)) = sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
INLINE float gelu_tanh_(float x) {
  x = at_least(x, -20.0f);
  float u = 0.797884561f * (x + 0.044715f * x * x * x);
  return x * sigmoid_(2.0f * u);
}
