/* paco data: `check` verifies lists or folders against their files before a run depends on them,
 * `prepare` makes lists from published ones. */
#include "data/datacheck.h"
#include "data/prepare.h"
#include "options/options.h"
#include "verbs.h"

#include <string.h>

const char usage_data[] =
    "usage: paco data check --train-list FILE --test-list FILE --data FOLDER [options]\n"
    "       paco data prepare imagenet_lt|places_lt|inaturalist --lists FOLDER --data FOLDER\n"
    "                         --out FOLDER [--counts on|off] [--on-missing fail|skip] [--lines N]\n\n"
    "check looks for missing and unreadable files, duplicates, conflicting labels, and images of "
    "the test set among those\n"
    "of the training set, before a run depends on them.\n\n"
    "prepare reads the published lists of a data set, finds their images below --data in any of "
    "the usual layouts, compares\n"
    "counts with the published ones, says what is missing, and writes list files, names of the "
    "classes and the command that\n"
    "trains with them. Nothing is downloaded: without a list it says where it is published.";

static Status check(const Options *o)
{
    Dataset *train, *test;
    TRY(options_open_data(o, 0, NULL, &train, &test));
    Status status = datacheck_report(train, test, o->decode, o->lines, stdout);
    dataset_close(train);
    dataset_close(test);
    return status;
}

/* ------------------------------------------------------------------------------------ prepare */

static Status take_folder(int *argc, char **argv, const char *name, const char **folder)
{
    *folder = verb_take(argc, argv, name);
    if (!*folder)
        return status_fail(STATUS_USAGE, "data prepare: %s FOLDER is missing", name);
    return **folder ? STATUS_OK
                    : status_fail(STATUS_USAGE, "data prepare: %s: value missing (FOLDER)", name);
}

/* One of two words; the first where the option is not there. */
static Status take_choice(int *argc, char **argv, const char *name, const char *const words[2],
                          int *choice)
{
    const char *text = verb_take(argc, argv, name);
    *choice = text && strcmp(text, words[1]) == 0;
    return !text || *choice || strcmp(text, words[0]) == 0
               ? STATUS_OK
               : status_fail(STATUS_USAGE, "data prepare: %s: '%.60s' (expected %s or %s)", name,
                             text, words[0], words[1]);
}

#define X(name, word) word,
static const char *const missing_words[] = {MISSING_LIST(X)};
#undef X

static Status parse_prepare(int *argc, char **argv, Options *o, PrepareRequest *q)
{
    static const char *const on_off[] = {"on", "off"};
    int off, on_missing;
    const char *lines = verb_take(argc, argv, "--lines");
    TRY(take_folder(argc, argv, "--lists", &q->lists));
    TRY(take_folder(argc, argv, "--data", &q->data));
    TRY(take_folder(argc, argv, "--out", &q->out));
    TRY(take_choice(argc, argv, "--counts", on_off, &off));
    TRY(take_choice(argc, argv, "--on-missing", missing_words, &on_missing));
    options_init(o);
    if (lines)
        TRY(options_set(o, "lines", lines));
    q->lines = o->lines;
    q->counts = !off;
    q->on_missing = (OnMissing)on_missing;
    return STATUS_OK;
}

/* argv: "prepare", then what the user typed behind it. */
static Status prepare(int argc, char **argv, Options *o)
{
    PrepareRequest request = {0};
    if (argc > 1 && argv[1][0] != '-')
        TRY(published_find(argv[1], &request.set));
    TRY(parse_prepare(&argc, argv, o, &request));
    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-' || i > 1)
            return status_fail(STATUS_USAGE, "data prepare: unexpected argument '%.60s'. `paco "
                               "data --help` explains", argv[i]);
    TRY(published_find(argc > 1 ? argv[1] : "", &request.set));
    return prepare_lists(&request, stdout);
}

static Status run(int argc, char **argv, Options *options)
{
    const char *action = argc > 1 ? argv[1] : "";
    if (strcmp(action, "prepare") == 0)
        return prepare(argc - 1, argv + 1, options);
    if (strcmp(action, "check") != 0)
        return *action && *action != '-'
                   ? status_fail(STATUS_USAGE,
                                 "data: unknown action '%s' (expected check or prepare)", action)
                   : status_fail(STATUS_USAGE, "data: say what: check or prepare");
    TRY(options_parse(options, OPTION_DATA, 0, argc - 2, argv + 2));
    return check(options);
}

int verb_data(int argc, char **argv)
{
    return run_with_options(run, argc, argv);
}
