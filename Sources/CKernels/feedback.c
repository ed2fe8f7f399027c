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

// A row of a matrix times the errors.
static inline __attribute__((always_inline)) void gradient(const float *row, const wide *errors, size_t size,
                                                           wide *result) {
  wide a = {0}, b = {0}, c = {0}, d = {0};
  size_t k = 0;
  for (; k + 4 <= size; k += 4) {
    a += row[k] * errors[k];
    b += row[k + 1] * errors[k + 1];
    c += row[k + 2] * errors[k + 2];
    d += row[k + 3] * errors[k + 3];
  }
  for (; k < size; k++) a += row[k] * errors[k];
  *result = (a + b) + (c + d);
}

DISPATCHED void gs_descend_rounding(const float *weights, size_t size, const float *products, const float *scales,
                                    const float *lowest, const float *highest, size_t step, float *integers,
                                    float *errors) {
  const wide *w = (const wide *)weights;
  wide *e = (wide *)errors, *out = (wide *)integers;
  for (size_t i = 0; i < size; i++) {
    float power = products[i * size + i];
    if (!(power > 0)) continue;
    wide scale = *(const wide *)(scales + i * step), low = *(const wide *)(lowest + i * step),
         high = *(const wide *)(highest + i * step);
    wide slope;
    gradient(products + i * size, e, size, &slope);
    wide wanted = w[i] - e[i] + slope / power;
    wide integer = wanted / scale;
    for (int r = 0; r < GS_FEEDBACK_ROWS; r++) {
      float nearest = nearbyintf(integer[r]);
      integer[r] = nearest < low[r] ? low[r] : nearest > high[r] ? high[r] : nearest;
    }
    out[i] = integer;
    e[i] = w[i] - integer * scale;
  }
}

DISPATCHED void gs_refit_scales(const float *weights, size_t size, const float *products, const uint32_t *members,
                                size_t block, float most, float *scales, size_t step, const float *integers,
                                float *errors) {
  const wide *w = (const wide *)weights, *q = (const wide *)integers;
  wide *e = (wide *)errors;
  for (size_t first = 0; first + block <= size && block > 0; first += block) {
    const uint32_t *places = members + first;
    wide along = {0}, power = {0};
    for (size_t m = 0; m < block; m++) {
      const float *row = products + places[m] * size;
      wide own = {0}, slope;
      for (size_t n = 0; n < block; n++) own += row[places[n]] * q[places[n]];
      gradient(row, e, size, &slope);
      along += q[places[m]] * slope;
      power += q[places[m]] * own;
    }
    wide *at = (wide *)(scales + places[0] * step), scale = *at;
    for (int r = 0; r < GS_FEEDBACK_ROWS; r++) {
      float change = power[r] > 0 ? along[r] / power[r] : 0, bound = most * scale[r];
      if (change > -bound && change < bound) scale[r] += change;
    }
    *at = scale;
    for (size_t m = 0; m < block; m++) {
      *(wide *)(scales + places[m] * step) = scale;
      e[places[m]] = w[places[m]] - q[places[m]] * scale;
    }
  }
}

DISPATCHED void gs_rounding_losses(size_t size, const float *coefficients, const float *shares, const float *errors,
                                   double *losses) {
  const wide *e = (const wide *)errors;
  double total[GS_FEEDBACK_ROWS] = {0};
  for (size_t i = 0; i < size; i++) {
    wide miss;
    gradient(coefficients + i * size + i + 1, e + i + 1, size - i - 1, &miss);
    miss += e[i];
    wide loss = miss * miss * shares[i];
    for (int r = 0; r < GS_FEEDBACK_ROWS; r++) total[r] += loss[r];
  }
  memcpy(losses, total, sizeof total);
}
