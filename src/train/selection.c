/* Which epoch is the best: --select. What the choice so far was made by is part of the checkpoint:
 * a run that goes on by other images chooses anew. */
#include "train/trainer_parts.h"

#include <math.h>

/* The images that choose; NULL: none do. */
static const Dataset *judges(const Trainer *t)
{
    Select select = options_select(t->options);
    return select == SELECT_VAL ? t->val.data : select == SELECT_TEST ? t->test.data : NULL;
}

void selection_begin(Trainer *t)
{
    const Dataset *data = judges(t);
    const Selection *then = &t->at.selection;
    Selection now = {.select = options_select(t->options), .data = data ? data->checksum : 0};
    bool chosen = t->at.best > 0 || then->epoch > 0;
    bool same = then->select == now.select && (!then->data || then->data == now.data);
    t->reselected = chosen && !same ? then->select : SELECT_AUTO;
    if (chosen && same) {
        t->at.selection.data = now.data;
        return;
    }
    t->at.best = 0;
    t->at.selection = now;
    keeper_forget_best(&t->keeper);
}

bool selection_judge(Trainer *t, const EpochRow *row)
{
    Selection *s = &t->at.selection;
    double top1 = s->select == SELECT_VAL ? row->val_top1 : row->top1;
    bool first = s->epoch == 0 && t->at.best == 0 && !isnan(top1);
    bool last = s->select == SELECT_LAST, better = first || top1 > t->at.best;
    if (!last && !better)
        return false;
    s->epoch = row->epoch + 1;
#define X(field, tag) s->field = row->field;
    TEST_FIGURES(X)
    VAL_FIGURES(X)
#undef X
    if (!last)
        t->at.best = top1;
    return !last;
}
