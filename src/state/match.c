/* Matching. Both sides are sorted by name: a file may have a hundred thousand tensors. */
#include "state/match.h"

#include "base/log.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void match_add(Match *match, const char *format, ...)
{
    char line[512], text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* Room doubles at powers of two. */
    int n = match->fault_count;
    if ((n & (n - 1)) == 0) {
        char **faults = arena_alloc(&match->arena, (size_t)(n ? 2 * n : 1) * sizeof *faults);
        if (n)
            memcpy(faults, match->faults, (size_t)n * sizeof *faults);
        match->faults = faults;
    }
    match->faults[match->fault_count++] =
        arena_printf(&match->arena, "%s", utf8_clean(text, sizeof text, line));
}

static bool same_shape(const StoredTensor *t, Dims dims)
{
    bool same = t->rank == dims.rank;
    for (int i = 0; same && i < t->rank; i++)
        same = t->shape[i] == dims.d[i];
    return same;
}

bool match_one(Match *match, const char *label, const ModelTensor *wanted,
               const CheckpointTensor *found)
{
    char have[128], want[128];
    const StoredTensor *t = found->tensor;
    if (!t)
        match_add(match, "unsuitable: %s is %.100s", label, found->why);
    else if (!element_converts(t->type, wanted->type))
        match_add(match, "unsuitable: %s is %s, needs %s", label, element_name(t->type),
                  element_name(wanted->type));
    else if (!same_shape(t, wanted->dims))
        match_add(match, "wrong shape: %s is %s, needs %s", label,
                  shape_text(t->rank, t->shape, have),
                  shape_text(wanted->dims.rank, wanted->dims.d, want));
    else
        return true;
    return false;
}

static void match_wanted(Match *match, const StateDict *dict, const ModelTensor *wanted, int count)
{
    char text[128];
    for (int i = 0; i < count; i++) {
        const ModelTensor *w = &wanted[i];
        if (w->need == TENSOR_IGNORED)
            continue;
        const StateTensor *t = state_dict_find(dict, w->name);
        match->due += t || w->need == TENSOR_NEEDED;
        if (!t && w->need == TENSOR_NEEDED)
            match_add(match, "missing: %s %s", w->name, shape_text(w->dims.rank, w->dims.d, text));
        if (!t || !match_one(match, w->name, w, t->tensor))
            continue;
        match->found[i] = t->tensor;
        match->matched++;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const ModelTensor *const *)a)->name, (*(const ModelTensor *const *)b)->name);
}

/* Names of the file that nobody wanted. */
static void list_unexpected(Match *match, const StateDict *dict, const char *prefix,
                            const ModelTensor *wanted, int count)
{
    const ModelTensor **sorted = arena_alloc(&match->arena, (size_t)count * sizeof *sorted);
    char text[128];
    for (int i = 0; i < count; i++)
        sorted[i] = &wanted[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    for (int i = 0; i < dict->count; i++) {
        const StateTensor *t = &dict->tensors[i];
        const StoredTensor *s = t->tensor->tensor;
        ModelTensor key = {.name = t->name}, *place = &key;
        if (strncmp(t->name, prefix, strlen(prefix)) == 0 &&
            (!count || !bsearch(&place, sorted, (size_t)count, sizeof *sorted, by_name)))
            match_add(match, "unexpected: %s %s", t->name,
                      s ? shape_text(s->rank, s->shape, text) : t->tensor->why);
    }
}

void match_tensors(const StateDict *dict, const char *prefix, const ModelTensor *wanted, int count,
                   Match *match)
{
    *match = (Match){0};
    match->found = arena_alloc(&match->arena, (size_t)count * sizeof *match->found);
    match_wanted(match, dict, wanted, count);
    list_unexpected(match, dict, prefix, wanted, count);
}

Status match_status(const Match *match, const Checkpoint *checkpoint)
{
    if (match->fault_count == 0)
        return STATUS_OK;
    return status_fail(STATUS_INPUT, "%s: state_dict: %d of its keys do not fit: %s%s%s%s",
                       checkpoint_path(checkpoint), match->fault_count, match->faults[0],
                       match->fault_count > 1 ? "; " : "",
                       match->fault_count > 1 ? match->faults[1] : "",
                       match->fault_count > 2 ? "; ..." : "");
}

void match_print(const Match *match, int most)
{
    for (int i = 0; i < match->fault_count && i < most; i++)
        log_info("%s", match->faults[i]);
    if (match->fault_count > most)
        log_info("... and %d more", match->fault_count - most);
}

void match_free(Match *match)
{
    arena_free(&match->arena);
    *match = (Match){0};
}
