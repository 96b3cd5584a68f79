/* What the parts of the training loop share. Private to src/train. */
#ifndef PACO_TRAIN_TRAINER_PARTS_H
#define PACO_TRAIN_TRAINER_PARTS_H

#include "data/loader.h"
#include "plan/session.h"
#include "train/evaluator.h"
#include "train/keeper.h"
#include "train/provenance.h"
#include "train/records.h"
#include "train/trainer.h"

/* Times the steps of an epoch. The first step of a process is left out, as drivers compile kernels
 * where they first run, and so is evaluation. */
typedef struct EpochClock {
    double began, seconds; /* since then, so many, of the steps timed so far */
    int64_t step, seen;    /* where the steps that are timed begin */
    bool warm;             /* a step of this process is done */
    double first;          /* seconds of the first step, until the next shows what a step takes */
    double evaluation;     /* seconds of the latest */
} EpochClock;

/* What this process spent, in seconds, since it was started. */
typedef struct Spent {
    time_t started;
    double training, evaluation; /* in epochs, and in evaluations behind them */
} Spent;

/* Images that the network is evaluated on. */
typedef struct Judged {
    Dataset *data;           /* NULL: there are none */
    Metrics *metrics;        /* of the latest evaluation; NULL: none yet */
    EvaluationResult result; /* likewise */
} Judged;

void judged_close(Judged *judged);

typedef struct Trainer {
    Options *options;
    const TrainProgram *program; /* NULL: not said */
    Dataset *train;
    Judged val, test;
    const Recipe *recipe;
    RecipeOptions views;
    Schedule schedule;
    Run run;
    Keeper keeper;
    Records records;
    Loader *loader;
    Comm *comm;                  /* the processes that run the other ranks; NULL: none */
    int64_t steps;               /* of an epoch */
    Progress at;
    double started, waited;      /* waited: for data, before this epoch */
    EpochClock clock;
    Spent spent;
    CommTimes together;          /* before this epoch */
    bool told_long;              /* that the run takes weeks */
    int64_t first_step;          /* of the epoch that this process ran */
    int own_steps;               /* done by this process, for --stop-after */
    bool stop;                   /* some process was asked to */
    Select reselected;           /* what chose until this process went on with another choice */
    int64_t saved;               /* steps done when this process last saved; -1: it has not */
    TrainResult *result;
} Trainer;

/* Process 0 speaks and writes for all. */
static inline bool trainer_speaks(const Trainer *t)
{
    return comm_index(t->comm) == 0;
}

/* ---- trainer_data.c: images, views and schedule. STATUS_USAGE where they do not fit the options. */
Status trainer_open_data(Trainer *t);

/* Whether there are images to evaluate on. */
static inline bool trainer_evaluates(const Trainer *t)
{
    return t->val.data || t->test.data;
}

/* ---- trainer_eval.c */

/* Evaluates the network as it is on all there is. All processes together; fails as evaluate
 * does. */
Status trainer_evaluate(Trainer *t);
/* A row without figures. */
EpochRow trainer_row(int epoch);
/* Those of the evaluation that was just done. */
void trainer_put_figures(const Trainer *t, EpochRow *row);

/* ---- selection.c */

/* With `at` as the run begins or goes on: where what chose so far is not what --select says now,
 * the choice begins anew. */
void selection_begin(Trainer *t);
/* Of an epoch that was evaluated: whether it is the best checkpoint. */
bool selection_judge(Trainer *t, const EpochRow *row);

/* ---- trainer_log.c: what a run says, on the terminal and in train.log: process 0 does */

/* What is trained, on what, and where it goes on from. */
void trainer_tell_start(const Trainer *t);
/* The line that stays on the terminal until the next. */
void trainer_tell_progress(const Trainer *t);
/* Once, when enough steps are timed to know it: that the run will take weeks, and what helps. */
void trainer_tell_long(Trainer *t);
/* The epoch that `at` stands in, behind its last step. */
void trainer_tell_epoch(const Trainer *t, const EpochRow *row, bool evaluated);

/* ---- trainer_notes.c: likewise, what stands in files alone, and single steps */

/* The program, the command and the time of this start; of process 0, which has opened records. */
void trainer_note_start(const Trainer *t);
/* The result, if there is one, and the time. */
void trainer_note_end(const Trainer *t);
/* report.json and the tables of the last evaluation, of process 0. */
Status trainer_write_reports(Trainer *t);
/* The step whose results were read, where --log-every asks for it. */
void trainer_note_step(Trainer *t);

#endif
