/* Curves: numbers of metrics.csv by epoch. Which figures there are is one table. */
#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum { CURVES_MAX = 5, COLOURS = 7, MARKS_MAX = 40 };

typedef struct Curve {
    const char *title;
    size_t offset;     /* of the field in EpochRow */
    const char *style; /* where it is shown beside the others of its figure */
    bool extra;        /* not every run has it: nothing is said where it has no numbers */
} Curve;

typedef struct CurveFigure {
    const char *title, *axis;
    double scale;
    bool percent; /* the axis begins at 0 */
    int count;
    Curve curves[CURVES_MAX];
} CurveFigure;

#define FIELD(field) offsetof(EpochRow, field)

static const CurveFigure figures[] = {
    {"Loss", "loss", 1, false, 3,
     {{"training (the method's own loss)", FIELD(loss), "k0", false},
      {"test (cross-entropy)", FIELD(test_loss), "k1", false},
      {"validation (cross-entropy)", FIELD(val_loss), "k4", true}}},
    {"Accuracy", "top-1 %", 100, true, 5,
     {{"training, without the prior", FIELD(train_top1), "k0", false},
      {"training, with the prior", FIELD(train_top1_prior), "k1", false},
      {"test", FIELD(top1), "k2", false},
      {"test, balanced accuracy", FIELD(class_mean), "k3 d1", false}, /* often the same */
      {"validation", FIELD(val_top1), "k4", true}}},
    {"Test accuracy by class size", "top-1 %", 100, true, 3,
     {{"many (> 100 images)", FIELD(many), "k0", false},
      {"medium", FIELD(medium), "k1", false},
      {"few (< 20)", FIELD(few), "k2", false}}},
    {"Learning rate", "learning rate", 1, true, 1, {{"learning rate", FIELD(lr), "k0", false}}},
};

enum { FIGURES = sizeof figures / sizeof *figures };

/* The numbers of a curve; free both. */
static void curve_values(const RunRecord *run, const Curve *curve, double scale, double **x,
                         double **y)
{
    *x = mem_alloc(((size_t)run->epoch_count + 1) * sizeof **x);
    *y = mem_alloc(((size_t)run->epoch_count + 1) * sizeof **y);
    for (int64_t i = 0; i < run->epoch_count; i++) {
        const char *row = (const char *)&run->epochs[i];
        (*x)[i] = run->epochs[i].epoch + 1;
        (*y)[i] = scale * *(const double *)(const void *)(row + curve->offset);
    }
}

/* Widens both axes; returns whether the run has any number of this curve. */
static bool curve_hold(const RunRecord *run, const CurveFigure *f, const Curve *curve, Plot *plot)
{
    double *x, *y;
    bool any = false;
    curve_values(run, curve, f->scale, &x, &y);
    for (int64_t i = 0; i < run->epoch_count; i++)
        any = any || !isnan(y[i]);
    plot_hold(&plot->x, x, run->epoch_count);
    plot_hold(&plot->y, y, run->epoch_count);
    free(x);
    free(y);
    return any;
}

static void curve_draw(const Plot *plot, const RunRecord *run, const CurveFigure *f,
                       const Curve *curve, const char *style)
{
    double *x, *y;
    curve_values(run, curve, f->scale, &x, &y);
    plot_line(plot, style, x, y, run->epoch_count);
    if (run->epoch_count <= MARKS_MAX)
        plot_points(plot, style, x, y, run->epoch_count);
    free(x);
    free(y);
}

/* The style of the i-th run: a colour, then the same colours dashed. */
static const char *style_of(int i, char text[16])
{
    snprintf(text, 16, "k%d d%d", i % COLOURS, i / COLOURS % 4);
    return text;
}

static void put_key(FILE *out, const char *style, const char *title)
{
    fprintf(out,
            "<span class=\"key\"><svg viewBox=\"0 0 26 8\"><path class=\"line %s\" "
            "d=\"M2 4H24\"/></svg>",
            style);
    html_text(out, "%s", title);
    fputs("</span>\n", out);
}

