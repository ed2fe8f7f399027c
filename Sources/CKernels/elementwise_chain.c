#include "elementwise.h"

// One tile: where operands and buffers lie.
typedef struct {
  const gs_operand *operands;
  size_t operand_count, rows, count, row, column;
  float *buffers, *out;
} tile;

static float *memory(const tile *t, int32_t place) {
  return place < 0 ? t->out : t->buffers + (size_t)(place - (int32_t)t->operand_count) * GS_TILE;
}

static gs_operand operand(const tile *t, int32_t place) {
  if (place < 0 || (size_t)place >= t->operand_count) {
    gs_operand result = {memory(t, place), (ptrdiff_t)t->count, 1};
    return result;
  }
  gs_operand result = t->operands[place];
  result.base = (const float *)result.base + (ptrdiff_t)t->row * result.row + (ptrdiff_t)t->column * result.column;
  return result;
}

static int is_dense(const tile *t, gs_operand x) {
  return x.column == 1 && (t->rows == 1 || x.row == (ptrdiff_t)t->count);
}

static void run_tile(const tile *t, const gs_step *steps, size_t step_count) {
  for (size_t i = 0; i < step_count; i++) {
    const gs_step *s = steps + i;
    gs_operand left = operand(t, s->left);
    float *out = memory(t, s->output);
    if (s->is_function) {
      gs_apply(s->function, left.base, t->rows * t->count, s->p, s->q, out);
      continue;
    }
    gs_operand right = operand(t, s->right);
    if (is_dense(t, left) && is_dense(t, right))
      gs_combine(s->binary, GS_FLOAT32, 1, t->rows * t->count, left, right, out);
    else
      gs_combine(s->binary, GS_FLOAT32, t->rows, t->count, left, right, out);
  }
}

void gs_run_steps(const gs_step *steps, size_t step_count, const gs_operand *operands, size_t operand_count,
                  size_t rows, size_t count, float *buffers, float *out) {
  size_t columns = count < GS_TILE ? count : GS_TILE, rows_at_once = count < GS_TILE ? GS_TILE / count : 1;
  tile t = {operands, operand_count, 0, 0, 0, 0, buffers, out};
  for (t.row = 0; t.row < rows; t.row += rows_at_once) {
    t.rows = rows - t.row < rows_at_once ? rows - t.row : rows_at_once;
    for (t.column = 0; t.column < count; t.column += columns) {
      t.count = count - t.column < columns ? count - t.column : columns;
      t.out = out + t.row * count + t.column;
      run_tile(&t, steps, step_count);
    }
  }
}
