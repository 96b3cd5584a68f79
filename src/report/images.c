/* Images: what the network saw in training, and test images of the worst classes. Data that cannot
 * be read is said to be so, in its place. */
#include "base/log.h"
#include "data/view_sheet.h"
#include "image/decode.h"
#include "image/image_ops.h"
#include "report/classes.h"
#include "report/html.h"
#include "report/sections.h"

#include <stdlib.h>
#include <string.h>

enum {
    VIEWS = 16,     /* on the sheet */
    VIEW_SIDE = 64, /* larger views are shown smaller */
    WORST = 6,
    EXAMPLES = 2,
    THUMBNAIL = 72
};

/* ---- views */

static Status draw_sheet(const Options *o, const Dataset *train, Image *sheet)
{
    RecipeOptions views;
    const Recipe *recipe = options_recipe(o, &views);
    return view_sheet(train, recipe, &views, o->seed, o->epochs, VIEWS, VIEW_SIDE, sheet);
}

/* Views of CIFAR's size are shown twice as large. */
static int views_zoom(const Options *o)
{
    RecipeOptions views;
    options_recipe(o, &views);
    return 2 * views.size <= VIEW_SIDE ? 2 : 1;
}

static void put_sheet(FILE *out, const Options *o, const Dataset *train)
{
    Image sheet = {0};
    if (draw_sheet(o, train, &sheet) == STATUS_OK) {
        html_image(out, &sheet, views_zoom(o), "sheet", "views of training images");
        fputs("<figcaption>", out);
        html_text(out, VIEW_SHEET_ABOUT " Recipe %s.", o->recipe);
        fputs("</figcaption>\n", out);
    } else {
        html_missing(out, "Not drawn: %s", status_text());
    }
    image_free(&sheet);
}

static void tell_changes(FILE *out, const RunRecord *run, const Dataset *train)
{
    char text[32];
    snprintf(text, sizeof text, "checksum %016llx", (unsigned long long)train->checksum);
    if (run->train_data && !strstr(run->train_data, text))
        html_missing(out, "The training data are others than the run's by now: %s.", text);
}

/* ---- worst classes */

/* A test image of a class. */
typedef struct Example {
    int64_t image; /* of the test data, or a row of predictions.csv where those are not open */
    int predicted; /* -1: not known */
} Example;

/* Of image i: whether it is known to be taken for another class, or nothing is known of it. */
static bool is_example(const RunRecord *run, bool known, int64_t i, int number, Example *out)
{
    const PredictionRecord *p = known ? &run->predictions[i] : NULL;
    *out = (Example){i, p ? p->top1 : -1};
    return !p || (p->label == number && p->top1 != number);
}

/* The `skip`th image of a class that the network took for another, where that is known, else any;
 * of the test data, else of predictions.csv, which names files (test NULL). Whether there is one.
 */
static bool find_example(const RunRecord *run, const Dataset *test, int number, int skip,
                         Example *out)
{
    bool known = !test || run->prediction_count == test->count;
    int64_t first = test ? test->first[number] : 0;
    int64_t end = test ? test->first[number + 1] : run->prediction_count;
    for (int64_t m = first; m < end; m++)
        if (is_example(run, known, test ? test->members[m] : m, number, out) && skip-- == 0)
            return true;
    return false;
}

static Status fetch_example(const RunRecord *run, const Dataset *test, const Example *e,
                            Image *image)
{
    return test ? dataset_fetch(test, e->image, image)
                : image_read(run->predictions[e->image].image, image);
}

static void put_thumbnail(FILE *out, const Image *image, const char *name)
{
    ImageBox whole = {0, 0, image->width, image->height};
    ImageBox box = image_resize_center_box(image->width, image->height, THUMBNAIL, THUMBNAIL);
    Image part = image_copy(image);
    image_crop(&part, box);
    Image small = image_resize_center(&part, box, whole, THUMBNAIL, THUMBNAIL);
    html_image(out, &small, 1, "thumbnail", name);
    image_free(&part);
    image_free(&small);
}

/* Whether it could be shown. */
static bool put_example(FILE *out, const RunRecord *run, const Dataset *test, const Example *e)
{
    Image image = {0};
    Arena arena = {0};
    char name[4200];
    if (fetch_example(run, test, e, &image) != STATUS_OK) {
        html_missing(out, "%s", status_text());
        return false;
    }
    fputs("<span class=\"example\">", out);
    put_thumbnail(out, &image,
                  test ? dataset_name(test, e->image, name, sizeof name)
                       : run->predictions[e->image].image);
    if (e->predicted >= 0) {
        fputs("taken for ", out);
        html_text(out, "%s", run_class_name(run, e->predicted, &arena));
    }
    fputs("</span>\n", out);
    image_free(&image);
    arena_free(&arena);
    return true;
}

static void put_worst(FILE *out, const RunRecord *run, const Dataset *test, int number)
{
    const ClassRecord *c = &run->classes[number];
    Arena arena = {0};
    fputs("<div class=\"worst\"><p><b>", out);
    html_text(out, "%s", run_class_name(run, number, &arena));
    fprintf(out, "</b> %.1f %%", 100 * class_accuracy(c));
    if (c->train >= 0)
        fprintf(out, "<br>%lld training images", (long long)c->train);
    fputs("</p>\n", out);
    Example e;
    for (int k = 0; k < EXAMPLES && find_example(run, test, number, k, &e); k++)
        if (!put_example(out, run, test, &e))
            break;
    fputs("</div>\n", out);
    arena_free(&arena);
}

/* test may be NULL: why, is said already. */
static void put_worst_classes(FILE *out, const RunRecord *run, const Dataset *test)
{
    int count, *order = classes_by_accuracy(run, &count);
    bool same = test && test->classes == run->class_count;
    fputs("<figure><h3>Worst classes</h3>\n", out);
    if (!count)
        html_missing(out, "Not known: classes.csv is not there, or no class has test images.");
    if (count && test && !same)
        html_missing(out, "No images: the test data have other classes now (%d vs %d).",
                     test->classes, run->class_count);
    fputs("<div class=\"examples\">\n", out);
    if (count && class_accuracy(&run->classes[order[0]]) == 1)
        html_missing(out, "None: every test image was recognised.");
    for (int i = 0; i < count && i < WORST && class_accuracy(&run->classes[order[i]]) < 1; i++)
        put_worst(out, run, same ? test : NULL, order[i]);
    fputs("</div></figure>\n", out);
    free(order);
}

/* ---- both */

/* Opens what the run's options name, from here or from where the run was started. */
static Status open_data(RunRecord *run, Dataset **train, Dataset **test)
{
    if (!run->texts)
        return status_fail(STATUS_USAGE, "options.txt is not there, which names the data");
    options_data_from(&run->options, json_text(json_get(run->report, "run"), "folder", "."));
    TRY(options_check(&run->options, OPTION_AUGMENT));
    options_default_recipe(&run->options);
    return options_open_data(&run->options, 0, NULL, train, test);
}

void section_images(FILE *out, RunRecord *run)
{
    Dataset *train = NULL, *test = NULL;
    fputs("<figure><h3>What the network saw</h3>\n", out);
    if (open_data(run, &train, &test) != STATUS_OK) {
        log_warn("%s: no images in the report: %s", run->name, status_text());
        html_missing(out, "Not drawn: %s", status_text());
    } else if (train) {
        tell_changes(out, run, train);
        put_sheet(out, &run->options, train);
    } else {
        html_missing(out, "Not drawn: the options name no training data.");
    }
    fputs("</figure>\n", out);
    put_worst_classes(out, run, test);
    dataset_close(train);
    dataset_close(test);
}
