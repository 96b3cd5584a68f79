/* From options to open data sets: what the two halves of a run must have in common, and how their
 * pixels are normalised. */
#include "options/options.h"

#include "base/check.h"
#include "options/presets.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

DatasetSpec options_dataset(const Options *o, bool train)
{
    DatasetSpec spec = {.kind = (DatasetKind)o->dataset, .train = train, .classes = o->classes,
                        .first_label = o->first_label};
    spec.list = train ? o->train_list : o->test_list;
    spec.root = !train && o->test_data ? o->test_data : o->data;
    if (train && o->lt_factor < 1)
        spec.tail = (LongTail){.form = (LongTailForm)o->lt_form, .factor = o->lt_factor};
    return spec;
}

bool options_have_data(const Options *o, bool train)
{
    switch (dataset_row((DatasetKind)o->dataset)->source) {
    case DATASET_FROM_LISTS: return (train ? o->train_list : o->test_list) != NULL;
    case DATASET_FROM_FOLDERS: return (train ? o->data : o->test_data) != NULL;
    case DATASET_FROM_FILES: return o->data != NULL || (!train && o->test_data != NULL);
    case DATASET_FROM_MEMORY: break;
    }
    return true;
}

bool options_have_val(const Options *o)
{
    return o->val_list || o->val_data;
}

Select options_select(const Options *o)
{
    Select select = (Select)o->select;
    return select != SELECT_AUTO ? select : options_have_val(o) ? SELECT_VAL : SELECT_LAST;
}

const char *select_word(Select select)
{
    static const char *const words[] = {
#define X(name, word) word,
        SELECT_LIST(X)
#undef X
    };
    return words[select];
}

Select select_of_word(const char *word)
{
    for (Select s = SELECT_LAST; s <= SELECT_TEST; s++)
        if (strcmp(word, select_word(s)) == 0)
            return s;
    return SELECT_AUTO;
}

const char *select_title(Select select)
{
    return select == SELECT_TEST  ? "test images"
           : select == SELECT_VAL ? "validation images"
                                  : "last epoch";
}

static ClassNames names_of(const Dataset *d)
{
    return (ClassNames){d->class_names, d->classes, d->source};
}

/* Numbers in one list and names in the other: which number is which name is nowhere said. */
static Status check_labels(const Dataset *train, const Dataset *test)
{
    if (train->named == test->named)
        return STATUS_OK;
    return status_fail(STATUS_INPUT,
                       "%s: labels are %s, those of %s are %s. --class-names FILE says which name "
                       "has which number (a name per line)",
                       test->source, test->named ? "names" : "numbers", train->source,
                       train->named ? "names" : "numbers");
}

/* Opens what is evaluated, *out; what the training half (NULL: there is none) says of its classes
 * holds for it. */
static Status open_evaluated(DatasetSpec *spec, const Dataset *train, Dataset **out)
{
    bool told = spec->known.list != NULL;
    if (train)
        spec->classes = train->classes;
    if (train && train->class_names)
        spec->known = names_of(train);
    TRY(dataset_open(spec, out));
    return train && !told ? check_labels(train, *out) : STATUS_OK;
}

static Status open_halves(const Options *o, int classes, const ClassNames *known, Dataset **train,
                          Dataset **test)
{
    DatasetSpec of_train = options_dataset(o, true), of_test = options_dataset(o, false);
    of_train.known = of_test.known = *known;
    if (classes)
        of_train.classes = of_test.classes = classes;
    if (options_have_data(o, true))
        TRY(dataset_open(&of_train, train));
    return options_have_data(o, false) ? open_evaluated(&of_test, *train, test) : STATUS_OK;
}

Status options_open_data(const Options *o, int classes, const ClassNames *known, Dataset **train,
                         Dataset **test)
{
    Arena arena = {0};
    ClassNames names = known ? *known : (ClassNames){0};
    *train = *test = NULL;
    Status status = o->class_names ? class_names_read(o->class_names, &arena, &names) : STATUS_OK;
    if (status == STATUS_OK)
        status = open_halves(o, classes, &names, train, test);
    arena_free(&arena);
    if (status != STATUS_OK) {
        dataset_close(*train);
        dataset_close(*test);
        *train = *test = NULL;
    }
    return status;
}

Status options_open_val(const Options *o, const Dataset *train, Dataset **val)
{
    Arena arena = {0};
    DatasetSpec spec = options_dataset(o, false);
    spec.list = o->val_list;
    spec.root = o->val_data ? o->val_data : o->data;
    *val = NULL;
    if (!options_have_val(o))
        return STATUS_OK;
    Status status =
        o->class_names ? class_names_read(o->class_names, &arena, &spec.known) : STATUS_OK;
    if (status == STATUS_OK)
        status = open_evaluated(&spec, train, val);
    arena_free(&arena);
    if (status != STATUS_OK) {
        dataset_close(*val);
        *val = NULL;
    }
    return status;
}

/* X(name, title, classes): whose pixels are known; their mean and deviation are in presets.h. A
 * list with so many classes is theirs, whatever its kind says; 0: none. */
#define NORMALISATIONS(X)                                                                          \
    X(IMAGENET, "ImageNet", 0) X(INATURALIST, "iNaturalist", 8142) X(CIFAR, "CIFAR", 0)

typedef struct Normalisation {
    const char *title, *mean, *std;
    int classes;
} Normalisation;

enum {
#define X(name, title, classes) NORMALISATION_##name,
    NORMALISATIONS(X)
#undef X
    NORMALISATION_COUNT
};

static const Normalisation known[NORMALISATION_COUNT] = {
#define X(name, title, classes) {title, name##_MEAN, name##_STD, classes},
    NORMALISATIONS(X)
#undef X
};

/* The row of kinds.def. */
static const Normalisation *const of_kind[DATASET_KINDS] = {
#define KIND(name, word, source, classes, tail, pixels) &known[NORMALISATION_##pixels],
#include "data/kinds.def"
};

static void set_normalisation(Options *o, const Normalisation *n)
{
    if (isnan(o->mean[0]))
        CHECK(options_set(o, "mean", n->mean) == STATUS_OK);
    if (isnan(o->std[0]))
        CHECK(options_set(o, "std", n->std) == STATUS_OK);
}

void options_normalise(Options *o, int classes)
{
    bool list = dataset_row((DatasetKind)o->dataset)->source == DATASET_FROM_LISTS;
    const Normalisation *found = of_kind[o->dataset];
    for (int i = 0; i < NORMALISATION_COUNT && list; i++)
        if (known[i].classes == classes)
            found = &known[i];
    set_normalisation(o, found);
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
    const char *name = "given";
    for (int i = 0; i < NORMALISATION_COUNT; i++)
        if (is_normalised_as(o, &known[i]))
            name = known[i].title;
    snprintf(text, 160, "%s, mean %.6g %.6g %.6g, deviation %.6g %.6g %.6g", name, o->mean[0],
             o->mean[1], o->mean[2], o->std[0], o->std[1], o->std[2]);
    return text;
}
