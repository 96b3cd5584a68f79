/* paco data check: verifies lists or folders against their files before a run depends on them. */
#include "data/datacheck.h"
#include "options/options.h"
#include "verbs.h"

#include <string.h>

static const char USAGE[] =
    "usage: paco data check --train-list FILE --test-list FILE --data FOLDER [options]";

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
    bool help = strcmp(action, "--help") == 0 || strcmp(action, "-h") == 0;
    if (!help && strcmp(action, "check") != 0)
        return status_fail(STATUS_USAGE,
                           "data: unknown action '%s'. The only one is `paco data check`", action);
    TRY(options_parse(options, OPTION_DATA, 0, argc - 1 - !help, argv + 1 + !help));
    if (!options->help)
        return check(options);
    options_help(stdout, OPTION_DATA, USAGE);
    return STATUS_OK;
}

int verb_data(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
