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

// Gives each weight in turn the integer that loses least while the others stay: one sweep of coordinate descent on
// the loss errors * products * errors. `products` is the whole symmetric matrix [size][size]; `integers` and `errors`
// (weight - rounded) are those of a rounding and stay so.
void gs_descend_rounding(const float *weights, size_t size, const float *products, const float *scales,
                         const float *lowest, const float *highest, size_t step, float *integers, float *errors);

// Gives each block of weights that share a scale the one that loses least with these integers, unless it lies `most`
// of the scale away or more. `members` names the weights block by block, `block` of them each.
void gs_refit_scales(const float *weights, size_t size, const float *products, const uint32_t *members, size_t block,
                     float most, float *scales, size_t step, const float *integers, float *errors);

// The losses of errors, as gs_round_with_feedback tells them.
void gs_rounding_losses(size_t size, const float *coefficients, const float *shares, const float *errors,
                        double *losses);
