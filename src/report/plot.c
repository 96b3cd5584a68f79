/* Plots: from values to places. */
#include "report/plot.h"

#include "report/html.h"

#include <math.h>

/* Of the viewBox, and the frame in it. */
enum {
    PLOT_WIDTH = 400,
    PLOT_HEIGHT = 240,
    PLOT_LEFT = 54,
    PLOT_RIGHT = 350,
    PLOT_TOP = 10,
    PLOT_BOTTOM = 198
};

static double part(const PlotAxis *axis, double value)
{
    if (axis->log)
        return (log10(value) - log10(axis->low)) / (log10(axis->high) - log10(axis->low));
    return (value - axis->low) / (axis->high - axis->low);
}

static double place_x(const Plot *p, double value)
{
    return PLOT_LEFT + part(&p->x, value) * (PLOT_RIGHT - PLOT_LEFT);
}

static double place_y(const PlotAxis *axis, double value)
{
    return PLOT_BOTTOM - part(axis, value) * (PLOT_BOTTOM - PLOT_TOP);
}

static bool shown(const PlotAxis *axis, double value)
{
    return !isnan(value) && (!axis->log || value > 0);
}

void plot_hold(PlotAxis *axis, const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (shown(axis, values[i])) {
            bool first = axis->low > axis->high;
            axis->low = first || values[i] < axis->low ? values[i] : axis->low;
            axis->high = first || values[i] > axis->high ? values[i] : axis->high;
        }
}

void plot_settle(PlotAxis *axis)
{
    if (axis->low > axis->high) {
        axis->low = axis->log ? 0.1 : 0;
        axis->high = 1;
    }
    if (axis->low == axis->high) {
        axis->low -= fabs(axis->low) / 2;
        axis->high += axis->high ? fabs(axis->high) / 2 : 1;
    }
    if (!axis->log && !axis->whole)
        axis->high += (axis->high - axis->low) / 20;
}

void plot_begin(const Plot *p, const char *label)
{
    fprintf(p->out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", PLOT_WIDTH,
            PLOT_HEIGHT);
    html_text(p->out, "%s", label);
    fputs("\">\n", p->out);
}

void plot_end(const Plot *p)
{
    fputs("</svg>\n", p->out);
}

/* ---- axes */

enum { TICKS = 5 }; /* about as many on a linear axis */

/* The distance of ticks, 1, 2 or 5 times a power of ten: at most so many. */
static double tick_step(const PlotAxis *axis, int most)
{
    double rough = (axis->high - axis->low) / most;
    double power = pow(10, floor(log10(rough)));
    double times = rough / power;
    double step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
    return axis->whole && step < 1 ? 1 : step;
}

typedef enum Side { SIDE_BELOW, SIDE_LEFT, SIDE_RIGHT } Side;

static void put_tick(const Plot *p, const PlotAxis *axis, Side side, double value)
{
    double x = side == SIDE_BELOW ? place_x(p, value) : side == SIDE_LEFT ? PLOT_LEFT : PLOT_RIGHT;
    double y = side == SIDE_BELOW ? PLOT_BOTTOM : place_y(axis, value);
    if (side == SIDE_LEFT)
        fprintf(p->out, "<path class=\"tick\" d=\"M%d %.1fH%d\"/>", PLOT_LEFT, y, PLOT_RIGHT);
    bool thousands = value >= 10000;
    fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.6g%s</text>\n",
            side == SIDE_BELOW  ? x
            : side == SIDE_LEFT ? x - 5
                                : x + 5,
            side == SIDE_BELOW ? y + 15 : y + 4,
            side == SIDE_BELOW  ? "middle"
            : side == SIDE_LEFT ? "end"
                                : "start",
            thousands ? value / 1000 : value, thousands ? "k" : "");
}

