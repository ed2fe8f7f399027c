#include "movement.h"

#include <string.h>

typedef struct {
  intptr_t extent, in, out;
} axis;

// Elements may lie at any address once neighbours are moved as one wider element.
typedef uint8_t u8 __attribute__((aligned(1), may_alias));
typedef uint16_t u16 __attribute__((aligned(1), may_alias));
typedef uint32_t u32 __attribute__((aligned(1), may_alias));
typedef uint64_t u64 __attribute__((aligned(1), may_alias));
typedef struct { u64 low, high; } u128;

static inline intptr_t magnitude(intptr_t stride) { return stride < 0 ? -stride : stride; }

// Drops axes of one element, puts the others into the order of the result's memory, and makes one
// axis of neighbours that move together. Strides become bytes.
static size_t arrange(axis *axes, const intptr_t *in, const intptr_t *out, const intptr_t *extents, size_t rank,
                      size_t width) {
  size_t found = 0;
  for (size_t r = 0; r < rank; r++) {
    if (extents[r] == 1) continue;
    axis next = {extents[r], in[r] * (intptr_t)width, out[r] * (intptr_t)width};
    size_t place = found++;
    for (; place > 0 && magnitude(axes[place - 1].out) < magnitude(next.out); place--) axes[place] = axes[place - 1];
    axes[place] = next;
  }
  size_t kept = 0;
  for (size_t a = 0; a < found; a++) {
    axis *last = axes + kept - 1;
    if (kept > 0 && last->in == axes[a].in * axes[a].extent && last->out == axes[a].out * axes[a].extent)
      *last = (axis){last->extent * axes[a].extent, axes[a].in, axes[a].out};
    else
      axes[kept++] = axes[a];
  }
  return kept;
}

static inline __attribute__((always_inline)) void copy_run(const char *in, char *out, size_t run) {
  if (run > 32) {
    memcpy(out, in, run);
  } else if (run >= 16) {
    u128 head = *(const u128 *)in, tail = *(const u128 *)(in + run - 16);
    *(u128 *)out = head;
    *(u128 *)(out + run - 16) = tail;
  } else if (run >= 8) {
    u64 head = *(const u64 *)in, tail = *(const u64 *)(in + run - 8);
    *(u64 *)out = head;
    *(u64 *)(out + run - 8) = tail;
  } else {
    for (size_t i = 0; i < run; i++) out[i] = in[i];
  }
}

#define EACH(TYPE, SOURCE, STEP)                                                                   \
  for (size_t i = 0; i < count; i++) *(TYPE *)(out + (intptr_t)i * (STEP)) = *(const TYPE *)(SOURCE)

#define LINE(NAME, TYPE)                                                                           \
  static void NAME(const char *in, intptr_t from, char *out, intptr_t to, size_t count) {          \
    const intptr_t width = sizeof(TYPE);                                                           \
    if (to != width)                                                                               \
      EACH(TYPE, in + (intptr_t)i * from, to);                                                     \
    else if (from == 0) {                                                                          \
      TYPE element = *(const TYPE *)in;                                                            \
      EACH(TYPE, &element, width);                                                                 \
    } else if (from == -width)                                                                     \
      EACH(TYPE, in - (intptr_t)i * width, width);                                                 \
    else if (from == 2 * width)                                                                    \
      EACH(TYPE, in + (intptr_t)i * 2 * width, width);                                             \
    else                                                                                           \
      EACH(TYPE, in + (intptr_t)i * from, width);                                                  \
  }

LINE(line8, u8)
LINE(line16, u16)
LINE(line32, u32)
LINE(line64, u64)
LINE(line128, u128)

static void move_line(const char *in, intptr_t from, char *out, intptr_t to, size_t count, size_t width) {
  switch (width) {
    case 1: line8(in, from, out, to, count); break;
    case 2: line16(in, from, out, to, count); break;
    case 4: line32(in, from, out, to, count); break;
    case 8: line64(in, from, out, to, count); break;
    default: line128(in, from, out, to, count); break;
  }
}

// The axis along which the input is dense, when the result is dense along the last one.
static size_t crossing_axis(const axis *axes, size_t count, size_t width) {
  const axis *line = axes + count - 1;
  if (line->out != (intptr_t)width || line->in == 0) return count;
  for (size_t a = 0; a + 1 < count; a++)
    if (axes[a].in == (intptr_t)width) return a;
  return count;
}

typedef struct {
  size_t width, run;
  axis line, crossing;
} plan;

