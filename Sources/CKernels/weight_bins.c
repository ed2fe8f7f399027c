#include "CKernels.h"
#include "dispatch.h"

#include <math.h>

enum { LANES = 16 };

size_t gs_keep_bins(const uint32_t *table, size_t count, int32_t first, int32_t *places, uint32_t *counts) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (table[i] > 0) {
      places[kept] = first + (int32_t)i;
      counts[kept++] = table[i];
    }
  return kept;
}

static inline __attribute__((always_inline)) double squared_error(int32_t place, uint32_t count, double ratio) {
  const double value = (double)place * ratio, error = value - __builtin_rint(value);
  return (double)count * error * error;
}

DISPATCHED double gs_bin_error(const int32_t *places, const uint32_t *counts, size_t count, double ratio) {
  double lanes[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) lanes[j] += squared_error(places[i + j], counts[i + j], ratio);
  for (int j = 0; i < count; i++, j++) lanes[j] += squared_error(places[i], counts[i], ratio);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lanes[j] += lanes[j + width];
  return lanes[0];
}

size_t gs_multiple_counts(const int32_t *places, const uint32_t *counts, size_t count, double ratio, int64_t *merged) {
  size_t kept = 0;
  double current = NAN;
  for (size_t i = 0; i < count; i++) {
    const double multiple = __builtin_rint((double)places[i] * ratio);
    if (multiple != current) merged[kept++] = 0;
    current = multiple;
    merged[kept - 1] += counts[i];
  }
  return kept;
}
