/* paco train: one run. */
#include "base/log.h"
#include "train/stop.h"
#include "train/trainer.h"
#include "verbs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char usage_train[] =
    "usage: paco train [--preset NAME] [--config FILE] [options]\n\n"
    "Trains a network; --out FOLDER gets checkpoints and reports, and --resume auto goes on with "
    "what is there.";

/* What --select chose, where that is not the last. */
static void print_chosen(const Selection *chosen)
{
    char test[16], val[16];
    if (!chosen->epoch || chosen->select == SELECT_LAST)
        return;
    printf(" (best, by the %s: epoch %d, ", select_title(chosen->select), chosen->epoch);
    if (chosen->select == SELECT_VAL)
        printf("validation top-1 %s, ", metrics_percent(chosen->val_top1, val));
    printf("test top-1 %s)", metrics_percent(chosen->top1, test));
}

static void print_result(const TrainResult *r)
{
    printf("trained in %.0f s", r->seconds);
    char text[5][16];
    if (!isnan(r->last.top1))
        printf(": top-1 %s, many %s, medium %s, few %s", metrics_percent(r->last.top1, text[0]),
               metrics_percent(r->last.many, text[1]), metrics_percent(r->last.medium, text[2]),
               metrics_percent(r->last.few, text[3]));
    if (!isnan(r->val_top1))
        printf("; validation top-1 %s", metrics_percent(r->val_top1, text[4]));
    print_chosen(&r->chosen);
    putchar('\n');
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
    TrainProgram program = {program_version(), program_commit(), argv - 1}; /* main's words */
    Comm *comm = NULL;
    log_silence(!comm_speaks(NULL));
    Status status = options_parse(&options, OPTION_TRAIN, 0, argc - 1, argv + 1);
    if (status == STATUS_OK && wants_processes(&options)) {
        status = options_check_share(&options, options.nproc);
        if (status == STATUS_OK) {
            status = launch_processes(&options, argc, argv);
            options_free(&options);
            return status;
        }
    }
    log_timestamps();
    status = meet_processes(status, options.peer_timeout, &comm);
    if (status == STATUS_OK)
        status = options_check_share(&options, comm_count(comm));
    if (status == STATUS_OK)
        status = train(&options, comm, &program, &result);
    if (comm_speaks(comm))
        tell(status, &result);
    leave_processes(comm, status);
    options_free(&options);
    return status;
}
