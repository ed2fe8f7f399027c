#include "movement.h"
#include "dispatch.h"

#include <string.h>

enum { FEW = 48, DIGITS = 8, VALUES = 256, LANES = 16, COLUMNS = 128 };

static void sort_few(gs_pair *pairs, size_t count) {
  for (size_t i = 1; i < count; i++) {
    gs_pair next = pairs[i];
    size_t j = i;
    for (; j > 0 && pairs[j - 1].key > next.key; j--) pairs[j] = pairs[j - 1];
    pairs[j] = next;
  }
}

// One digit of 8 bits after the other, from the lowest; digits that are all equal are passed over.
void gs_sort_pairs(gs_pair *pairs, gs_pair *scratch, size_t count) {
  if (count <= FEW) {
    sort_few(pairs, count);
    return;
  }
  size_t counts[DIGITS][VALUES] = {{0}};
  for (size_t i = 0; i < count; i++)
    for (int d = 0; d < DIGITS; d++) counts[d][pairs[i].key >> (8 * d) & 255]++;
  gs_pair *from = pairs, *to = scratch;
  for (int d = 0; d < DIGITS; d++) {
    size_t *places = counts[d], next = 0;
    if (places[from[0].key >> (8 * d) & 255] == count) continue;
    for (int v = 0; v < VALUES; v++) {
      size_t held = places[v];
      places[v] = next;
      next += held;
    }
    for (size_t i = 0; i < count; i++) to[places[from[i].key >> (8 * d) & 255]++] = from[i];
    gs_pair *swapped = from;
    from = to;
    to = swapped;
  }
  if (from != pairs) memcpy(pairs, from, count * sizeof *pairs);
}

// The greatest value; of signed zeros and of numbers among NaN, whichever compares as greater.
static inline __attribute__((always_inline)) float greatest(const float *values, size_t count, float sign) {
  float best[LANES], most = -__builtin_inff();
  for (int j = 0; j < LANES; j++) best[j] = most;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      float v = sign * values[i + j];
      best[j] = v > best[j] ? v : best[j];
    }
  for (; i < count; i++) best[0] = sign * values[i] > best[0] ? sign * values[i] : best[0];
  for (int j = 0; j < LANES; j++) most = best[j] > most ? best[j] : most;
  return most;
}

static inline __attribute__((always_inline)) int64_t place_in_line(const float *values, size_t count, float sign,
                                                                   int last) {
  const float most = greatest(values, count, sign);
  if (last) {
    for (size_t i = count; i-- > 0;)
      if (sign * values[i] == most) return (int64_t)i;
    return 0;
  }
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    int found = 0;
    for (int j = 0; j < LANES; j++) found |= sign * values[i + j] == most;
    if (found) break;
  }
  for (; i < count; i++)
    if (sign * values[i] == most) return (int64_t)i;
  return 0;
}

static inline __attribute__((always_inline)) void places_in_columns(const float *values, size_t count, size_t inner,
                                                                    float sign, int last, int64_t *places) {
  for (size_t left = 0; left < inner; left += COLUMNS) {
    const size_t width = inner - left < COLUMNS ? inner - left : COLUMNS;
    float best[COLUMNS];
    for (size_t j = 0; j < width; j++) best[j] = -__builtin_inff(), places[left + j] = 0;
    for (size_t i = 0; i < count; i++) {
      const float *row = values + i * inner + left;
      for (size_t j = 0; j < width; j++) {
        float v = sign * row[j];
        int better = last ? v >= best[j] : v > best[j];
        best[j] = better ? v : best[j];
        places[left + j] = better ? (int64_t)i : places[left + j];
      }
    }
  }
}

DISPATCHED void gs_place_of_extreme(const float *values, size_t count, size_t inner, int least, int last,
                                    int64_t *places) {
  const float sign = least ? -1 : 1;
  if (inner == 1)
    *places = place_in_line(values, count, sign, last);
  else if (last)
    places_in_columns(values, count, inner, sign, 1, places);
  else
    places_in_columns(values, count, inner, sign, 0, places);
}

DISPATCHED void gs_running_sum(const float *values, size_t count, size_t inner, int exclusive, int reverse,
                               double *sums, float *out) {
  for (size_t j = 0; j < inner; j++) sums[j] = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t row = (reverse ? count - 1 - i : i) * inner;
    if (exclusive) {
      for (size_t j = 0; j < inner; j++) {
        out[row + j] = (float)sums[j];
        sums[j] += values[row + j];
      }
    } else {
      for (size_t j = 0; j < inner; j++) {
        sums[j] += values[row + j];
        out[row + j] = (float)sums[j];
      }
    }
  }
}
