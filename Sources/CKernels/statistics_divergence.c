#include "statistics.h"
#include "dispatch.h"
#include "reduction_lanes.h"

// ln(x) of a positive normal number to some 1e-12: x = 2^e m with m from sqrt(1/2) to sqrt(2), ln(m) = 2 artanh(s) with
// s = (m - 1) / (m + 1), as its Taylor series. The same bits on every processor, unlike the C library's.
INLINED double logarithm(double x) {
  uint64_t bits, shifted, biased;
  memcpy(&bits, &x, 8);
  shifted = bits - 0x3fe6a09e667f3bcdull;
  uint64_t exponent_bits = (((shifted >> 52) + 1024) & 0x7ff) | 0x4330000000000000ull;
  biased = (shifted & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull;
  double m, e;
  memcpy(&m, &biased, 8);
  memcpy(&e, &exponent_bits, 8);
  e -= 0x1p52 + 1024;
  double s = (m - 1) / (m + 1), z = s * s, p = 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  return e * 0x1.62e42fefa39efp-1 + 2 * (s + s * (z * p));
}

INLINED double x_log_x(double x) { return x > 0 ? x * logarithm(x) : 0; }

typedef struct {
  const double *masses, *mass_sums, *occupied_sums, *entropy_sums;
} gs_bins;

void gs_sum_bins(double *table, size_t count) {
  const size_t row = count + 1;
  double *mass_sums = table + row, *occupied_sums = table + 2 * row, *entropy_sums = table + 3 * row;
  mass_sums[0] = occupied_sums[0] = entropy_sums[0] = 0;
  for (size_t i = 0; i < count; i++) {
    mass_sums[i + 1] = mass_sums[i] + table[i];
    occupied_sums[i + 1] = occupied_sums[i] + (table[i] > 0);
    entropy_sums[i + 1] = entropy_sums[i] + x_log_x(table[i]);
  }
}

// Sum of weights * ln(levels); where a weight is 0 its level may be anything.
INLINED double weighted_logarithms(const double *weights, const double *levels, size_t count) {
  double lanes[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (int j = 0; j < LANES; j++)
      lanes[j] += weights[i + j] * logarithm(weights[i + j] > 0 ? levels[i + j] : 1);
  for (int j = 0; i < count; i++, j++) lanes[j] += weights[i] * logarithm(weights[i] > 0 ? levels[i] : 1);
  return fold_lanes(lanes);
}

// Borders of `groups` equal groups of the bins from first to below last: sums of masses and of occupied bins up to the
// bin at each border, that bin's mass where the border cuts it, and the share of it before the border.
typedef struct {
  double *mass, *occupied, *cut, *share;
} gs_borders;

INLINED void find_borders(const gs_bins *bins, size_t first, size_t last, size_t groups, gs_borders at) {
  size_t bin = first, rest = 0, width = (last - first) / groups, part = (last - first) % groups;
  const double inverse = 1.0 / (double)groups;
  for (size_t g = 0; g <= groups; g++) {
    at.mass[g] = bins->mass_sums[bin];
    at.occupied[g] = bins->occupied_sums[bin];
    at.cut[g] = rest > 0 ? bins->masses[bin] : 0;
    at.share[g] = (double)(uint32_t)rest * inverse;
    bin += width;
    rest += part;
    size_t carry = rest >= groups;
    bin += carry;
    rest -= carry ? groups : 0;
  }
}

// Mass of the bins that lie in each group as a whole, the group's level (mass for each bin that holds something), and
// the level of the bin that its first border cuts.
INLINED void spread_groups(gs_borders at, size_t groups, double *restrict whole, double *restrict level,
                           double *restrict cut_level) {
  for (size_t g = 0; g < groups; g++) {
    double before = at.share[g] * at.cut[g], before_occupied = at.cut[g] > 0 ? at.share[g] : 0;
    double after = at.share[g + 1] * at.cut[g + 1], after_occupied = at.cut[g + 1] > 0 ? at.share[g + 1] : 0;
    double mass = (at.mass[g + 1] + after) - (at.mass[g] + before);
    double places = (at.occupied[g + 1] + after_occupied) - (at.occupied[g] + before_occupied);
    whole[g] = at.mass[g + 1] - (at.mass[g] + at.cut[g]);
    level[g] = places > 0 ? mass / places : 0;
  }
  cut_level[0] = 0;
  for (size_t g = 1; g < groups; g++) cut_level[g] = at.share[g] * level[g - 1] + (1 - at.share[g]) * level[g];
}

DISPATCHED double gs_divergence(const double *table, size_t count, size_t first, size_t last, size_t levels,
                                double *scratch) {
  const gs_bins bins = {table, table + (count + 1), table + 2 * (count + 1), table + 3 * (count + 1)};
  const double *sums = bins.mass_sums, *masses = bins.masses;
  double total = sums[count], kept = sums[last] - sums[first];
  double below = sums[first], above = total - sums[last];
  double head = masses[first], tail = masses[last - 1];
  if (total <= 0) return 0;
  if ((below > 0 && head <= 0) || (above > 0 && tail <= 0)) return INFINITY;
  if (last - first == 1) return 0;
  size_t row = levels + 1;
  gs_borders at = {scratch, scratch + row, scratch + 2 * row, scratch + 3 * row};
  double *whole = scratch + 4 * row, *level = scratch + 5 * row, *cut_level = scratch + 6 * row;
  find_borders(&bins, first, last, levels, at);
  spread_groups(at, levels, whole, level, cut_level);
  double entropy = bins.entropy_sums[last] - bins.entropy_sums[first];
  entropy += x_log_x(head + below) - x_log_x(head) + x_log_x(tail + above) - x_log_x(tail);
  double cross = weighted_logarithms(whole, level, levels) + weighted_logarithms(at.cut, cut_level, levels);
  if (below > 0) cross += below * logarithm(level[0]);
  if (above > 0) cross += above * logarithm(level[levels - 1]);
  return (entropy - cross) / total + logarithm(kept) - logarithm(total);
}

// Integral of the squared rounding error from 0 to x, in steps.
INLINED double error_integral(double x, double most) {
  double nearest = __builtin_rint(x);
  nearest = nearest < most ? nearest : most;
  double r = x - nearest;
  return nearest * (1.0 / 12) + r * r * r * (1.0 / 3);
}

DISPATCHED double gs_histogram_error(const double *counts, size_t bins, double width, double end, double most,
                                     double *scratch) {
  if (bins == 0) return 0;
  double lanes[LANES] = {0};
  for (size_t i = 0; i < bins; i++) scratch[i] = error_integral((double)(uint32_t)i * width, most);
  size_t i = 0;
  for (; i + LANES < bins; i += LANES)
    for (int j = 0; j < LANES; j++) lanes[j] += counts[i + j] * (scratch[i + j + 1] - scratch[i + j]);
  for (int j = 0; i + 1 < bins; i++, j++) lanes[j] += counts[i] * (scratch[i + 1] - scratch[i]);
  double start = (double)(bins - 1) * width;
  double last = counts[bins - 1] * (error_integral(end, most) - error_integral(start, most)) / (end - start);
  return fold_lanes(lanes) / width + last;
}
