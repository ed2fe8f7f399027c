#include "CKernels.h"

#include <stdlib.h>
#include <string.h>

// After SQuant (arXiv 2202.07471): of all elements whose error has the sign of the sum, those
// nearest to the rounding boundary change sides.

enum { STEP = 1 << 24, BIN_SHIFT = 14, BINS = 1024, SMALL = 64 };

typedef struct {
  int32_t *integers, *errors;
  size_t count;
  int32_t sign, lowest, highest;
} problem;

// How much the element's error speaks for moving it; 0 where it can't move.
static inline int32_t gain(const problem *p, size_t i) {
  int32_t e = p->sign * p->errors[i], to = p->integers[i] - p->sign;
  return e > 0 && to >= p->lowest && to <= p->highest ? e : 0;
}

static inline void move(const problem *p, size_t i) {
  p->integers[i] -= p->sign;
  p->errors[i] -= p->sign * STEP;
}

static void balance_small(const problem *p, size_t moves) {
  for (; moves > 0; moves--) {
    int32_t best = 0;
    size_t at = 0;
    for (size_t i = 0; i < p->count; i++) {
      int32_t g = gain(p, i);
      if (g > best) best = g, at = i;
    }
    if (best == 0) return;
    move(p, at);
  }
}

static inline size_t bin(int32_t g) {
  size_t b = (size_t)g >> BIN_SHIFT;
  return b < BINS ? b : BINS - 1;
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

static void balance_large(const problem *p, size_t moves, uint32_t *scratch) {
  uint32_t counts[BINS] = {0};
  for (size_t i = 0; i < p->count; i++) {
    int32_t g = gain(p, i);
    if (g > 0) counts[bin(g)]++;
  }
  size_t above = 0, edge = BINS;
  while (edge > 0 && above + counts[edge - 1] <= moves) above += counts[--edge];
  size_t rest = moves - above, found = 0;
  for (size_t i = 0; i < p->count; i++) {
    int32_t g = gain(p, i);
    if (g == 0) continue;
    size_t b = bin(g);
    if (b >= edge) move(p, i);
    else if (b + 1 == edge && rest > 0) scratch[found++] = (uint32_t)i;
  }
  if (rest == 0 || found == 0) return;
  candidate few[SMALL * 8];
  candidate *list = found <= SMALL * 8 ? few : malloc(found * sizeof *list);
  for (size_t i = 0; i < found; i++) list[i] = (candidate){gain(p, scratch[i]), scratch[i]};
  qsort(list, found, sizeof *list, by_gain);
  for (size_t i = 0; i < rest && i < found; i++) move(p, list[i].index);
  if (list != few) free(list);
}

void gs_balance(int32_t *integers, int32_t *errors, size_t count, int32_t lowest, int32_t highest,
                uint32_t *scratch) {
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++) sum += errors[i];
  problem p = {integers, errors, count, sum > 0 ? 1 : -1, lowest, highest};
  size_t moves = (size_t)((sum > 0 ? sum : -sum) + STEP / 2) / STEP;
  if (moves == 0) return;
  if (count <= SMALL) balance_small(&p, moves);
  else balance_large(&p, moves, scratch);
}
