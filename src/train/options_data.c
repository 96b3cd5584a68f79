/* From options to open data sets: what the two halves of a run must have in common. */
#include "train/options.h"

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
