#pragma once
#include "reduction_lanes.h"

// Bits and keys of float32 values, as statistics.h explains them.

enum { MAGNITUDE = 0x7fffffff, INFINITY_BITS = 0x7f800000, LOWEST_KEY = -INFINITY_BITS };

INLINED int32_t bits_of(float value) {
  int32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

INLINED float value_of_bits(int32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

INLINED int32_t key_of(float value) {
  int32_t bits = bits_of(value);
  return bits ^ ((bits >> 31) & MAGNITUDE);
}

INLINED float value_of_key(int32_t key) { return value_of_bits(key ^ ((key >> 31) & MAGNITUDE)); }

INLINED int32_t magnitude_of_key(int32_t key) { return key ^ (key >> 31); }

INLINED int is_finite(float value) { return (bits_of(value) & MAGNITUDE) < INFINITY_BITS; }
