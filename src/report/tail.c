/* The long tail: classes sorted by size, their sizes as bars, their accuracies as points. */
#include "data/shots.h"
#include "report/classes.h"
#include "report/html.h"
#include "report/plot.h"
#include "report/sections.h"

#include <math.h>
#include <stdlib.h>

enum {
    NAMED_MAX = 200, /* classes that a table lists */
    SMOOTH_FROM = 40,
    SMOOTH_PARTS = 25 /* so many means where there are at least so many classes */
};

static const struct {
    const char *title, *style;
} shots[SHOT_COUNT] = {[SHOT_MANY] = {"many", "many"},
                       [SHOT_MEDIUM] = {"medium", "medium"},
                       [SHOT_FEW] = {"few", "few"}};

/* The tail as arrays, in the order of size. */
typedef struct Tail {
    int count;
    int *order;
    double *rank, *size, *accuracy; /* [count]; accuracy in percent */
} Tail;

static Tail tail_new(const RunRecord *run)
{
    size_t n = (size_t)run->class_count;
    Tail t = {.count = run->class_count,
              .order = classes_by_size(run),
              .rank = mem_alloc(n * sizeof(double)),
              .size = mem_alloc(n * sizeof(double)),
              .accuracy = mem_alloc(n * sizeof(double))};
    for (int i = 0; i < t.count; i++) {
        const ClassRecord *c = &run->classes[t.order[i]];
        t.rank[i] = i + 1;
        t.size[i] = c->train < 0 ? NAN : (double)c->train;
        t.accuracy[i] = 100 * class_accuracy(c);
    }
    return t;
}

static void tail_free(Tail *t)
{
    free(t->order);
    free(t->rank);
    free(t->size);
    free(t->accuracy);
}

static void draw_shots(const Plot *plot, const Tail *t)
{
    for (int from = 0, to; from < t->count; from = to) {
        Shot shot = shot_of((int64_t)t->size[from]);
        for (to = from + 1; to < t->count && shot_of((int64_t)t->size[to]) == shot;)
            to++;
        plot_band(plot, shots[shot].style, from + 0.5, to + 0.5);
    }
}

/* Over the bands and bars, which would cover them. */
static void name_shots(const Plot *plot, const Tail *t)
{
    for (int from = 0, to; from < t->count; from = to) {
        Shot shot = shot_of((int64_t)t->size[from]);
        for (to = from + 1; to < t->count && shot_of((int64_t)t->size[to]) == shot;)
            to++;
        if (12 * (to - from) >= t->count)
            plot_word(plot, (from + to + 1) / 2.0, 101, "middle", shots[shot].title);
    }
}

/* Means of neighbours, where points alone are a cloud. */
static void draw_means(const Plot *plot, const Tail *t)
{
    double x[SMOOTH_PARTS], y[SMOOTH_PARTS];
    if (t->count < SMOOTH_FROM)
        return;
    for (int k = 0; k < SMOOTH_PARTS; k++) {
        int from = (int)((int64_t)k * t->count / SMOOTH_PARTS), seen = 0;
        int to = (int)((int64_t)(k + 1) * t->count / SMOOTH_PARTS);
        y[k] = 0;
        for (int i = from; i < to; i++)
            if (!isnan(t->accuracy[i])) {
                y[k] += t->accuracy[i];
                seen++;
            }
        y[k] = seen ? y[k] / seen : NAN;
        x[k] = (from + to + 1) / 2.0;
    }
    plot_line(plot, "k1", x, y, SMOOTH_PARTS);
}

static PlotAxis size_axis(const Tail *t)
{
    PlotAxis axis = {.low = 1, .high = 0, .log = true, .title = "training images"};
    plot_hold(&axis, t->size, t->count);
    plot_settle(&axis);
    axis.low = pow(10, floor(log10(axis.low) - 1e-9)); /* the smallest class has a bar, too */
    axis.high *= 1.3;
    return axis;
}

static void draw(FILE *out, const RunRecord *run, const Tail *t)
{
    bool sizes = classes_have_sizes(run);
    Plot plot = {.out = out,
                 .x = {.low = 0.5, .high = t->count + 0.5, .whole = true, .title = "classes"},
                 .y = {.low = 0, .high = 100, .title = "test top-1 %"}};
    if (sizes) {
        plot.x.title = "classes, the largest first";
        plot.right = size_axis(t);
    }
    plot_begin(&plot, "Accuracy of each class against its number of training images");
    if (sizes) {
        draw_shots(&plot, t);
        plot_bars(&plot, "size", t->rank, t->size, t->count, t->count > 60 ? 1.05 : 0.8);
    }
    plot_axes(&plot);
    plot_points(&plot, t->count > 300 ? "small k0" : "k0", t->rank, t->accuracy, t->count);
    draw_means(&plot, t);
    if (sizes)
        name_shots(&plot, t);
    plot_end(&plot);
}

static void list_classes(FILE *out, const RunRecord *run, const Tail *t)
{
    Arena arena = {0};
    Table table = table_new(&arena, t->count, 5);
    static const char *const head[] = {"class", "training images", "test images", "correct",
                                       "top-1 %"};
    for (int i = 0; i < 5; i++)
        table_head(&table, i, i > 0, head[i]);
    for (int i = 0; i < t->count; i++) {
        const ClassRecord *c = &run->classes[t->order[i]];
        table_set(&table, i, 0, "%s", run_class_name(run, t->order[i], &arena));
        if (c->train >= 0)
            table_set(&table, i, 1, "%lld", (long long)c->train);
        table_set(&table, i, 2, "%lld", (long long)c->test);
        table_set(&table, i, 3, "%lld", (long long)c->correct);
        if (c->test)
            table_set(&table, i, 4, "%.2f", t->accuracy[i]);
    }
    fprintf(out, "<details><summary>all %d classes</summary>\n", t->count);
    table_html(&table, out);
    fputs("</details>\n", out);
    arena_free(&arena);
}

void section_tail(FILE *out, const RunRecord *run)
{
    fputs("<figure class=\"tail\"><h3>The long tail</h3>\n", out);
    if (run->class_count) {
        Tail t = tail_new(run);
        draw(out, run, &t);
        fputs("<figcaption><span class=\"key\">points: accuracy of a class</span>", out);
        if (t.count >= SMOOTH_FROM)
            fputs("<span class=\"key\">line: means of neighbours</span>", out);
        if (classes_have_sizes(run))
            fputs("<span class=\"key\">bars: its training images, on a logarithmic axis</span>",
                  out);
        fputs("</figcaption>\n", out);
        if (!classes_have_sizes(run))
            html_missing(out, "Class sizes are not known: `paco eval` takes them from "
                              "--train-list. Classes stand in the order of their numbers.");
        if (t.count <= NAMED_MAX)
            list_classes(out, run, &t);
        tail_free(&t);
    } else {
        html_missing(out, "Not drawn: classes.csv is not there. A run writes it at its end.");
    }
    fputs("</figure>\n", out);
}
