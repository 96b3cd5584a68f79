/* paco data check: verifies lists or folders against their files before a run depends on them. */
#include "data/datacheck.h"
#include "options/options.h"
#include "verbs.h"

#include <string.h>

const char usage_data[] =
    "usage: paco data check --train-list FILE --test-list FILE --data FOLDER [options]\n\n"
    "Looks for missing and unreadable files, duplicates, conflicting labels, and images of the "
    "test set among those of the\n"
    "training set, before a run depends on them.";

static Status check(const Options *o)
{
    Dataset *train, *test;
    TRY(options_open_data(o, 0, NULL, &train, &test));
    Status status = datacheck_report(train, test, o->decode, o->lines, stdout);
    dataset_close(train);
    dataset_close(test);
    return status;
}

static Status run(int argc, char **argv, Options *options)
{
    const char *action = argc > 1 ? argv[1] : "";
    if (strcmp(action, "check") != 0)
        return status_fail(STATUS_USAGE,
                           "data: unknown action '%s'. The only one is `paco data check`", action);
    TRY(options_parse(options, OPTION_DATA, 0, argc - 2, argv + 2));
    return check(options);
}

int verb_data(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
