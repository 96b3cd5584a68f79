/* The verbs of the command line. Each gets its own name as argv[0] and returns the exit code. */
#ifndef PACO_TOOLS_VERBS_H
#define PACO_TOOLS_VERBS_H

#define VERB(name, summary) int verb_##name(int argc, char **argv);
#include "verbs.def"
#undef VERB

#endif
