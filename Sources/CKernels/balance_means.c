#include "CKernels.h"
#include "dispatch.h"

#include <math.h>
#include <string.h>

enum { STEP = 1 << 24, UNIT = 64 * 64, LANES = 16 };
typedef float floats __attribute__((ext_vector_type(LANES)));
typedef int32_t integers __attribute__((ext_vector_type(LANES)));

// Moving element i by one step against the gradient lowers the sum, times UNIT, by this over STEP.
static inline __attribute__((always_inline)) int64_t gain(int64_t error, int64_t mean, int64_t total) {
  int64_t gradient = error * UNIT + mean * total;
  int64_t magnitude = gradient < 0 ? -gradient : gradient;
  return 2 * magnitude - (UNIT + mean * mean) * STEP;
}

static inline __attribute__((always_inline)) int32_t direction(int64_t error, int64_t mean, int64_t total) {
  return error * UNIT + mean * total > 0 ? -1 : 1;
}

typedef struct {
  const int32_t *integers, *errors, *means;
  size_t count;
  int64_t total;
  int32_t lowest, highest;
} problem;

// The gains of elements from `i` on in units of UNIT * STEP, in float32; -1 where they can't move.
static inline __attribute__((always_inline)) void about(const problem *p, size_t i, float total, floats *gains) {
  integers whole, error, mean;
  memcpy(&whole, p->integers + i, sizeof whole);
  memcpy(&error, p->errors + i, sizeof error);
  memcpy(&mean, p->means + i, sizeof mean);
  floats e = __builtin_convertvector(error, floats) * (1.0f / STEP);
  floats m = __builtin_convertvector(mean, floats) * (1.0f / 64);
  floats gradient = e + m * total;
  floats g = 2 * __builtin_elementwise_abs(gradient) - (1 + m * m);
  integers to = whole + 1 + 2 * (gradient > 0);
  *gains = (to < p->lowest) | (to > p->highest) ? (floats)(-1) : g;
}

#define WIDER(a, b) ((a) > (b) ? (a) : (b))
#define TURNED(v, n) \
  __builtin_shufflevector(v, v, 0 ^ n, 1 ^ n, 2 ^ n, 3 ^ n, 4 ^ n, 5 ^ n, 6 ^ n, 7 ^ n, 8 ^ n, 9 ^ n, 10 ^ n, \
                          11 ^ n, 12 ^ n, 13 ^ n, 14 ^ n, 15 ^ n)

typedef struct {
  int64_t gain, place;
} move;

static inline __attribute__((always_inline)) void consider(const problem *p, size_t i, move *best) {
  int64_t g = gain(p->errors[i], p->means[i], p->total);
  int32_t to = p->integers[i] + direction(p->errors[i], p->means[i], p->total);
  if (g > best->gain && to >= p->lowest && to <= p->highest) *best = (move){g, (int64_t)i};
}

// The first of the elements whose move gains most; -1 where none gains. Float32 tells which it may be, exact integers
// which it is.
DISPATCHED static int64_t most_gaining(const problem *problem_) {
  const problem p = *problem_;
  const size_t whole = p.count / LANES * LANES;
  const float total = (float)((double)p.total / (64.0 * STEP));
  floats top = -1, gains;
  for (size_t i = 0; i < whole; i += LANES) {
    about(&p, i, total, &gains);
    top = WIDER(gains, top);
  }
  floats other = TURNED(top, 8);
  top = WIDER(top, other), other = TURNED(top, 4);
  top = WIDER(top, other), other = TURNED(top, 2);
  top = WIDER(top, other), other = TURNED(top, 1);
  top = WIDER(top, other);
  // Errors are below 128 steps and means at most 64: no number on the way is larger than the sum below, and each of
  // the roundings, eight at most, is within 2^-24 of one.
  const float doubt = 0x1p-20f * (4608 + 128 * fabsf(total)), least = top[0] - doubt;
  move best = {0, -1};
  for (size_t i = 0; top[0] + doubt > 0 && i < whole; i += LANES) {
    about(&p, i, total, &gains);
    if (__builtin_reduce_or(gains >= least))
      for (size_t j = 0; j < LANES; j++)
        if (gains[j] >= least) consider(&p, i + j, &best);
  }
  for (size_t i = whole; i < p.count; i++) consider(&p, i, &best);
  return best.place;
}

void gs_balance_means(int32_t *integers, int32_t *errors, const int32_t *means, size_t count, int32_t lowest,
                      int32_t highest) {
  problem p = {integers, errors, means, count, 0, lowest, highest};
  for (size_t i = 0; i < count; i++) p.total += (int64_t)means[i] * errors[i];
  // Each move lowers the sum, so this ends; the bound keeps a long row's time in proportion.
  for (size_t turn = 0; turn < count && turn < 400; turn++) {
    int64_t i = most_gaining(&p);
    if (i < 0) return;
    int32_t d = direction(errors[i], means[i], p.total);
    integers[i] += d;
    errors[i] += d * STEP;
    p.total += (int64_t)means[i] * d * STEP;
  }
}
