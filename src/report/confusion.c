/* Confusion: a heat map in one picture, and the pairs that are confused most. */
#include "base/utf8.h"
#include "image/heat.h"
#include "report/classes.h"
#include "report/html.h"
#include "report/sections.h"

#include <stdlib.h>

enum {
    PAIRS = 12,
    NAMES_MAX = 20,   /* classes whose rows are named */
    NUMBERS_MAX = 12, /* classes whose cells have numbers */
    NAME_CHARACTERS = 11
};

static int count_classes(const RunRecord *run)
{
    int n = run->class_count;
    for (int64_t i = 0; i < run->pair_count; i++) {
        const ConfusionRecord *p = &run->confusion[i];
        int most = p->label > p->predicted ? p->label : p->predicted;
        n = most >= n ? most + 1 : n;
    }
    return n;
}

/* The training images of the classes, malloc'd; NULL where classes.csv does not list them. */
static int64_t *class_sizes(const RunRecord *run, int classes)
{
    if (run->class_count != classes)
        return NULL;
    int64_t *sizes = mem_alloc((size_t)classes * sizeof *sizes);
    for (int c = 0; c < classes; c++)
        sizes[c] = run->classes[c].train;
    return sizes;
}

static Heat heat_of(const RunRecord *run)
{
    int classes = count_classes(run);
    int64_t *sizes = class_sizes(run, classes);
    Heat h = heat_new(classes, sizes);
    free(sizes);
    for (int64_t i = 0; i < run->pair_count; i++) {
        const ConfusionRecord *p = &run->confusion[i];
        heat_add(&h, p->label, p->predicted, (double)p->images);
    }
    heat_settle(&h);
    return h;
}

/* Where the picture stands in its viewBox. */
enum { WIDTH = 400, LEFT = 92, TOP = 8, SIDE = 296, BELOW = TOP + SIDE, HEIGHT = BELOW + 44 };

static double middle(const Heat *h, double rank)
{
    return (rank + 0.5) * SIDE / h->classes;
}

/* The first characters of a name. */
static const char *shorten(const char *name, char text[4 * NAME_CHARACTERS + 4])
{
    int n = 0, at = 0;
    for (; name[at] && at < 4 * NAME_CHARACTERS; at++)
        if (!utf8_continues(name[at]) && ++n > NAME_CHARACTERS)
            break;
    snprintf(text, 4 * NAME_CHARACTERS + 4, "%.*s%s", at, name, name[at] ? "\xe2\x80\xa6" : "");
    return text;
}

static void put_mark(FILE *out, const Heat *h, int rank, const char *name)
{
    fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 5,
            TOP + 4 + middle(h, rank));
    html_text(out, "%s", name);
    fprintf(out, "</text><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n",
            LEFT + middle(h, rank), BELOW + 15, rank + 1);
}

static void put_marks(FILE *out, const RunRecord *run, const Heat *h)
{
    Arena arena = {0};
    bool named = h->classes <= NAMES_MAX;
    int marks = named ? h->classes : 5;
    for (int i = 0; i < marks; i++) {
        int rank = named ? i : (int)((int64_t)i * (h->classes - 1) / (marks - 1));
        char text[4 * NAME_CHARACTERS + 4], mark[80];
        const char *name = shorten(run_class_name(run, h->order[rank], &arena), text);
        snprintf(mark, sizeof mark, "%d %s", rank + 1, named ? name : "");
        put_mark(out, h, rank, mark);
    }
    fprintf(out,
            "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">predicted, by the place of the "
            "class</text>\n",
            LEFT + SIDE / 2, BELOW + 34);
    arena_free(&arena);
}

static void put_numbers(FILE *out, const Heat *h)
{
    for (int i = 0; i < h->bins * h->bins; i++)
        if (h->part[i] >= 0.005)
            fprintf(out,
                    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                    "class=\"%s\">%.0f</text>\n",
                    LEFT + middle(h, i % h->bins), TOP + 3.5 + middle(h, i / h->bins),
                    h->part[i] > 0.2 ? "dark" : "light", 100 * h->part[i]);
}

static void put_map(FILE *out, const RunRecord *run, const Heat *h)
{
    Image image = heat_image(h, 1);
    fprintf(out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Confusion of classes\">\n"
            "<image class=\"pixels\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
            "preserveAspectRatio=\"none\" href=\"",
            WIDTH, HEIGHT, LEFT, TOP, SIDE, SIDE);
    html_image_data(out, &image);
    fputs("\"/>\n", out);
    put_marks(out, run, h);
    if (h->bins <= NUMBERS_MAX)
        put_numbers(out, h);
    fputs("</svg>\n", out);
    image_free(&image);
}

