#include "CKernels.h"
#include "dispatch.h"

enum { STEP = 1 << 24, UNIT = 64 * 64, LANES = 8 };

// Moving element i by one step against the gradient lowers the sum, times UNIT, by this over STEP.
static inline __attribute__((always_inline)) int64_t gain(int64_t error, int64_t mean, int64_t total) {
  int64_t gradient = error * UNIT + mean * total;
  int64_t magnitude = gradient < 0 ? -gradient : gradient;
  return 2 * magnitude - (UNIT + mean * mean) * STEP;
}

static inline __attribute__((always_inline)) int32_t direction(int64_t error, int64_t mean, int64_t total) {
  return error * UNIT + mean * total > 0 ? -1 : 1;
}

// The first of the elements whose move gains most; -1 where none gains.
DISPATCHED static int64_t most_gaining(const int32_t *integers, const int32_t *errors, const int32_t *means,
                                       size_t count, int64_t total, int32_t lowest, int32_t highest) {
  int64_t best[LANES] = {0}, place[LANES];
  for (int j = 0; j < LANES; j++) place[j] = -1;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      int64_t g = gain(errors[i + j], means[i + j], total);
      int32_t to = integers[i + j] + direction(errors[i + j], means[i + j], total);
      g = to < lowest || to > highest ? 0 : g;
      place[j] = g > best[j] ? (int64_t)i + j : place[j];
      best[j] = g > best[j] ? g : best[j];
    }
  for (int j = 0; i < count; i++, j++) {
    int64_t g = gain(errors[i], means[i], total);
    int32_t to = integers[i] + direction(errors[i], means[i], total);
    g = to < lowest || to > highest ? 0 : g;
    if (g > best[j]) best[j] = g, place[j] = (int64_t)i;
  }
  int found = 0;
  for (int j = 1; j < LANES; j++)
    if (best[j] > best[found] || (best[j] == best[found] && place[j] < place[found])) found = j;
  return best[found] > 0 ? place[found] : -1;
}

void gs_balance_means(int32_t *integers, int32_t *errors, const int32_t *means, size_t count, int32_t lowest,
                      int32_t highest) {
  int64_t total = 0;
  for (size_t i = 0; i < count; i++) total += (int64_t)means[i] * errors[i];
  // Each move lowers the sum, so this ends; the bound keeps a long row's time in proportion.
  for (size_t turn = 0; turn < count && turn < 400; turn++) {
    int64_t i = most_gaining(integers, errors, means, count, total, lowest, highest);
    if (i < 0) return;
    int32_t d = direction(errors[i], means[i], total);
    integers[i] += d;
    errors[i] += d * STEP;
    total += (int64_t)means[i] * d * STEP;
  }
}
