/* Draws of recipes, and their statistics against a definition: Kolmogorov-Smirnov for what is
 * continuous, chi-square for what is not. A right generator fails one such test with probability
 * 0.001; the seed is fixed, so it does so always or never. */
#ifndef PACO_TESTS_SUPPORT_DRAWS_H
#define PACO_TESTS_SUPPORT_DRAWS_H

#include "image/recipe_draw.h"

#include <stddef.h>

enum { DRAWS = 100000 };

typedef double Cdf(double x, const double *parameters);
/* Parameters: both ends. */
double uniform_cdf(double x, const double *range);
/* Parameters: mean and deviation. */
double normal_cdf(double x, const double *parameters);

/* Largest distance to the CDF times sqrt(n): above 1.95 with probability 0.001. Sorts the
 * values. */
void assert_ks(const char *what, double *values, size_t n, Cdf *cdf, const double *parameters);
/* Pearson's sum through Wilson and Hilferty's cube root: normal, above 3.1 with probability
 * 0.001. */
void assert_chi(const char *what, const double *counts, const double *expected, int cells);
/* The same where all cells are as likely. */
void assert_even(const char *what, const double *counts, int cells);
/* The same of hits among n, each with probability p. */
void assert_share(const char *what, double hits, double n, double p);

/* One view of an image, drawn anew for every sample number; m: RandAugment's mean magnitude. */
void test_draw(const char *recipe, RecipeSide side, double m, int width, int height,
               uint64_t sample, Augment *out);
/* The first step of this kind, or NULL. */
const AugmentStep *test_drawn(const Augment *drawn, AugmentOp op);
/* Room for DRAWS values, malloc'd. */
double *test_values(void);

#endif