static void put_scale(FILE *out)
{
    fputs("<div class=\"scale\"><span>0 %</span><span>25 %</span><span>100 %</span></div>"
          "<figcaption>Rows: what an image is; columns: what it was taken for, in percent of the "
          "row's images.",
          out);
}

static void put_heat(FILE *out, const RunRecord *run)
{
    Heat h = heat_of(run);
    fputs("<figure><h3>Confusion</h3>\n", out);
    put_map(out, run, &h);
    put_scale(out);
    if (h.bins < h.classes)
        fprintf(out, " A cell is about %d x %d classes.", (h.classes + h.bins - 1) / h.bins,
                (h.classes + h.bins - 1) / h.bins);
    fputs(classes_have_sizes(run) ? " The largest class is the first.</figcaption></figure>\n"
                                  : "</figcaption></figure>\n",
          out);
    heat_free(&h);
}

/* ---- pairs */

static int by_images(const void *a, const void *b)
{
    const ConfusionRecord *p = a, *q = b;
    if (p->images != q->images)
        return p->images > q->images ? -1 : 1;
    if (p->label != q->label)
        return p->label < q->label ? -1 : 1;
    return (p->predicted > q->predicted) - (p->predicted < q->predicted);
}

static ConfusionRecord *confused_pairs(const RunRecord *run, int *count)
{
    ConfusionRecord *pairs = mem_alloc(((size_t)run->pair_count + 1) * sizeof *pairs);
    int64_t n = 0;
    for (int64_t i = 0; i < run->pair_count; i++)
        if (run->confusion[i].label != run->confusion[i].predicted)
            pairs[n++] = run->confusion[i];
    qsort(pairs, (size_t)n, sizeof *pairs, by_images);
    *count = n < PAIRS ? (int)n : PAIRS;
    return pairs;
}

/* The class, and how many images of it were trained on where that is known. */
static void put_class(Table *t, int row, int column, const RunRecord *run, int number)
{
    Arena arena = {0};
    const char *name = run_class_name(run, number, &arena);
    if (number < run->class_count && run->classes[number].train >= 0)
        table_set(t, row, column, "%s (%lld)", name, (long long)run->classes[number].train);
    else
        table_set(t, row, column, "%s", name);
    arena_free(&arena);
}

static void put_pairs(FILE *out, const RunRecord *run)
{
    static const char *const head[] = {"is", "taken for", "images", "%"};
    enum { COLUMNS = sizeof head / sizeof *head };
    int count;
    Arena arena = {0};
    ConfusionRecord *pairs = confused_pairs(run, &count);
    Table t = table_new(&arena, count, COLUMNS);
    for (int i = 0; i < COLUMNS; i++)
        table_head(&t, i, i > 1, head[i]);
    for (int i = 0; i < count; i++) {
        const ConfusionRecord *p = &pairs[i];
        put_class(&t, i, 0, run, p->label);
        put_class(&t, i, 1, run, p->predicted);
        table_set(&t, i, 2, "%lld", (long long)p->images);
        if (p->label < run->class_count && run->classes[p->label].test)
            table_set(&t, i, 3, "%.1f",
                      100 * (double)p->images / (double)run->classes[p->label].test);
    }
    fputs("<figure><h3>Most confused</h3>\n", out);
    if (count)
        table_html(&t, out);
    else
        html_missing(out, "No image was taken for another class.");
    fputs(count && classes_have_sizes(run)
              ? "<figcaption>Behind a class: its training images; %: of the class's test "
                "images.</figcaption></figure>\n"
              : "</figure>\n",
          out);
    free(pairs);
    arena_free(&arena);
}

void section_confusion(FILE *out, const RunRecord *run)
{
    if (!run->pair_count) {
        fputs("<figure><h3>Confusion</h3>\n", out);
        html_missing(out, "Not drawn: confusion.csv is not there. A run writes it at its end.");
        fputs("</figure>\n", out);
        return;
    }
    put_heat(out, run);
}

void section_pairs(FILE *out, const RunRecord *run)
{
    if (run->pair_count)
        put_pairs(out, run);
}
