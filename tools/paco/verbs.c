/* What verbs share. */
#include "verbs.h"

#include "base/arena.h"
#include "base/log.h"
#include "comm/launch.h"
#include "train/stop.h"

#include <stdlib.h>
#include <string.h>

Status parse_step_or_eval(int argc, char **argv, Options *options, bool *evaluation)
{
    TRY(options_parse(options, OPTION_BENCH, 1, argc - 1, argv + 1));
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

const char *verb_take(int *argc, char **argv, const char *name)
{
    size_t length = strlen(name);
    for (int i = 1; i < *argc; i++) {
        if (strncmp(argv[i], name, length) != 0 || (argv[i][length] && argv[i][length] != '='))
            continue;
        bool joined = argv[i][length] == '=';
        int taken = !joined && i + 1 < *argc ? 2 : 1;
        const char *value = joined ? argv[i] + length + 1 : taken == 2 ? argv[i + 1] : "";
        memmove(argv + i, argv + i + taken, (size_t)(*argc - i - taken) * sizeof *argv);
        *argc -= taken;
        return value;
    }
    return NULL;
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

/* ------------------------------------------------------------------------------------ --nproc */

bool wants_processes(const Options *o)
{
    return o->nproc > 1 && !comm_started();
}

/* The words of a restart, which goes on from the newest checkpoint whatever the first start went on
 * from. Owned by the caller, like the list. */
static char **words_of_restart(int argc, char **argv)
{
    char **words = mem_zero((size_t)argc + 3, sizeof *words);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        bool resume = strncmp(argv[i], "--resume", 8) == 0;
        if (resume && !strchr(argv[i], '='))
            i++;
        if (!resume)
            words[n++] = argv[i];
    }
    words[n++] = "--resume";
    words[n++] = "auto";
    return words;
}

Status launch_processes(const Options *o, int argc, char **argv)
{
    bool started;
    char **program = argv - 1; /* main's: `paco train ...` */
    Launch l = {.processes = o->nproc,
                .timeout = o->peer_timeout,
                .restarts = o->restarts,
                .words = program,
                .again = words_of_restart(argc + 1, program),
                .stop = &stop_asked};
    stop_listen();
    Status status = launch_run(&l, &started);
    if (!started)
        log_error("%s", status_text());
    free(l.again);
    return status;
}

Status meet_processes(Status status, double timeout, Comm **comm)
{
    char why[STATUS_TEXT_MAX];
    snprintf(why, sizeof why, "%s", status_text());
    stop_listen(); /* before an engine has threads, which would take the signals */
    TRY(comm_open(timeout > 0 ? timeout : COMM_TIMEOUT, version_text(), comm));
    if (status != STATUS_OK)
        status_fail(status, "%s", why);
    status = comm_status(*comm, status);
    log_silence(false);
    return status;
}

void leave_processes(Comm *comm, Status status)
{
    stop_ending();
    comm_close(comm, status);
}