static Plot new_plot(FILE *out, const CurveFigure *f)
{
    Plot plot = {.out = out,
                 .x = {.low = 1, .high = 0, .whole = true, .title = "epoch"},
                 .y = {.low = 1, .high = 0, .title = f->axis}};
    return plot;
}

static void begin_figure(Plot *plot, const CurveFigure *f, const char *title)
{
    if (f->percent && plot->y.low <= plot->y.high)
        plot->y.low = 0;
    plot_settle(&plot->x);
    plot_settle(&plot->y);
    fprintf(plot->out, "<figure><h3>%s</h3>\n", title);
    plot_begin(plot, title);
    plot_axes(plot);
}

/* ---- one run */

static void put_figure(FILE *out, const RunRecord *run, const CurveFigure *f)
{
    Plot plot = new_plot(out, f);
    bool any[CURVES_MAX] = {false};
    for (int i = 0; i < f->count; i++)
        any[i] = curve_hold(run, f, &f->curves[i], &plot);
    begin_figure(&plot, f, f->title);
    for (int i = 0; i < f->count; i++)
        if (any[i])
            curve_draw(&plot, run, f, &f->curves[i], f->curves[i].style);
    plot_end(&plot);
    fputs("<figcaption>", out);
    for (int i = 0; i < f->count; i++)
        if (any[i])
            put_key(out, f->curves[i].style, f->curves[i].title);
        else if (!f->curves[i].extra)
            fprintf(out, "<span class=\"missing\">%s: no numbers</span>\n", f->curves[i].title);
    fputs("</figcaption></figure>\n", out);
}

void section_curves(FILE *out, const RunRecord *run)
{
    for (int i = 0; i < FIGURES && run->epoch_count; i++)
        put_figure(out, run, &figures[i]);
    if (run->epoch_count)
        return;
    fputs("<figure><h3>Curves</h3>\n", out);
    html_missing(out, "Not drawn: metrics.csv is not there, or has no epoch yet.");
    fputs("</figure>\n", out);
}

/* ---- several */

/* Runs of a group share a colour; where all are one group each has its own. */
static int colour_of(const Runs *runs, int group, int member)
{
    return runs->group_count > 1 ? group : member;
}

static void overlay_keys(FILE *out, const Runs *runs)
{
    char style[16];
    Arena arena = {0};
    for (int g = 0; g < runs->group_count; g++) {
        const RunGroup *group = &runs->groups[g];
        for (int i = 0; i < (runs->group_count > 1 ? 1 : group->count); i++)
            put_key(out, style_of(colour_of(runs, g, i), style),
                    runs->group_count > 1 ? runs_group_name(runs, group, &arena)
                                          : runs->list[group->members[i]].name);
    }
    arena_free(&arena);
}

static void overlay(FILE *out, const Runs *runs, const CurveFigure *f, const Curve *curve)
{
    Plot plot = new_plot(out, f);
    bool any = false;
    char style[16], title[128];
    for (int i = 0; i < runs->count; i++)
        any = curve_hold(&runs->list[i], f, curve, &plot) || any;
    if (!any)
        return;
    snprintf(title, sizeof title, f->count > 1 ? "%s: %s" : "%s", f->title, curve->title);
    begin_figure(&plot, f, title);
    for (int g = 0; g < runs->group_count; g++)
        for (int i = 0; i < runs->groups[g].count; i++)
            curve_draw(&plot, &runs->list[runs->groups[g].members[i]], f, curve,
                       style_of(colour_of(runs, g, i), style));
    plot_end(&plot);
    fputs("<figcaption>", out);
    overlay_keys(out, runs);
    fputs("</figcaption></figure>\n", out);
}

void section_overlay(FILE *out, const Runs *runs)
{
    fputs("<div class=\"grid\">\n", out);
    for (int i = 0; i < FIGURES; i++)
        for (int k = 0; k < figures[i].count; k++)
            overlay(out, runs, &figures[i], &figures[i].curves[k]);
    fputs("</div>\n", out);
    for (int i = 0; i < runs->count; i++)
        if (!runs->list[i].epoch_count)
            html_missing(out, "%s: no curves: metrics.csv is not there, or has no epoch yet.",
                         runs->list[i].name);
}
