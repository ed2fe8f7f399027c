#pragma once
#include <stddef.h>
#include <stdint.h>

/// out[c * rows + r] = in[r * columns + c], elements of 1, 2, 4, 8 or 16 bytes.
void gs_transpose(const void *in, size_t rows, size_t columns, size_t width, void *out);