static inline void move_one(const plan *p, const char *in, char *out) {
  if (p->run) {
    copy_run(in, out, p->run);
  } else if (p->crossing.extent) {
    gs_transpose_strided(in, p->line.in, out, p->crossing.out, (size_t)p->line.extent, (size_t)p->crossing.extent,
                         p->width);
  } else {
    move_line(in, p->line.in, out, p->line.out, (size_t)p->line.extent, p->width);
  }
}

static void move_all(const plan *p, const axis *axes, size_t count, const char *in, char *out) {
  if (count == 0) {
    move_one(p, in, out);
    return;
  }
  const axis last = axes[count - 1];
  intptr_t index[GS_MOST_AXES] = {0};
  while (1) {
    const char *from = in;
    char *to = out;
    for (intptr_t i = 0; i < last.extent; i++, from += last.in, to += last.out) move_one(p, from, to);
    size_t a = count - 1;
    while (a-- > 0) {
      in += axes[a].in, out += axes[a].out;
      if (++index[a] < axes[a].extent) break;
      in -= axes[a].in * axes[a].extent, out -= axes[a].out * axes[a].extent;
      index[a] = 0;
    }
    if (a == (size_t)-1) return;
  }
}

void gs_move(const void *in, const intptr_t *in_strides, void *out, const intptr_t *out_strides,
             const intptr_t *extents, size_t rank, size_t width) {
  axis axes[GS_MOST_AXES];
  for (size_t r = 0; r < rank; r++)
    if (extents[r] == 0) return;
  size_t count = arrange(axes, in_strides, out_strides, extents, rank, width);
  plan p = {.width = width};
  if (count > 0 && axes[count - 1].in == (intptr_t)width && axes[count - 1].out == (intptr_t)width) {
    size_t run = (size_t)axes[--count].extent * width;
    if (run > 16 || (run & (run - 1)) != 0)
      p.run = run;
    else
      p.width = run;
  }
  if (!p.run && count > 0) {
    size_t crossing = crossing_axis(axes, count, p.width);
    p.line = axes[count - 1];
    if (crossing < count) {
      p.crossing = axes[crossing];
      memmove(axes + crossing, axes + crossing + 1, (count - crossing - 1) * sizeof *axes);
      count--;
    }
    count--;
  } else if (!p.run) {
    p.run = p.width;
  }
  move_all(&p, axes, count, in, out);
}

void gs_move_rows(const void *in, intptr_t in_stride, void *out, intptr_t out_stride, size_t rows, size_t run) {
  const char *from = in;
  char *to = out;
  if (in_stride == (intptr_t)run && out_stride == (intptr_t)run) {
    memcpy(to, from, rows * run);
  } else if (run == 4 || run == 8) {
    move_line(from, in_stride, to, out_stride, rows, run);
  } else {
    for (size_t r = 0; r < rows; r++, from += in_stride, to += out_stride) copy_run(from, to, run);
  }
}

#define GATHER(TYPE)                                                                               \
  for (size_t i = 0; i < count; i++) ((TYPE *)out)[i] = ((const TYPE *)in)[rows[i]]

void gs_gather_rows(const void *in, const int64_t *rows, size_t count, size_t run, void *out) {
  const char *from = in;
  char *to = out;
  switch (run) {
    case 1: GATHER(u8); break;
    case 2: GATHER(u16); break;
    case 4: GATHER(u32); break;
    case 8: GATHER(u64); break;
    default:
      for (size_t i = 0; i < count; i++, to += run) copy_run(from + rows[i] * (intptr_t)run, to, run);
  }
}

void gs_fill(void *out, const void *element, size_t width, size_t count) {
  const char *bytes = element;
  size_t i = 1;
  while (i < width && bytes[i] == bytes[0]) i++;
  if (i == width)
    memset(out, bytes[0], width * count);
  else
    move_line(element, 0, out, (intptr_t)width, count, width);
}

void gs_pad(const void *in, void *out, const gs_pad_axis *axes, size_t rank, const void *element, size_t width) {
  const char *from = in;
  char *to = out;
  const gs_pad_axis axis = axes[0];
  const size_t step = axis.out_stride * width;
  gs_fill(to, element, width, axis.before * axis.out_stride);
  to += axis.before * step;
  if (rank == 1) {
    if (axis.count) memcpy(to, from, axis.count * step);
  } else {
    for (size_t i = 0; i < axis.count; i++)
      gs_pad(from + i * axis.in_stride * width, to + i * step, axes + 1, rank - 1, element, width);
  }
  gs_fill(to + axis.count * step, element, width, axis.after * axis.out_stride);
}
