#include "reduction.h"
#include "dispatch.h"
#include "reduction_lanes.h"

// The functions below are inlined where `kind` is known, so that each loop has one kind of term.
enum { SQUARES_ABOUT = 100 };

INLINED float term(int32_t kind, float v, float center) {
  switch (kind) {
    case GS_REDUCE_SUM_MAGNITUDES: return fabsf(v);
    case GS_REDUCE_SUM_SQUARES: return v * v;
    case GS_REDUCE_LOG_SUM_EXP: return exponential(v - center);
    case SQUARES_ABOUT: return (v - center) * (v - center);
    default: return v;
  }
}

INLINED double row_sum(int32_t kind, const float *in, size_t count, float center) {
  double total[LANES] = {0};
  size_t i = 0;
  if (count < LANES) {
    for (; i < count; i++) total[0] += term(kind, in[i], center);
    return total[0];
  }
  while (i < count) {
    float block[LANES] = {0};
    size_t end = i + BLOCK < count ? i + BLOCK : count;
    for (; i + LANES <= end; i += LANES)
      for (int j = 0; j < LANES; j++) block[j] += term(kind, in[i + j], center);
    for (int j = 0; i < end; i++, j++) block[j] += term(kind, in[i], center);
    for (int j = 0; j < LANES; j++) total[j] += block[j];
  }
  return fold_lanes(total);
}

INLINED double row_product(const float *in, size_t count) {
  double lanes[LANES];
  for (int j = 0; j < LANES; j++) lanes[j] = 1;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) lanes[j] *= in[i + j];
  for (int j = 0; i < count; i++, j++) lanes[j] *= in[i];
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lanes[j] *= lanes[j + width];
  return lanes[0];
}

// The larger or smaller; NaN wins over everything.
INLINED float pick(int32_t kind, float v, float best) {
  if (kind == GS_REDUCE_MAXIMUM) return ((v > best) | (v != v)) ? v : best;
  return ((v < best) | (v != v)) ? v : best;
}

INLINED float row_best(int32_t kind, const float *in, size_t count) {
  float lanes[LANES];
  for (int j = 0; j < LANES; j++) lanes[j] = in[0];
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) lanes[j] = pick(kind, in[i + j], lanes[j]);
  for (; i < count; i++) lanes[0] = pick(kind, in[i], lanes[0]);
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lanes[j] = pick(kind, lanes[j + width], lanes[j]);
  return lanes[0];
}

INLINED float log_sum(double sum, float center) { return (float)(center + log(sum)); }

INLINED float row_log_sum(const float *in, size_t count) {
  float largest = row_best(GS_REDUCE_MAXIMUM, in, count);
  if (!isfinite(largest)) return largest;
  return log_sum(row_sum(GS_REDUCE_LOG_SUM_EXP, in, count, largest), largest);
}

DISPATCHED void gs_reduce_rows(int32_t reduction, const float *in, size_t rows, size_t count, float *out) {
#define ROWS(RESULT) \
  for (size_t r = 0; r < rows; r++, in += count) out[r] = (float)(RESULT)
  switch (reduction) {
    case GS_REDUCE_SUM: ROWS(row_sum(GS_REDUCE_SUM, in, count, 0)); break;
    case GS_REDUCE_SUM_MAGNITUDES: ROWS(row_sum(GS_REDUCE_SUM_MAGNITUDES, in, count, 0)); break;
    case GS_REDUCE_SUM_SQUARES: ROWS(row_sum(GS_REDUCE_SUM_SQUARES, in, count, 0)); break;
    case GS_REDUCE_PRODUCT: ROWS(row_product(in, count)); break;
    case GS_REDUCE_MAXIMUM: ROWS(row_best(GS_REDUCE_MAXIMUM, in, count)); break;
    case GS_REDUCE_MINIMUM: ROWS(row_best(GS_REDUCE_MINIMUM, in, count)); break;
    default: ROWS(row_log_sum(in, count)); break;
  }
#undef ROWS
}

DISPATCHED void gs_row_sums(const float *in, size_t rows, size_t count, double *sums) {
  for (size_t r = 0; r < rows; r++) sums[r] = row_sum(GS_REDUCE_SUM, in + r * count, count, 0);
}

DISPATCHED void gs_row_squares(const float *in, size_t rows, size_t count, const float *centers, double *sums) {
  for (size_t r = 0; r < rows; r++) sums[r] = row_sum(SQUARES_ABOUT, in + r * count, count, centers[r]);
}

