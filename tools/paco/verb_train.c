/* paco train: one run. */
#include "base/arena.h"
#include "base/log.h"
#include "comm/launch.h"
#include "train/stop.h"
#include "train/trainer.h"
#include "verbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void print_result(const TrainResult *r)
{
    printf("trained in %.0f s", r->seconds);
    char text[5][16];
    if (!isnan(r->last.top1))
        printf(": top-1 %s, many %s, medium %s, few %s (best top-1 %s)",
               metrics_percent(r->last.top1, text[0]), metrics_percent(r->last.many, text[1]),
               metrics_percent(r->last.medium, text[2]), metrics_percent(r->last.few, text[3]),
               metrics_percent(r->best, text[4]));
    putchar('\n');
}

/* The words without `--nproc N` and `--restarts K`; at the end, where `resume`, what goes on. Owned
 * by the caller, like the list. */
static char **words_of_process(int argc, char **argv, bool resume)
{
    char **words = mem_zero((size_t)argc + 3, sizeof *words);
    int n = 0;
    for (int i = 0; i < argc; i++) {
        const char *name = strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
        bool launch = strncmp(name, "nproc", 5) == 0 || strncmp(name, "restarts", 8) == 0;
        if (launch && !strchr(name, '='))
            i++;
        if (!launch)
            words[n++] = argv[i];
    }
    if (resume) {
        words[n++] = "--resume";
        words[n++] = "auto";
    }
    return words;
}

/* --nproc: this process launches, watches and waits. */
static Status launch(const Options *o, int argc, char **argv)
{
    bool started;
    char **program = argv - 1; /* main's: `paco train ...` */
    Launch l = {.processes = o->nproc,
                .timeout = o->peer_timeout,
                .restarts = o->restarts,
                .words = words_of_process(argc + 1, program, false),
                .again = words_of_process(argc + 1, program, !o->resume),
                .stop = &stop_asked};
    stop_listen();
    Status status = launch_run(&l, &started);
    if (!started)
        log_error("%s", status_text());
    free(l.words);
    free(l.again);
    return status;
}

static void tell(Status status, const TrainResult *result)
{
    if (status == STATUS_OK)
        print_result(result);
    else if (status == STATUS_STOPPED)
        log_info("%s", status_text());
    else
        log_error("%s", status_text());
}

int verb_train(int argc, char **argv)
{
    Options options = {0};
    TrainResult result;
    Comm *comm = NULL;
    Status status = options_parse(&options, OPTION_TRAIN, 0, argc - 1, argv + 1);
    if (status == STATUS_OK && options.help) {
        options_help(stdout, OPTION_TRAIN, "usage: paco train [--preset NAME] [options]");
        options_free(&options);
        return 0;
    }
    if (status == STATUS_OK && options.nproc > 1) {
        status = options_check_share(&options, options.nproc);
        if (status == STATUS_OK) {
            status = launch(&options, argc, argv);
            options_free(&options);
            return status;
        }
    }
    stop_listen(); /* before an engine has threads, which would take the signals */
    if (status == STATUS_OK)
        status = comm_open(options.peer_timeout, &comm);
    if (status == STATUS_OK)
        status = options_check_share(&options, comm_count(comm));
    if (status == STATUS_OK)
        status = train(&options, comm, &result);
    if (comm_index(comm) == 0)
        tell(status, &result);
    comm_close(comm, status);
    options_free(&options);
    return status;
}
