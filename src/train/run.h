/* Run: a network on a device, and the one training step (CONTRIBUTING.md). Trainer, evaluation,
 * verification, benchmarks and tuning open their networks here and run this step. */
#ifndef PACO_TRAIN_RUN_H
#define PACO_TRAIN_RUN_H

#include "model/paco.h"
#include "options/options.h"
#include "plan/session.h"
#include "state/progress.h"
#include "train/schedule.h"

/* Steps that may be launched before the results of the first of them are read. */
enum { RUN_AHEAD_MAX = 2 };

/* Tickets (session_fetch) of a step's results. */
typedef struct RunTickets {
    int scaler, loss, correct, samples;
} RunTickets;

/* What a process tells the others once in every step. */
enum { RUN_BAD_MAX = 32 };
typedef struct RunNews {
    int32_t status;    /* whether its next batch is there; else why not */
    int32_t stop;      /* it was asked to stop */
    int64_t skipped;   /* images of the next batch that others replace */
    int32_t bad_count; /* images that it found unreadable; more of them are told in later steps */
    uint32_t bad[RUN_BAD_MAX];
} RunNews;

typedef struct Run {
    ModelConfig config;
    Model model;
    Session *session;
    Comm *comm;                     /* the processes that run the other ranks; NULL: none */
    bool mixed;                     /* whose arithmetic differs among them (replicas_join) */
    RunNews news, *heard;           /* to be told next; [processes] told with the latest results */
    int32_t *orders[RUN_AHEAD_MAX]; /* [R B] key shuffles of the steps ahead, and of what was fed */
    Schedule schedule; /* of the learning rate; run_begin sets it */
    int ahead;         /* steps launched whose results are not read yet, and their tickets */
    RunTickets tickets[RUN_AHEAD_MAX];
    double *loss;      /* [R], of the step that run_results read, all ranks' */
    double scale;      /* of the loss, after it: fp16; else 0 */
    bool skipped;      /* it overflowed and changed no weight: fp16 */
    int32_t *correct;  /* [R][2]: images whose class comes first, without and with the prior */
} Run;

/* The model that the options describe: of `classes` classes and images of `size` x `size`; `train`
 * builds the training step, eval_batch > 0 the evaluation. Completes the options' normalisation. */
ModelConfig run_config(Options *options, int classes, int size, bool train, int eval_batch);
/* The device and how the plan is made. */
SessionOptions run_session(const Options *options);

/* Builds the network and its plan. STATUS_USAGE where the configuration cannot be built, else as
 * session_open fails. Close it in any case. */
Status run_open(const ModelConfig *config, const SessionOptions *session, Run *run);
void run_close(Run *run);
/* What training starts from: initial values, and the prior of counts[classes] training images. */
Status run_begin(Run *run, const Schedule *schedule, uint64_t seed, const int64_t *counts);

/* What the host brings to a step: n images of the share, rank after rank. */
typedef struct RunFeed {
    const void *query, *key; /* views; those of keys in the order of the shuffle; NULL for
                                baselines */
    DType images;            /* U8 [n][H][W][3] where the config says bytes, else a float type
                                [n][3][H][W] */
    const int32_t *labels;   /* [n] */
    const uint32_t *samples, *key_samples; /* [n] numbers of the images; NULL in one process */
    const int32_t *order;    /* [R B] the key shuffle: place i encodes image order[i]; likewise */
} RunFeed;

Status run_feed(Run *run, const RunFeed *feed);
/* The learning rate of the epoch that runs. */
double run_lr(const Run *run, const Progress *at);
/* Launches the next training step of epoch at->epoch, over what was fed, and does not wait for the
 * device: `at` stays where the results are read. Once RUN_AHEAD_MAX steps are ahead of it, results
 * come first. */
Status run_step(Run *run, const Progress *at);
/* Reads the scaler; sets scale, skipped and at's overflows, where the loss is scaled: for who goes
 * on with a run. */
Status run_scaler(Run *run, Progress *at);
/* Tells the others the news and hears theirs. */
void run_exchange(Run *run);
/* Waits for the first of the steps ahead and does run_exchange; sets loss, correct, scale and
 * skipped, adds them to at's loss_sum, correct and correct_prior, seen, overflows and lost, and advances its step,
 * done and queue_head: the loss of a skipped step counts where it is a number. */
Status run_results(Run *run, Progress *at);

/* Evaluation: fold once the weights are final, then for each batch feed and evaluate; the model's
 * eval_logits hold the result. */
Status run_fold(Run *run);
Status run_feed_eval(Run *run, const void *images, DType type);
Status run_eval(Run *run);

#endif
