/* Plots as inline SVG: one frame with axes; lines, points and bars each in one element, however
 * many numbers they have. Colours are classes of the page's style: "k0" to "k6", on top of which
 * "d1" to "d3" are dashes. Values that are NaN are left out; a logarithmic axis leaves out what is
 * not positive. */
#ifndef PACO_REPORT_PLOT_H
#define PACO_REPORT_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct PlotAxis {
    double low, high;  /* values at the ends */
    bool log, whole;   /* logarithmic; ticks at whole numbers alone */
    const char *title; /* escaped */
} PlotAxis;

typedef struct Plot {
    FILE *out;
    PlotAxis x, y;
    PlotAxis right; /* an axis of its own for bars; its title NULL: none */
} Plot;

/* Widens [*low, *high] so that it holds the values; begin with low > high. */
void plot_hold(PlotAxis *axis, const double *values, int64_t count);
/* An axis that nothing was found for gets 0 to 1; one of a single value gets room around it. Above
 * there is always a little room. */
void plot_settle(PlotAxis *axis);

/* Opens the element; `label` is what a screen reader says, escaped. */
void plot_begin(const Plot *plot, const char *label);
/* Frame, ticks, their numbers and titles. */
void plot_axes(const Plot *plot);
void plot_end(const Plot *plot);

void plot_line(const Plot *plot, const char *style, const double *x, const double *y,
               int64_t count);
void plot_points(const Plot *plot, const char *style, const double *x, const double *y,
                 int64_t count);
/* Bars from the floor, on the right axis, each `width` of the x axis wide. */
void plot_bars(const Plot *plot, const char *style, const double *x, const double *y, int64_t count,
               double width);
/* Shades everything between two values of x. */
void plot_band(const Plot *plot, const char *style, double from, double to);
/* A word at a place; anchor: "start", "middle" or "end". Escaped. */
void plot_word(const Plot *plot, double x, double y, const char *anchor, const char *word);

#endif
