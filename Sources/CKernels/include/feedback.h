#pragma once
#include <stddef.h>
#include <stdint.h>

// Rounding of weights that makes up for earlier weights' errors (GPTQ, arXiv 2210.17323).

// Adds to `sums` [columns][columns] the products of the rows' columns, upper triangle only:
// sums[i][j] += sum over rows of row[i] * row[j], i <= j. Rows lie one after another.
void gs_add_products(const float *rows, size_t count, size_t columns, float *sums);

// The same for many small matrices at once: rows are [taps][channels], sums [taps][taps][channels], all of each
// matrix's upper triangle.
void gs_add_channel_products(const float *rows, size_t count, size_t taps, size_t channels, float *sums);

// Adds rows up: totals[i] += sum over rows of row[i].
void gs_add_rows(const float *rows, size_t count, size_t columns, float *totals);

// Factors a symmetric matrix, whose upper triangle is given, in place: A = transposed(U) U with U upper triangular.
// Returns 0, or -1 if the matrix isn't positive definite.
int gs_factor(double *matrix, size_t size);

// Rows of weights that gs_round_with_feedback treats at once.
enum { GS_FEEDBACK_ROWS = 16 };

// Rounds weights [size][GS_FEEDBACK_ROWS] from the last to the first, each moved before by what errors of those behind
// it ask for: wanted[i] = weight[i] + sum over k > i of coefficients[i][k] * (weight[k] - rounded[k]).
// integers are counted from the zero point; `lowest` and `highest` are the least and greatest of each row's. Weight i
// takes its rows' scales and bounds `step` * i elements on: 0 where a row has one scale, GS_FEEDBACK_ROWS where each
// weight has its own.
// losses[row] becomes the sum over i of shares[i] * (wanted[i] - rounded[i])^2. `errors` is scratch, [size][rows].
void gs_round_with_feedback(const float *weights, size_t size, const float *coefficients, const float *shares,
                            const float *scales, const float *lowest, const float *highest, size_t step,
                            float *integers, float *errors, double *losses);

// Lowers the loss e H e' of rounded weights, e = weight - scale * integer, H symmetric, given whole: integers move one
// step at a time, in the columns' order and until none helps, at most 8 times around; in between each row's scales are
// multiplied by what fits them best, where `rescales` says so. weights and integers are [size][GS_FEEDBACK_ROWS], scales
// and bounds as above; only the first `rows` rows count. factors[row] becomes what its scales have to be multiplied by.
// `scratch` has room for 3 * size * GS_FEEDBACK_ROWS + size numbers.
void gs_refine_rounding(const float *matrix, const float *weights, size_t size, size_t rows, const float *scales,
                        const float *lowest, const float *highest, size_t step, int rescales, float *integers,
                        float *scratch, float *factors);
