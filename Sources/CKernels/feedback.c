#include "feedback.h"

#include <math.h>
#include <string.h>

#include "dispatch.h"

enum { LANES = 8, TILE = 4, WIDE = 2 };
typedef float lanes __attribute__((vector_size(LANES * 4), aligned(4)));

// One tile: products of TILE columns from i on with WIDE * LANES columns from j on.
static inline __attribute__((always_inline)) void add_tile(const float *rows, size_t count, size_t columns, size_t i,
                                                           size_t j, float *sums) {
  lanes total[TILE][WIDE] = {0};
  for (size_t row = 0; row < count; row++) {
    const float *at = rows + row * columns;
    lanes right[WIDE];
    for (int w = 0; w < WIDE; w++) right[w] = *(const lanes *)(at + j + w * LANES);
    for (int t = 0; t < TILE; t++)
      for (int w = 0; w < WIDE; w++) total[t][w] += at[i + t] * right[w];
  }
  for (int t = 0; t < TILE; t++)
    for (int w = 0; w < WIDE; w++) {
      lanes *sum = (lanes *)(sums + (i + t) * columns + j + w * LANES);
      *sum += total[t][w];
    }
}

DISPATCHED void gs_add_products(const float *rows, size_t count, size_t columns, float *sums) {
  const size_t block = 128;
  for (size_t first = 0; first < count; first += block) {
    const float *part = rows + first * columns;
    size_t size = count - first < block ? count - first : block;
    for (size_t i = 0; i < columns; i += TILE) {
      size_t j = i;
      if (i + TILE <= columns)
        for (; j + WIDE * LANES <= columns; j += WIDE * LANES) add_tile(part, size, columns, i, j, sums);
      for (size_t t = i; t < i + TILE && t < columns; t++)
        for (size_t rest = j > t ? j : t; rest < columns; rest++) {
          float total = 0;
          for (size_t row = 0; row < size; row++) total += part[row * columns + t] * part[row * columns + rest];
          sums[t * columns + rest] += total;
        }
    }
  }
}

DISPATCHED void gs_add_channel_products(const float *rows, size_t count, size_t taps, size_t channels, float *sums) {
  for (size_t row = 0; row < count; row++)
    for (size_t i = 0; i < taps; i++)
      for (size_t j = i; j < taps; j++) {
        const float *left = rows + (row * taps + i) * channels, *right = rows + (row * taps + j) * channels;
        float *sum = sums + (i * taps + j) * channels;
        for (size_t c = 0; c < channels; c++) sum[c] += left[c] * right[c];
      }
}

DISPATCHED void gs_add_rows(const float *rows, size_t count, size_t columns, float *totals) {
  for (size_t row = 0; row < count; row++)
    for (size_t i = 0; i < columns; i++) totals[i] += rows[row * columns + i];
}

// Subtracts from row i, columns from `first` on, the rows in `done` above it times their elements in column i.
static inline __attribute__((always_inline)) void subtract(double *matrix, size_t size, size_t i, size_t done,
                                                           size_t end, size_t first) {
  double *target = matrix + i * size;
  size_t p = done;
  for (; p + 4 <= end; p += 4) {
    const double *r0 = matrix + p * size, *r1 = r0 + size, *r2 = r1 + size, *r3 = r2 + size;
    double a = r0[i], b = r1[i], c = r2[i], d = r3[i];
    for (size_t k = first; k < size; k++) target[k] -= (a * r0[k] + b * r1[k]) + (c * r2[k] + d * r3[k]);
  }
  for (; p < end; p++) {
    const double *row = matrix + p * size;
    double a = row[i];
    for (size_t k = first; k < size; k++) target[k] -= a * row[k];
  }
}

DISPATCHED int gs_factor(double *matrix, size_t size) {
  const size_t block = 24;
  for (size_t start = 0; start < size; start += block) {
    size_t end = start + block < size ? start + block : size;
    for (size_t i = start; i < end; i++) {
      subtract(matrix, size, i, start, i, i);
      double *row = matrix + i * size;
      if (!(row[i] > 0) || !isfinite(row[i])) return -1;
      double root = sqrt(row[i]), inverse = 1 / root;
      row[i] = root;
      for (size_t k = i + 1; k < size; k++) row[k] *= inverse;
    }
    for (size_t i = end; i < size; i++) subtract(matrix, size, i, start, end, i);
  }
  return 0;
}

typedef float wide __attribute__((vector_size(GS_FEEDBACK_ROWS * 4), aligned(4)));

