#include "CKernels.h"
#include "dispatch.h"

#include <stdlib.h>

// After SQuant (arXiv 2202.07471): of all elements whose error has the sign of the sum, those
// nearest to the rounding boundary change sides.

enum { STEP = 1 << 24, BLOCK = 32, FEW = 512 };

typedef struct {
  int32_t *integers, *errors;
  size_t count;
  int32_t sign, lowest, highest;
} problem;

// How much the element's error speaks for moving it; 0 where it can't move.
static inline __attribute__((always_inline)) int32_t gain(const problem *p, size_t i) {
  int32_t e = p->sign * p->errors[i], to = p->integers[i] - p->sign;
  return to < p->lowest || to > p->highest || e < 0 ? 0 : e;
}

static inline void move(const problem *p, size_t i) {
  p->integers[i] -= p->sign;
  p->errors[i] -= p->sign * STEP;
}

// Indices of the elements with more than `threshold` to gain, in order.
DISPATCHED static size_t collect(const problem *problem_, int32_t threshold, uint32_t *indices) {
  const problem p = *problem_;
  size_t found = 0, i = 0;
  for (; i + BLOCK <= p.count; i += BLOCK) {
    int32_t any = 0;
    for (size_t j = 0; j < BLOCK; j++) any |= gain(&p, i + j) > threshold;
    if (any)
      for (size_t j = i; j < i + BLOCK; j++) {
        indices[found] = (uint32_t)j;
        found += gain(&p, j) > threshold;
      }
  }
  for (; i < p.count; i++) {
    indices[found] = (uint32_t)i;
    found += gain(&p, i) > threshold;
  }
  return found;
}

typedef struct {
  int32_t gain;
  uint32_t index;
} candidate;

static int by_gain(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->gain != y->gain) return x->gain > y->gain ? -1 : 1;
  return x->index < y->index ? -1 : 1;
}

// By falling gain, the lower index first where equal; candidates come in the order of their indices.
static void sort(candidate *list, size_t count) {
  enum { SHORT = 48 };
  if (count > SHORT) {
    qsort(list, count, sizeof *list, by_gain);
    return;
  }
  for (size_t i = 1; i < count; i++) {
    candidate one = list[i];
    size_t place = i;
    for (; place > 0 && list[place - 1].gain < one.gain; place--) list[place] = list[place - 1];
    list[place] = one;
  }
}

DISPATCHED static int64_t sum(const int32_t *values, size_t count) {
  int64_t total = 0;
  for (size_t i = 0; i < count; i++) total += values[i];
  return total;
}

void gs_balance(int32_t *integers, int32_t *errors, size_t count, int32_t lowest, int32_t highest,
                uint32_t *scratch) {
  int64_t total = sum(errors, count);
  problem p = {integers, errors, count, total > 0 ? 1 : -1, lowest, highest};
  size_t moves = (size_t)((total > 0 ? total : -total) + STEP / 2) / STEP;
  if (moves == 0) return;
  // Errors spread evenly over half a step: twice the share that is needed lies above this.
  int64_t margin = (int64_t)(moves * 2) * STEP / (int64_t)count;
  size_t found = 0;
  while (1) {
    int64_t threshold = STEP / 2 - margin;
    found = collect(&p, threshold > 0 ? (int32_t)threshold : 0, scratch);
    if (found >= moves || threshold <= 0) break;
    margin *= 4;
  }
  candidate few[FEW];
  candidate *list = found <= FEW ? few : malloc(found * sizeof *list);
  for (size_t i = 0; i < found; i++) list[i] = (candidate){gain(&p, scratch[i]), scratch[i]};
  sort(list, found);
  for (size_t i = 0; i < moves && i < found; i++) move(&p, list[i].index);
  if (list != few) free(list);
}
