/* The verbs of the command line. Each gets its own name as argv[0] and returns the exit code. */
#ifndef PACO_TOOLS_VERBS_H
#define PACO_TOOLS_VERBS_H

#include "options/options.h"

/* For verbs that work on a model's training step or evaluation: parses `step|eval [options]` with
 * the options of bench. After --help, options->help is set and the help printed. */
Status parse_step_or_eval(int argc, char **argv, const char *usage, Options *options,
                          bool *evaluation);

/* The body of a verb, which fills the options; the error is printed and the exit code returned
 * here. */
typedef Status OptionsVerb(int argc, char **argv, Options *options);
int run_with_options(OptionsVerb *run, int argc, char **argv);

/* --nproc: launches so many processes of the same command, watches and waits; the status of the job,
 * of which the processes speak. */
Status launch_processes(const Options *options, int argc, char **argv);

/* "0.9.0 (commit 1234567)". */
const char *version_text(void);
/* Prints version, commit and backends; the exit code. */
int print_version(void);

#define VERB(name, summary) int verb_##name(int argc, char **argv);
#include "verbs.def"
#undef VERB

#endif
