#include "CKernels.h"
#include "dispatch.h"

enum { LANES = 8 };

// With one position a channel's share of the variance is its own times the square of its weight.
DISPATCHED static void one_position(const float *weights, size_t channels, const double *means,
                                    const double *variances, double *mean, double *variance) {
  double firsts[LANES] = {0}, seconds[LANES] = {0};
  size_t c = 0;
  for (; c + LANES <= channels; c += LANES)
    for (int j = 0; j < LANES; j++) {
      double w = weights[c + j];
      firsts[j] += w * means[c + j];
      seconds[j] += w * w * variances[c + j];
    }
  for (int j = 0; c < channels; c++, j++) {
    double w = weights[c];
    firsts[j] += w * means[c];
    seconds[j] += w * w * variances[c];
  }
  for (int j = 0; j < LANES; j++) *mean += firsts[j], *variance += seconds[j];
}

void gs_forecast_sum(const float *weights, size_t channels, size_t kernel, const double *means,
                     const double *variances, double correlation, double *mean, double *variance) {
  if (kernel == 1) {
    one_position(weights, channels, means, variances, mean, variance);
    return;
  }
  for (size_t c = 0; c < channels; c++) {
    double sum = 0, squares = 0;
    for (size_t k = c * kernel; k < (c + 1) * kernel; k++) {
      sum += weights[k];
      squares += (double)weights[k] * weights[k];
    }
    *mean += sum * means[c];
    *variance += variances[c] * ((1 - correlation) * squares + correlation * sum * sum);
  }
}
