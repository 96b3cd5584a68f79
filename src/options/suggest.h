/* The nearest of several names to one that was mistyped. */
#ifndef PACO_OPTIONS_SUGGEST_H
#define PACO_OPTIONS_SUGGEST_H

typedef struct Suggest {
    const char *wanted;
    const char *best; /* nearest name tried so far, NULL while none is near enough */
    int distance;     /* its edits; names at this or more do not count */
} Suggest;

/* `wanted` must outlive the Suggest. A name counts where it has the same words, each with at most a
 * third of its letters wrong: a word more or less means something else. */
Suggest suggest_begin(const char *wanted);
void suggest_try(Suggest *suggest, const char *name);

#endif
