/* The verbs of the command line. Each gets its own name as argv[0] and returns the exit code. main
 * answers --help for all of them. */
#ifndef PACO_TOOLS_VERBS_H
#define PACO_TOOLS_VERBS_H

#include "comm/comm.h"
#include "options/options.h"

/* A row of verbs.def. */
typedef struct Verb {
    const char *name;
    int (*run)(int argc, char **argv);
    OptionVerb set;      /* 0: none */
    const char *words, *summary, *usage;
} Verb;

extern const Verb verbs[]; /* name NULL behind the last */
/* The verb called so, or NULL. */
const Verb *verb_find(const char *name);
/* STATUS_USAGE with the nearest one. */
Status verb_unknown(const char *name);

typedef struct OwnOption {
    const char *verb, *name, *values, *help;
} OwnOption;

extern const OwnOption own_options[]; /* name NULL behind the last */

/* `paco VERB --help`. */
void verb_help(const Verb *verb, FILE *out);
/* Words of the columns `words` and `values`: those separated by |, or the list that <NAME> stands
 * for; owned by the arena. NULL where it is another placeholder, or "". */
const char *verb_words(const char *column, Arena *arena);

/* For verbs that work on a model's training step or evaluation: parses `step|eval [options]` with
 * the options of bench. */
Status parse_step_or_eval(int argc, char **argv, Options *options, bool *evaluation);

/* Takes `--name VALUE` or `--name=VALUE` out of the arguments behind the first: an option of this
 * verb alone. NULL: not there; "": without its value. */
const char *verb_take(int *argc, char **argv, const char *name);

/* The body of a verb, which fills the options; the error is printed and the exit code returned
 * here. */
typedef Status OptionsVerb(int argc, char **argv, Options *options);
int run_with_options(OptionsVerb *run, int argc, char **argv);

/* Whether --nproc asks for processes, and nobody started this one beside others yet. */
bool wants_processes(const Options *options);
/* --nproc: launches so many processes of the same command, watches and waits; the status of the job,
 * of which the processes speak. */
Status launch_processes(const Options *options, int argc, char **argv);

/* Joins the processes that a launcher started with this one (comm_open), also where this one failed
 * already (`status`): then that is the status of all. Until then one of them alone is heard.
 * NULL: there are no others. */
Status meet_processes(Status status, double timeout, Comm **comm);

/* Leaves with them (comm_close); whatever signals come, with this status. */
void leave_processes(Comm *comm, Status status);

/* "0.9.0 (commit 1234567)". */
const char *version_text(void);
/* Prints version, commit and backends; the exit code. */
int print_version(void);
/* "0.1.0" and "1234567" */
const char *program_version(void);
const char *program_commit(void);

#define VERB(name, set, words, summary)     \
    extern const char usage_##name[];       \
    int verb_##name(int argc, char **argv);
#include "verbs.def"

#endif
