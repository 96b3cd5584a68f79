/* What bench, plan and tune share. */
#include "verbs.h"

#include "base/log.h"

#include <string.h>

Status parse_step_or_eval(int argc, char **argv, const char *usage, Options *options,
                          bool *evaluation)
{
    TRY(options_parse(options, OPTION_BENCH, 1, argc - 1, argv + 1));
    if (options->help) {
        options_help(stdout, OPTION_BENCH, usage);
        return STATUS_OK;
    }
    bool bench = strcmp(argv[0], "bench") == 0;
    const char *choices = bench ? "step, eval, op, image or checkpoint" : "step or eval";
    if (!options->word_count)
        return status_fail(STATUS_USAGE, "%s: say what: %s", argv[0], choices);
    const char *what = options->words[0];
    *evaluation = strcmp(what, "eval") == 0;
    if (!*evaluation && strcmp(what, "step") != 0)
        return status_fail(STATUS_USAGE, "%s: '%s': expected %s", argv[0], what, choices);
    return STATUS_OK;
}

int run_with_options(OptionsVerb *run, int argc, char **argv)
{
    Options options = {0};
    Status status = run(argc, argv, &options);
    if (status != STATUS_OK)
        log_error("%s", status_text());
    options_free(&options);
    return status;
}
