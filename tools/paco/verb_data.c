/* paco data check: verifies lists or folders against their files before a run depends on them. */
#include "base/log.h"
#include "base/status.h"
#include "data/datacheck.h"
#include "data/dataset.h"
#include "train/metrics.h"
#include "options/options.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: paco data check --train-list FILE --test-list FILE --data FOLDER [options]";

static void check_half(const Options *o, const char *title, const Dataset *data, DataCheck *check)
{
    if (!data)
        return;
    log_info("%s set: %s", title, data->source);
    datacheck_run(data, o->decode, o->lines, stdout, check);
}

static void print_groups(const Dataset *d)
{
    int many = 0, medium = 0, few = 0;
    for (int c = 0; c < d->classes; c++) {
        many += d->counts[c] > METRICS_MANY_ABOVE;
        medium += d->counts[c] <= METRICS_MANY_ABOVE && d->counts[c] >= METRICS_FEW_BELOW;
        few += d->counts[c] > 0 && d->counts[c] < METRICS_FEW_BELOW;
    }
    printf("  many-shot %d, medium-shot %d, few-shot %d classes\n", many, medium, few);
}

static void print_half(const char *title, const Dataset *d, const DataCheck *check)
{
    if (!d)
        return;
    printf("%s set %s: %lld images, %d classes, checksum %016llx\n", title, d->source,
           (long long)d->count, d->classes, (unsigned long long)d->checksum);
    printf("  missing %lld, unreadable %lld, listed twice %lld, with conflicting labels %lld, ",
           (long long)check->missing, (long long)check->unreadable, (long long)check->duplicates,
           (long long)check->conflicts);
    if (check->compared)
        printf("copies under other names %lld\n", (long long)check->copies);
    else
        printf("copies not looked for (--decode off)\n");
    printf("  images per class %lld to %lld, imbalance %.4g, empty classes %d\n",
           (long long)check->smallest, (long long)check->largest,
           (double)check->largest / (double)check->smallest, check->empty_classes);
}

/* Damage makes the exit status that a run over these files would end with; labels that contradict
 * each other end no run, but whoever checks wants to know: they are malformed input. */
static Status verdict(const DataCheck *train, const DataCheck *test)
{
    long long missing = (long long)(train->missing + test->missing);
    long long unreadable = (long long)(train->unreadable + test->unreadable);
    long long conflicts = (long long)(train->conflicts + test->conflicts);
    Status status = train->missing || (train->status != STATUS_OK && !test->missing) ? train->status
                                                                                     : test->status;
    if (status == STATUS_OK && conflicts)
        status = STATUS_INPUT;
    if (status == STATUS_OK)
        return STATUS_OK;
    return status_fail(
        status, "data check: %lld images missing, %lld unreadable, %lld with conflicting labels",
        missing, unreadable, conflicts);
}

static void print_overlap(const DataCheck *train, const DataCheck *test)
{
    int64_t names, contents;
    datacheck_overlap(train, test, &names, &contents);
    printf("test images that are training images too: %lld by path, ", (long long)names);
    if (train->compared && test->compared)
        printf("%lld more by content\n", (long long)contents);
    else
        printf("contents not compared (--decode off)\n");
    if (names + contents)
        log_warn("%lld test images are in the training set", (long long)(names + contents));
}

static Status check_data(const Options *o)
{
    Dataset *train, *test;
    DataCheck of_train = {0}, of_test = {0};
    TRY(options_open_data(o, &train, &test));
    check_half(o, "training", train, &of_train);
    check_half(o, "test", test, &of_test);
    print_half("training", train, &of_train);
    if (train)
        print_groups(train);
    print_half("test", test, &of_test);
    if (train && test)
        print_overlap(&of_train, &of_test);
    Status status = verdict(&of_train, &of_test);
    datacheck_free(&of_train);
    datacheck_free(&of_test);
    dataset_close(train);
    dataset_close(test);
    return status;
}

int verb_data(int argc, char **argv)
{
    Options o;
    const char *action = argc > 1 ? argv[1] : "";
    if (strcmp(action, "--help") == 0 || strcmp(action, "-h") == 0) {
        options_help(stdout, OPTION_DATA, usage);
        return STATUS_OK;
    }
    if (strcmp(action, "check") != 0) {
        log_error("data: unknown action '%s'. The only one is `paco data check`", action);
        return STATUS_USAGE;
    }
    Status status = options_parse(&o, OPTION_DATA, 0, argc - 2, argv + 2);
    if (status == STATUS_OK && o.help)
        options_help(stdout, OPTION_DATA, usage);
    else if (status == STATUS_OK)
        status = check_data(&o);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    options_free(&o);
    return status;
}