static void put_ticks(const Plot *p, const PlotAxis *axis, Side side)
{
    if (axis->log) {
        for (int power = (int)ceil(log10(axis->low) - 1e-9); pow(10, power) <= axis->high * 1.0001;
             power++)
            put_tick(p, axis, side, pow(10, power));
        return;
    }
    double step = tick_step(axis, TICKS), first = ceil(axis->low / step - 1e-9);
    for (int i = 0; i <= TICKS && (first + i) * step <= axis->high + 1e-9 * step; i++)
        put_tick(p, axis, side, (first + i) * step + 0.0); /* no -0 */
}

void plot_axes(const Plot *p)
{
    int middle = (PLOT_TOP + PLOT_BOTTOM) / 2;
    put_ticks(p, &p->x, SIDE_BELOW);
    put_ticks(p, &p->y, SIDE_LEFT);
    if (p->right.title)
        put_ticks(p, &p->right, SIDE_RIGHT);
    fprintf(p->out,
            "<path class=\"frame\" d=\"M%d %dV%dH%d\"/><text x=\"%d\" y=\"%d\" "
            "text-anchor=\"middle\">",
            PLOT_LEFT, PLOT_TOP, PLOT_BOTTOM, PLOT_RIGHT, (PLOT_LEFT + PLOT_RIGHT) / 2,
            PLOT_BOTTOM + 34);
    html_text(p->out, "%s", p->x.title);
    fprintf(p->out,
            "</text><text transform=\"translate(11 %d)rotate(-90)\" "
            "text-anchor=\"middle\">",
            middle);
    html_text(p->out, "%s", p->y.title);
    fputs("</text>", p->out);
    if (p->right.title) {
        fprintf(p->out, "<text transform=\"translate(%d %d)rotate(90)\" text-anchor=\"middle\">",
                PLOT_WIDTH - 8, middle);
        html_text(p->out, "%s", p->right.title);
        fputs("</text>", p->out);
    }
    fputc('\n', p->out);
}

/* ---- what is drawn */

void plot_line(const Plot *p, const char *style, const double *x, const double *y, int64_t count)
{
    char pen = 'M';
    fprintf(p->out, "<path class=\"line %s\" d=\"", style);
    for (int64_t i = 0; i < count; i++)
        if (shown(&p->x, x[i]) && shown(&p->y, y[i])) {
            fprintf(p->out, "%c%.1f %.1f", pen, place_x(p, x[i]), place_y(&p->y, y[i]));
            pen = 'L';
        }
    fputs("\"/>\n", p->out);
}

void plot_points(const Plot *p, const char *style, const double *x, const double *y, int64_t count)
{
    fprintf(p->out, "<path class=\"points %s\" d=\"", style);
    for (int64_t i = 0; i < count; i++)
        if (shown(&p->x, x[i]) && shown(&p->y, y[i]))
            fprintf(p->out, "M%.1f %.1fh0", place_x(p, x[i]), place_y(&p->y, y[i]));
    fputs("\"/>\n", p->out);
}

void plot_bars(const Plot *p, const char *style, const double *x, const double *y, int64_t count,
               double width)
{
    double scale = (PLOT_RIGHT - PLOT_LEFT) / (p->x.high - p->x.low);
    fprintf(p->out, "<path class=\"bars %s\" stroke-width=\"%.2f\" d=\"", style, scale * width);
    for (int64_t i = 0; i < count; i++)
        if (shown(&p->x, x[i]) && shown(&p->right, y[i]))
            fprintf(p->out, "M%.1f %dV%.1f", place_x(p, x[i]), PLOT_BOTTOM,
                    place_y(&p->right, y[i]));
    fputs("\"/>\n", p->out);
}

void plot_band(const Plot *p, const char *style, double from, double to)
{
    double left = place_x(p, from), right = place_x(p, to);
    fprintf(p->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
            style, left, PLOT_TOP, right - left, PLOT_BOTTOM - PLOT_TOP);
}

void plot_word(const Plot *p, double x, double y, const char *anchor, const char *word)
{
    fprintf(p->out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", place_x(p, x),
            place_y(&p->y, y), anchor);
    html_text(p->out, "%s", word);
    fputs("</text>\n", p->out);
}
