#include "statistics.h"
#include "dispatch.h"
#include "statistics_keys.h"

// Comparing with the infinities leaves out NaN too.
INLINED float lower(float v, float low) { return ((v < low) & (v > -INFINITY)) ? v : low; }
INLINED float higher(float v, float high) { return ((v > high) & (v < INFINITY)) ? v : high; }
INLINED double kept(float v) { return is_finite(v) ? v : 0.0f; }

INLINED void row_range(const float *in, size_t count, float *low, float *high) {
  int32_t lowest = INFINITY_BITS, highest = LOWEST_KEY - 1;
  for (size_t i = 0; i < count; i++) {
    int32_t key = key_of(in[i]), known = is_finite(in[i]);
    int32_t least = known ? key : INFINITY_BITS, most = known ? key : LOWEST_KEY - 1;
    lowest = least < lowest ? least : lowest;
    highest = most > highest ? most : highest;
  }
  *low = lower(value_of_key(lowest), *low);
  *high = higher(value_of_key(highest), *high);
}

DISPATCHED void gs_channel_ranges(const float *values, size_t outer, size_t channels, size_t inner, float *lows,
                                  float *highs) {
  if (inner != 1) {
    for (size_t o = 0; o < outer; o++)
      for (size_t c = 0; c < channels; c++, values += inner) row_range(values, inner, lows + c, highs + c);
    return;
  }
  for (size_t o = 0; o < outer; o++, values += channels)
    for (size_t c = 0; c < channels; c++) {
      lows[c] = lower(values[c], lows[c]);
      highs[c] = higher(values[c], highs[c]);
    }
}

INLINED void row_sums(const float *in, size_t count, double *sum, double *square) {
  double sums[LANES] = {0}, squares[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      double v = kept(in[i + j]);
      sums[j] += v;
      if (square != NULL) squares[j] += v * v;
    }
  for (int j = 0; i < count; i++, j++) {
    double v = kept(in[i]);
    sums[j] += v;
    if (square != NULL) squares[j] += v * v;
  }
  *sum += fold_lanes(sums);
  if (square != NULL) *square += fold_lanes(squares);
}

// Four rows of channels at a time, so that sums are read and written once for all four.
INLINED void column_sums(const float *in, size_t rows, size_t channels, double *restrict sums,
                          double *restrict squares) {
  for (; rows >= 4; rows -= 4, in += 4 * channels)
    for (size_t c = 0; c < channels; c++) {
      double p = kept(in[c]), q = kept(in[channels + c]);
      double r = kept(in[2 * channels + c]), s = kept(in[3 * channels + c]);
      sums[c] += (p + q) + (r + s);
      if (squares != NULL) squares[c] += (p * p + q * q) + (r * r + s * s);
    }
  for (; rows > 0; rows--, in += channels)
    for (size_t c = 0; c < channels; c++) {
      double p = kept(in[c]);
      sums[c] += p;
      if (squares != NULL) squares[c] += p * p;
    }
}

DISPATCHED void gs_channel_sums(const float *values, size_t outer, size_t channels, size_t inner, double *sums,
                                double *squares) {
  if (inner == 1) {
    if (squares == NULL) column_sums(values, outer, channels, sums, NULL);
    else column_sums(values, outer, channels, sums, squares);
    return;
  }
  for (size_t o = 0; o < outer; o++)
    for (size_t c = 0; c < channels; c++, values += inner) {
      if (squares == NULL) row_sums(values, inner, sums + c, NULL);
      else row_sums(values, inner, sums + c, squares + c);
    }
}

DISPATCHED double gs_spread(const float *values, size_t count, double center) {
  double lanes[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      double d = is_finite(values[i + j]) ? values[i + j] - center : 0;
      lanes[j] += d * d;
    }
  for (int j = 0; i < count; i++, j++) {
    double d = is_finite(values[i]) ? values[i] - center : 0;
    lanes[j] += d * d;
  }
  return fold_lanes(lanes);
}

DISPATCHED void gs_pair_sums(const float *a, const float *b, size_t count, double *products, double *squares_a,
                             double *squares_b) {
  double ab[LANES] = {0}, aa[LANES] = {0}, bb[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++) {
      double x = a[i + j], y = b[i + j];
      ab[j] += x * y;
      aa[j] += x * x;
      bb[j] += y * y;
    }
  for (int j = 0; i < count; i++, j++) {
    double x = a[i], y = b[i];
    ab[j] += x * y;
    aa[j] += x * x;
    bb[j] += y * y;
  }
  *products = fold_lanes(ab);
  *squares_a = fold_lanes(aa);
  *squares_b = fold_lanes(bb);
}

DISPATCHED size_t gs_count_outside(const float *values, size_t count, float low, float high) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++)
    total += ((values[i] < low) & (values[i] > -INFINITY)) | ((values[i] > high) & (values[i] < INFINITY));
  return total;
}
