#include "images.h"
#include "dispatch.h"

void gs_image_row(const uint8_t *row, size_t row_stride, const uint32_t *columns, const float *weights,
                     size_t taps, size_t width, const float *table, float *out, size_t out_stride) {
  if (taps == 1) {
    for (size_t x = 0; x < width; x++) out[x * out_stride] = table[row[columns[x] * row_stride]] * weights[x];
  } else if (taps == 2) {
    for (size_t x = 0; x < width; x++)
      out[x * out_stride] = table[row[columns[2 * x] * row_stride]] * weights[2 * x] +
                            table[row[columns[2 * x + 1] * row_stride]] * weights[2 * x + 1];
  } else {
    for (size_t x = 0; x < width; x++) {
      float sum = 0;
      for (size_t t = 0; t < taps; t++)
        sum += table[row[columns[x * taps + t] * row_stride]] * weights[x * taps + t];
      out[x * out_stride] = sum;
    }
  }
}

DISPATCHED
void gs_image_blend(const float *const *rows, const float *weights, size_t taps, size_t count,
                   float *restrict out) {
  for (size_t i = 0; i < count; i++) out[i] = rows[0][i] * weights[0];
  for (size_t t = 1; t < taps; t++)
    for (size_t i = 0; i < count; i++) out[i] += rows[t][i] * weights[t];
}

DISPATCHED
void gs_image_gray(const uint8_t *pixels, size_t count, uint8_t *gray) {
  for (size_t i = 0; i < count; i++)
    gray[i] = (uint8_t)((pixels[3 * i] * 9798 + pixels[3 * i + 1] * 19235 + pixels[3 * i + 2] * 3735 + 16384) >> 15);
}