// One tile of at most TILE columns.
INLINED void column_sums(int32_t kind, const float *in, size_t rows, size_t stride, size_t width,
                         const float *centers, double *total) {
  for (size_t j = 0; j < width; j++) total[j] = 0;
  for (size_t r = 0; r < rows;) {
    float block[TILE] = {0};
    size_t end = r + TILE_ROWS < rows ? r + TILE_ROWS : rows;
    for (; r < end; r++)
      for (size_t j = 0; j < width; j++)
        block[j] += term(kind, in[r * stride + j], centers == NULL ? 0 : centers[j]);
    for (size_t j = 0; j < width; j++) total[j] += block[j];
  }
}

INLINED void column_products(const float *in, size_t rows, size_t stride, size_t width, double *total) {
  for (size_t j = 0; j < width; j++) total[j] = 1;
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < width; j++) total[j] *= in[r * stride + j];
}

INLINED void column_best(int32_t kind, const float *in, size_t rows, size_t stride, size_t width, float *best) {
  for (size_t j = 0; j < width; j++) best[j] = in[j];
  for (size_t r = 1; r < rows; r++)
    for (size_t j = 0; j < width; j++) best[j] = pick(kind, in[r * stride + j], best[j]);
}

INLINED void column_log_sums(const float *in, size_t rows, size_t stride, size_t width, float *out) {
  float largest[TILE], centers[TILE];
  double total[TILE];
  column_best(GS_REDUCE_MAXIMUM, in, rows, stride, width, largest);
  for (size_t j = 0; j < width; j++) centers[j] = isfinite(largest[j]) ? largest[j] : 0;
  column_sums(GS_REDUCE_LOG_SUM_EXP, in, rows, stride, width, centers, total);
  for (size_t j = 0; j < width; j++)
    out[j] = isfinite(largest[j]) ? log_sum(total[j], largest[j]) : largest[j];
}

INLINED void reduce_tile(int32_t reduction, const float *in, size_t rows, size_t stride, size_t width, float *out) {
  double total[TILE];
  switch (reduction) {
    case GS_REDUCE_MAXIMUM: column_best(GS_REDUCE_MAXIMUM, in, rows, stride, width, out); return;
    case GS_REDUCE_MINIMUM: column_best(GS_REDUCE_MINIMUM, in, rows, stride, width, out); return;
    case GS_REDUCE_LOG_SUM_EXP: column_log_sums(in, rows, stride, width, out); return;
    case GS_REDUCE_PRODUCT: column_products(in, rows, stride, width, total); break;
    case GS_REDUCE_SUM_MAGNITUDES: column_sums(GS_REDUCE_SUM_MAGNITUDES, in, rows, stride, width, NULL, total); break;
    case GS_REDUCE_SUM_SQUARES: column_sums(GS_REDUCE_SUM_SQUARES, in, rows, stride, width, NULL, total); break;
    default: column_sums(GS_REDUCE_SUM, in, rows, stride, width, NULL, total); break;
  }
  for (size_t j = 0; j < width; j++) out[j] = (float)total[j];
}

DISPATCHED void gs_reduce_columns(int32_t reduction, const float *in, size_t rows, size_t stride, size_t columns,
                                  float *out) {
  size_t c = 0;
  for (; c + TILE <= columns; c += TILE) reduce_tile(reduction, in + c, rows, stride, TILE, out + c);
  if (c < columns) reduce_tile(reduction, in + c, rows, stride, columns - c, out + c);
}

DISPATCHED void gs_column_sums(const float *in, size_t rows, size_t stride, size_t columns, double *sums) {
  size_t c = 0;
  for (; c + TILE <= columns; c += TILE) column_sums(GS_REDUCE_SUM, in + c, rows, stride, TILE, NULL, sums + c);
  if (c < columns) column_sums(GS_REDUCE_SUM, in + c, rows, stride, columns - c, NULL, sums + c);
}

DISPATCHED void gs_column_squares(const float *in, size_t rows, size_t stride, size_t columns,
                                  const float *centers, double *sums) {
  size_t c = 0;
  for (; c + TILE <= columns; c += TILE)
    column_sums(SQUARES_ABOUT, in + c, rows, stride, TILE, centers + c, sums + c);
  if (c < columns) column_sums(SQUARES_ABOUT, in + c, rows, stride, columns - c, centers + c, sums + c);
}
