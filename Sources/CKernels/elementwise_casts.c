#include "elementwise.h"
#include "dispatch.h"

#include <string.h>

typedef void (*cast)(const void *, size_t, void *);

#define CAST(FROM, TO, EXPRESSION)                                                                   \
  static void FROM##_to_##TO(const void *from, size_t count, void *to) {                             \
    const FROM *in = from;                                                                           \
    TO *out = to;                                                                                    \
    for (size_t i = 0; i < count; i++) {                                                             \
      FROM x = in[i];                                                                                \
      out[i] = (TO)(EXPRESSION);                                                                     \
    }                                                                                                \
  }

// Numbers that don't fit become what x86 processors make of them: the smallest int32 or int64, of
// which narrower types keep the low bits.
#define TO_INT32(x) ((x) >= -2147483648.0 && (x) < 2147483648.0 ? (int32_t)(x) : INT32_MIN)
#define TO_INT64(x) ((x) >= -0x1p63 && (x) < 0x1p63 ? (int64_t)(x) : INT64_MIN)
#define TO_UINT64(x) ((x) >= 0x1p63 && (x) < 0x1p64 ? (uint64_t)(x) : (uint64_t)TO_INT64(x))

#define FROM_FLOAT(FROM)                                                                             \
  CAST(FROM, float, x)                                                                               \
  CAST(FROM, double, x)                                                                              \
  CAST(FROM, int8_t, TO_INT32(x))                                                                    \
  CAST(FROM, int16_t, TO_INT32(x))                                                                   \
  CAST(FROM, int32_t, TO_INT32(x))                                                                   \
  CAST(FROM, int64_t, TO_INT64(x))                                                                   \
  CAST(FROM, uint8_t, TO_INT32(x))                                                                   \
  CAST(FROM, uint16_t, TO_INT32(x))                                                                  \
  CAST(FROM, uint32_t, TO_INT64(x))                                                                  \
  CAST(FROM, uint64_t, TO_UINT64(x))                                                                 \
  CASTS(FROM)

#define FROM_INTEGER(FROM)                                                                           \
  CAST(FROM, float, x)                                                                               \
  CAST(FROM, double, x)                                                                              \
  CAST(FROM, int8_t, x)                                                                              \
  CAST(FROM, int16_t, x)                                                                             \
  CAST(FROM, int32_t, x)                                                                             \
  CAST(FROM, int64_t, x)                                                                             \
  CAST(FROM, uint8_t, x)                                                                             \
  CAST(FROM, uint16_t, x)                                                                            \
  CAST(FROM, uint32_t, x)                                                                            \
  CAST(FROM, uint64_t, x)                                                                            \
  CASTS(FROM)

#define CASTS(FROM)                                                                                  \
  static void FROM##_to_truth(const void *from, size_t count, void *to) {                            \
    const FROM *in = from;                                                                           \
    uint8_t *out = to;                                                                               \
    for (size_t i = 0; i < count; i++) out[i] = in[i] != 0;                                          \
  }                                                                                                  \
  static const cast casts_##FROM[] = {                                                               \
      [GS_FLOAT32] = FROM##_to_float,   [GS_FLOAT64] = FROM##_to_double, [GS_INT8] = FROM##_to_int8_t, \
      [GS_INT16] = FROM##_to_int16_t,   [GS_INT32] = FROM##_to_int32_t,  [GS_INT64] = FROM##_to_int64_t, \
      [GS_UINT8] = FROM##_to_uint8_t,   [GS_UINT16] = FROM##_to_uint16_t, [GS_UINT32] = FROM##_to_uint32_t, \
      [GS_UINT64] = FROM##_to_uint64_t, [GS_UINT64 + 1] = FROM##_to_truth};

FROM_FLOAT(float)
FROM_FLOAT(double)
FROM_INTEGER(int8_t)
FROM_INTEGER(int16_t)
FROM_INTEGER(int32_t)
FROM_INTEGER(int64_t)
FROM_INTEGER(uint8_t)
FROM_INTEGER(uint16_t)
FROM_INTEGER(uint32_t)
FROM_INTEGER(uint64_t)

static const cast *const casts[] = {
    [GS_FLOAT32] = casts_float,  [GS_FLOAT64] = casts_double,  [GS_INT8] = casts_int8_t,
    [GS_INT16] = casts_int16_t,  [GS_INT32] = casts_int32_t,   [GS_INT64] = casts_int64_t,
    [GS_UINT8] = casts_uint8_t,  [GS_UINT16] = casts_uint16_t, [GS_UINT32] = casts_uint32_t,
    [GS_UINT64] = casts_uint64_t};

void gs_cast(gs_number from, gs_number to, const void *in, size_t count, void *out) {
  casts[from][to](in, count, out);
}

void gs_cast_truth(gs_number from, const void *in, size_t count, uint8_t *out) {
  casts[from][GS_UINT64 + 1](in, count, out);
}

// Below the smallest normal half the sum with 0.5 is rounded at the place of the smallest half.
DISPATCHED void gs_narrow_half(const float *in, size_t count, uint16_t *out) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits, magnitude, small, half;
    memcpy(&bits, in + i, 4);
    magnitude = bits & 0x7fffffff;
    float shifted;
    memcpy(&shifted, &magnitude, 4);
    shifted += 0.5f;
    memcpy(&small, &shifted, 4);
    half = (magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13;
    half = magnitude < 0x38800000 ? small - 0x3f000000 : half;
    half = magnitude >= 0x477ff000 ? 0x7c00 : half;
    half = magnitude > 0x7f800000 ? 0x7e00 : half;
    out[i] = (uint16_t)(half | (bits >> 16 & 0x8000));
  }
}

DISPATCHED void gs_narrow_bfloat(const float *in, size_t count, uint16_t *out) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, in + i, 4);
    uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    out[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
  }
}
