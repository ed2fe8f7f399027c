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

DISPATCHED static int64_t largest_gain(const int32_t *integers, const int32_t *errors, const int32_t *means,
                                       size_t count, int64_t total, int32_t lowest, int32_t highest) {
  int64_t best[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      int64_t g = gain(errors[i + j], means[i + j], total);
      int32_t to = integers[i + j] + direction(errors[i + j], means[i + j], total);
      g = to < lowest || to > highest ? 0 : g;
      best[j] = g > best[j] ? g : best[j];
    }
  for (; i < count; i++) {
    int64_t g = gain(errors[i], means[i], total);
    int32_t to = integers[i] + direction(errors[i], means[i], total);
    g = to < lowest || to > highest ? 0 : g;
    best[0] = g > best[0] ? g : best[0];
  }
  int64_t most = 0;
  for (int j = 0; j < LANES; j++) most = best[j] > most ? best[j] : most;
  return most;
}

void gs_balance_means(int32_t *integers, int32_t *errors, const int32_t *means, size_t count, int32_t lowest,
                      int32_t highest) {
  int64_t total = 0;
  for (size_t i = 0; i < count; i++) total += (int64_t)means[i] * errors[i];
  // Each move lowers the sum, so this ends; the bound keeps a long row's time in proportion.
  for (size_t turn = 0; turn < count && turn < 400; turn++) {
    int64_t most = largest_gain(integers, errors, means, count, total, lowest, highest);
    if (most <= 0) return;
    for (size_t i = 0; i < count; i++) {
      if (gain(errors[i], means[i], total) != most) continue;
      int32_t d = direction(errors[i], means[i], total), to = integers[i] + d;
      if (to < lowest || to > highest) continue;
      integers[i] = to;
      errors[i] += d * STEP;
      total += (int64_t)means[i] * d * STEP;
      break;
    }
  }
}
