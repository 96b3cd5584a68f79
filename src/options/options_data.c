/* From options to open data sets: what the two halves of a run must have in common, and how their
 * pixels are normalised. */
#include "options/options.h"

#include "base/check.h"
#include "options/presets.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* Options.lt_form has no word for "all images". */
_Static_assert(LONGTAIL_EXP == 1 && LONGTAIL_STEP == 2, "lt-form + 1 is a LongTailForm");

DatasetSpec options_dataset(const Options *o, bool train)
{
    DatasetSpec spec = {.kind = (DatasetKind)o->dataset, .train = train, .classes = o->classes};
    spec.list = train ? o->train_list : o->test_list;
    spec.root = !train && o->test_data ? o->test_data : o->data;
    if (train && o->lt_factor < 1)
        spec.tail = (LongTail){.form = (LongTailForm)(o->lt_form + 1), .factor = o->lt_factor};
    return spec;
}

/* Whether the options name this half at all. */
static bool is_named(const Options *o, bool train)
{
    switch ((DatasetKind)o->dataset) {
    case DATASET_LIST: return (train ? o->train_list : o->test_list) != NULL;
    case DATASET_FOLDER: return (train ? o->data : o->test_data) != NULL;
    case DATASET_CIFAR10:
    case DATASET_CIFAR100: return o->data != NULL || (!train && o->test_data != NULL);
    case DATASET_SYNTHETIC: return true;
    }
    return false;
}

/* Labels come from the order of the folders, so both halves must have the same ones. */
static Status check_folders(const Dataset *train, const Dataset *test)
{
    if (train->kind != DATASET_FOLDER)
        return STATUS_OK;
    for (int c = 0; c < train->classes; c++)
        if (strcmp(train->class_names[c], test->class_names[c]) != 0)
            return status_fail(STATUS_INPUT,
                               "%s: class folder %d differs from that of %s ('%.60s' vs "
                               "'%.60s')",
                               test->source, c, train->source, test->class_names[c],
                               train->class_names[c]);
    return STATUS_OK;
}

Status options_open_data(const Options *o, Dataset **train, Dataset **test)
{
    DatasetSpec of_train = options_dataset(o, true), of_test = options_dataset(o, false);
    *train = *test = NULL;
    if (is_named(o, true))
        TRY(dataset_open(&of_train, train));
    Status status = STATUS_OK;
    if (*train)
        of_test.classes = (*train)->classes;
    if (is_named(o, false))
        status = dataset_open(&of_test, test);
    if (status == STATUS_OK && *train && *test)
        status = check_folders(*train, *test);
    if (status != STATUS_OK) {
        dataset_close(*train);
        dataset_close(*test);
        *train = *test = NULL;
    }
    return status;
}

typedef struct Normalisation {
    const char *name, *mean, *std;
} Normalisation;

static const Normalisation imagenet = {"ImageNet", IMAGENET_MEAN, IMAGENET_STD};
static const Normalisation inaturalist = {"iNaturalist", INATURALIST_MEAN, INATURALIST_STD};
static const Normalisation cifar = {"CIFAR", CIFAR_MEAN, CIFAR_STD};

enum { INATURALIST_CLASSES = 8142 };

static void set_normalisation(Options *o, const Normalisation *n)
{
    if (isnan(o->mean[0]))
        CHECK(options_set(o, "mean", n->mean) == STATUS_OK);
    if (isnan(o->std[0]))
        CHECK(options_set(o, "std", n->std) == STATUS_OK);
}

void options_normalise(Options *o, int classes)
{
    bool of_cifar = o->dataset == DATASET_CIFAR10 || o->dataset == DATASET_CIFAR100;
    bool of_inaturalist = o->dataset == DATASET_LIST && classes == INATURALIST_CLASSES;
    set_normalisation(o, of_cifar ? &cifar : of_inaturalist ? &inaturalist : &imagenet);
}

static bool is_normalised_as(const Options *o, const Normalisation *n)
{
    Options other;
    options_init(&other);
    set_normalisation(&other, n);
    bool same = memcmp(o->mean, other.mean, sizeof o->mean) == 0 &&
                memcmp(o->std, other.std, sizeof o->std) == 0;
    options_free(&other);
    return same;
}

const char *options_normalisation(const Options *o, char text[160])
{
    static const Normalisation *const known[] = {&imagenet, &inaturalist, &cifar};
    const char *name = "given";
    for (int i = 0; i < 3; i++)
        if (is_normalised_as(o, known[i]))
            name = known[i]->name;
    snprintf(text, 160, "%s, mean %.6g %.6g %.6g, deviation %.6g %.6g %.6g", name, o->mean[0],
             o->mean[1], o->mean[2], o->std[0], o->std[1], o->std[2]);
    return text;
}