DISPATCHED void gs_round_with_feedback(const float *weights, size_t size, const float *coefficients,
                                       const float *shares, const float *scales, const float *lowest,
                                       const float *highest, size_t step, float *integers, float *errors,
                                       double *losses) {
  const wide *w = (const wide *)weights;
  wide *e = (wide *)errors, *out = (wide *)integers;
  double total[GS_FEEDBACK_ROWS] = {0};
  for (size_t i = size; i-- > 0;) {
    const float *row = coefficients + i * size;
    wide scale = *(const wide *)(scales + i * step), low = *(const wide *)(lowest + i * step),
         high = *(const wide *)(highest + i * step);
    wide a = {0}, b = {0}, c = {0}, d = {0};
    size_t k = i + 1;
    for (; k + 4 <= size; k += 4) {
      a += row[k] * e[k];
      b += row[k + 1] * e[k + 1];
      c += row[k + 2] * e[k + 2];
      d += row[k + 3] * e[k + 3];
    }
    for (; k < size; k++) a += row[k] * e[k];
    wide wanted = w[i] + ((a + b) + (c + d));
    wide integer = wanted / scale;
    for (int r = 0; r < GS_FEEDBACK_ROWS; r++) {
      float nearest = nearbyintf(integer[r]);
      integer[r] = nearest < low[r] ? low[r] : nearest > high[r] ? high[r] : nearest;
    }
    wide rounded = integer * scale, miss = wanted - rounded;
    out[i] = integer;
    e[i] = w[i] - rounded;
    wide loss = miss * miss * shares[i];
    for (int r = 0; r < GS_FEEDBACK_ROWS; r++) total[r] += loss[r];
  }
  memcpy(losses, total, sizeof total);
}

// [size][GS_FEEDBACK_ROWS] times a symmetric matrix; the result lies row by row.
static inline __attribute__((always_inline)) void multiply(const float *matrix, const wide *rows, size_t size,
                                                           float *out) {
  for (size_t i = 0; i < size; i++) {
    const float *at = matrix + i * size;
    wide a = {0}, b = {0};
    size_t k = 0;
    for (; k + 2 <= size; k += 2) {
      a += at[k] * rows[k];
      b += at[k + 1] * rows[k + 1];
    }
    if (k < size) a += at[k] * rows[k];
    a += b;
    for (int r = 0; r < GS_FEEDBACK_ROWS; r++) out[(size_t)r * size + i] = a[r];
  }
}

DISPATCHED void gs_refine_rounding(const float *matrix, const float *weights, size_t size, size_t rows,
                                   const float *scales, const float *lowest, const float *highest, size_t step,
                                   int rescales, float *integers, float *scratch, float *factors) {
  enum { SWEEPS = 8 };
  float *wanted = scratch, *made = scratch + size * GS_FEEDBACK_ROWS;
  float *values = made + size * GS_FEEDBACK_ROWS, *spread = values + size * GS_FEEDBACK_ROWS;
  for (size_t i = 0; i < size; i++)
    for (size_t r = 0; r < GS_FEEDBACK_ROWS; r++)
      values[i * GS_FEEDBACK_ROWS + r] = integers[i * GS_FEEDBACK_ROWS + r] * scales[i * step + r];
  multiply(matrix, (const wide *)weights, size, wanted);
  multiply(matrix, (const wide *)values, size, made);
  for (size_t r = 0; r < rows; r++) {
    float *want = wanted + r * size, *make = made + r * size, factor = 1;
    for (size_t i = 0; i < size; i++) spread[i] = scales[i * step + r];
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
      int moved = 0;
      for (size_t i = 0; i < size; i++) {
        const float scale = spread[i], pull = want[i] - make[i];
        const float *row = matrix + i * size;
        if (!(fabsf(pull) > scale * row[i] * 0.50005f)) continue;
        float *at = integers + i * GS_FEEDBACK_ROWS + r;
        const float change = pull > 0 ? 1 : -1, integer = *at + change;
        if (integer < lowest[i * step + r] || integer > highest[i * step + r]) continue;
        *at = integer;
        moved = 1;
        for (size_t k = 0; k < size; k++) make[k] += scale * change * row[k];
      }
      if (!moved && sweep > 0) break;
      if (!rescales) continue;
      double with = 0, self = 0;
      for (size_t i = 0; i < size; i++) {
        const double value = (double)*(integers + i * GS_FEEDBACK_ROWS + r) * spread[i];
        with += value * want[i];
        self += value * make[i];
      }
      const float better = (float)(with / self);
      if (!(self > 0) || !(better > 0.8f && better < 1.25f)) continue;
      factor *= better;
      for (size_t i = 0; i < size; i++) spread[i] *= better, make[i] *= better;
    }
    factors[r] = factor;
  }
}
