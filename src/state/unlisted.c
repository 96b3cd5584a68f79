/* What a checkpoint says of itself, and what follows from it. */
#include "state/unlisted.h"

#include "base/file.h"
#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "state/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read from one that the manifest does not list: nothing else tells what it is. */
typedef struct Self {
    char run[STORE_RUN_BYTES];
    int64_t step; /* -1: it does not say */
    bool best;
} Self;

static Self ask(const char *folder, const Generation *g)
{
    Self self = {.step = -1};
    Checkpoint *c;
    CheckpointOptions options = {.quiet = true};
    char *path = file_join(folder, g->name);
    if (checkpoint_open(path, &options, &c) == STATUS_OK) {
        const char *run = checkpoint_text(c, STORE_SAYS_RUN);
        const Object *best = checkpoint_object(c, STORE_SAYS_BEST);
        snprintf(self.run, sizeof self.run, "%s", run ? run : "");
        self.best = best && best->kind == OBJECT_BOOL && best->flag;
        if (checkpoint_integer(c, STORE_SAYS_STEP, &self.step) != STATUS_OK)
            self.step = -1;
        checkpoint_close(c);
    }
    free(path);
    return self;
}

/* Why an unlisted checkpoint is none of this folder's, or NULL. */
static const char *why_foreign(const Listing *l, const Generation *g, const Self *self)
{
    if (self->step >= 0 && self->step != g->step)
        return "it was saved under another name";
    return l->run[0] && self->run[0] && strcmp(l->run, self->run) != 0
               ? "it belongs to another run" : NULL;
}

Status unlisted_take(const char *folder, Listing *l)
{
    bool known = l->run[0] != 0;
    for (int i = 0; i < l->count; i++) {
        Generation *g = &l->items[i];
        if (g->sum.sha[0])
            continue;
        Self self = ask(folder, g);
        const char *why = why_foreign(l, g, &self);
        if (why && !known && strcmp(l->run, self.run) != 0)
            return status_fail(STATUS_INPUT,
                               "%s: store: checkpoints of different runs and no manifest that says "
                               "which is meant (%s). Move those of the other run away",
                               folder, g->name);
        if (why) {
            log_warn("%s/%s: passed over: %s", folder, g->name, why);
            listing_drop(l, i--);
            continue;
        }
        if (!l->run[0])
            snprintf(l->run, sizeof l->run, "%s", self.run);
        /* Later ones are better still; an older one is only not removed yet. */
        if (self.best && (!l->best[0] || i > listing_find(l, l->best)))
            snprintf(l->best, sizeof l->best, "%s", g->name);
    }
    return STATUS_OK;
}
