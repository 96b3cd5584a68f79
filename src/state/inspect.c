/* Inspection. Tensors are read one at a time. */
#include "state/inspect.h"

#include "base/log.h"
#include "base/utf8.h"
#include "checkpoint/finite.h"
#include "state/match.h"
#include "state/network.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct Measured {
    double norm;
    uint64_t bad;     /* non-finite elements */
    uint64_t first;   /* index of the first of them */
    bool done;
} Measured;

/* Text of a file, cut to fit, without what could disturb a terminal. */
static const char *clean(const char *from, char text[200])
{
    return utf8_clean(text, 200, from);
}

/* Norm over the finite elements, in blocks that stay in the cache. */
static void measure(const StoredTensor *t, const uint8_t *values, Measured *m)
{
    /* In double: squares of many float32 values would lose digits, or overflow. */
    double block[1024], sum = 0;
    size_t size = element_bytes(t->type);
    for (uint64_t at = 0, n; at < t->count; at += n) {
        n = t->count - at < 1024 ? t->count - at : 1024;
        element_convert(t->type, values + at * size, ELEMENT_FLOAT64, block, (size_t)n);
        for (uint64_t i = 0; i < n; i++) {
            if (isfinite(block[i]))
                sum += block[i] * block[i];
            else if (m->bad++ == 0)
                m->first = at + i;
        }
    }
    m->norm = sqrt(sum);
}

/* Reads a tensor and measures it. */
static Status measure_tensor(Checkpoint *c, const CheckpointTensor *t, Measured *m)
{
    uint8_t *values = malloc(checkpoint_tensor_bytes(t, t->tensor->type) + 1);
    if (!values)
        return status_fail(STATUS_LIMIT, "%s: key '%s': no memory for it", checkpoint_path(c),
                           t->key);
    Status status = checkpoint_read(c, t, t->tensor->type, values);
    if (status == STATUS_OK && element_converts(t->tensor->type, ELEMENT_FLOAT64))
        measure(t->tensor, values, m);
    free(values);
    m->done = true;
    return status;
}

static Status inspect_tensor(Checkpoint *c, const CheckpointTensor *t, Measured *m,
                             const InspectOptions *options, FILE *out, NotFinite *bad)
{
    char shape[128], key[200], why[200];
    if (!t->tensor) {
        if (!options->quiet)
            fprintf(out, "%-60s unsupported: %s\n", clean(t->key, key), clean(t->why, why));
        return STATUS_OK;
    }
    if (!m->done)
        TRY(measure_tensor(c, t, m));
    not_finite_add(bad, t->key, m->bad);
    if (m->bad && options->strict_finite)
        return status_fail(STATUS_NAN,
                           "%s: key '%s': element %" PRIu64 " is not finite (%" PRIu64
                           " of %" PRIu64 ")",
                           checkpoint_path(c), t->key, m->first, m->bad, t->tensor->count);
    if (options->quiet)
        return STATUS_OK;
    fprintf(out, "%-60s %-8s %-20s", clean(t->key, key), element_name(t->tensor->type),
            shape_text(t->tensor->rank, t->tensor->shape, shape));
    if (element_converts(t->tensor->type, ELEMENT_FLOAT64))
        fprintf(out, " norm %.9g", m->norm);
    if (m->bad)
        fprintf(out, "  %" PRIu64 " not finite, first at %" PRIu64, m->bad, m->first);
    fputc('\n', out);
    return STATUS_OK;
}

static int by_tensor(const void *a, const void *b)
{
    const CheckpointTensor *x = *(const CheckpointTensor *const *)a,
                           *y = *(const CheckpointTensor *const *)b;
    /* By address, so that keys of one tensor come together. */
    return ((uintptr_t)x->tensor > (uintptr_t)y->tensor) -
           ((uintptr_t)x->tensor < (uintptr_t)y->tensor);
}

/* Which measurement is whose: one tensor may stand under many keys, and is read once. */
static uint32_t *share_measurements(const Checkpoint *c)
{
    uint32_t count = checkpoint_count(c), *index = mem_alloc(count * sizeof *index);
    const CheckpointTensor **sorted = mem_alloc(count * sizeof *sorted);
    const CheckpointTensor *first = count ? checkpoint_tensor(c, 0) : NULL;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = checkpoint_tensor(c, i);
    qsort(sorted, count, sizeof *sorted, by_tensor);
    for (uint32_t i = 0, same = 0; i < count; i++) {
        same = i && sorted[i]->tensor == sorted[i - 1]->tensor ? same : i;
        index[sorted[i] - first] = same;
    }
    free(sorted);
    return index;
}

static Status inspect_tensors(Checkpoint *c, const InspectOptions *options, FILE *out)
{
    NotFinite bad = {0};
    Status status = STATUS_OK;
    uint32_t count = checkpoint_count(c), *index = share_measurements(c);
    Measured *measured = mem_zero(count, sizeof *measured);
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status =
            inspect_tensor(c, checkpoint_tensor(c, i), &measured[index[i]], options, out, &bad);
    free(index);
    free(measured);
    uint32_t unsupported = 0;
    for (uint32_t i = 0; i < count; i++)
        unsupported += !checkpoint_tensor(c, i)->tensor;
    if (unsupported && status == STATUS_OK)
        fprintf(out,
                "%u tensors are of kinds that are not read; their bytes are checked where the "
                "format allows\n",
                unsupported);
    if (status == STATUS_OK && !options->open.quiet)
        not_finite_warn(&bad, checkpoint_path(c));
    return status;
}

/* The top of the tree: scalars with their values. */
static void print_scalars(Checkpoint *c, FILE *out)
{
    const Object *root = checkpoint_root(c);
    char key_text[200], text[200];
    for (uint32_t i = 0; root->kind == OBJECT_DICT && i < root->count; i++) {
        const Object *key = root->items[2 * i], *value = root->items[2 * i + 1];
        if (key->kind != OBJECT_TEXT || value->kind == OBJECT_TENSOR)
            continue;
        fprintf(out, "  %s: ", clean(key->text, key_text));
        switch (value->kind) {
        case OBJECT_INT: fprintf(out, "%lld\n", (long long)value->integer); break;
        case OBJECT_FLOAT: fprintf(out, "%.9g\n", value->number); break;
        case OBJECT_TEXT: fprintf(out, "'%s'\n", clean(value->text, text)); break;
        case OBJECT_DICT: case OBJECT_LIST:
            fprintf(out, "%s of %u\n", object_kind_name(value), value->count);
            break;
        default: fprintf(out, "%s\n", object_kind_name(value)); break;
        }
    }
}

static void print_recognised(const StateDict *dict, const Recognised *r, FILE *out)
{
    char where[200], prefix[200];
    fprintf(out, "architecture: %s (%s), backbone under '%s%s%s%s'\n", r->arch->name,
            arch_family(r->arch)->words, clean(dict->where, where),
            *dict->where ? "/" : "", dict->module ? "module." : "", clean(r->prefix, prefix));
    if (network_check_classifier(dict, r) == STATUS_OK)
        fprintf(out, "classifier: %s, %" PRId64 " classes%s\n", clean(r->classifier, prefix),
                r->classes, r->turned ? ", cosine" : "");
    else
        fprintf(out, "classifier: %s: %s\n", *r->classifier ? "unsuitable" : "none",
                status_text());
    if (!r->head)
        return;
    fprintf(out, "projection head: %d", arch_features(r->arch));
    if (r->head->layers > 1)
        fprintf(out, " - %" PRId64, r->head_width);
    fprintf(out, " - %" PRId64 "\n", r->head_dim);
}

/* The first differences from an architecture's tensors. A projection head is none. */
static void print_differences(const StateDict *dict, const Recognised *r, const Arch *arch,
                              FILE *out)
{
    enum { SHOWN = 20 };
    int classes = (int)r->classes;
    TensorList wanted = {0};
    Match match;
    Graph *graph = net_graph(arch, classes);
    network_add_tensors(&wanted, r, graph, classes > 0);
    if (r->paco)
        network_ignore_training(&wanted, r);
    else if (r->head)
        network_ignore_head(&wanted, r);
    match_tensors(dict, "", wanted.items, wanted.count, &match);
    for (int i = 0; i < match.fault_count && i < SHOWN; i++)
        fprintf(out, "  %s\n", match.faults[i]);
    fprintf(out, "%d of %d tensors of %s fit, %d differences\n", match.matched, match.due,
            arch->name, match.fault_count);
    match_free(&match);
    tensors_free(&wanted);
    graph_free(graph);
}

/* What is no network of ours can still be compared with one that the user names. */
static void print_unrecognised(Checkpoint *c, const Arch *arch, FILE *out)
{
    StateDict dict;
    Recognised found;
    fprintf(out, "architecture: not recognised: %s\n", status_text());
    if (!arch || state_dict_open(c, &dict) != STATUS_OK)
        return;
    network_find(&dict, &found);
    print_differences(&dict, &found, arch, out);
    state_dict_free(&dict);
}

static void print_architecture(Checkpoint *c, const InspectOptions *options, FILE *out)
{
    StateDict dict;
    Recognised found;
    if (network_open(c, options->key, &dict, &found) != STATUS_OK) {
        print_unrecognised(c, options->arch, out);
        return;
    }
    print_recognised(&dict, &found, out);
    print_differences(&dict, &found, options->arch ? options->arch : found.arch, out);
    state_dict_free(&dict);
}

Status inspect_checkpoint(Checkpoint *c, const InspectOptions *options, FILE *out)
{
    log_text(out, "%s: %s, %" PRIu64 " bytes, %u tensors", checkpoint_path(c),
             checkpoint_format_name(c), checkpoint_file_bytes(c), checkpoint_count(c));
    fputc('\n', out);
    print_scalars(c, out);
    if (checkpoint_root(c)->kind != OBJECT_DICT) {
        StateDict dict;
        return state_dict_open(c, &dict); /* fails, and says what is there instead */
    }
    print_architecture(c, options, out);
    /* Tensors first: a damaged one is then named. What no tensor shows is checked at the end. */
    TRY(inspect_tensors(c, options, out));
    return checkpoint_verify(c);
}

Status inspect_file(const char *path, const InspectOptions *options, FILE *out)
{
    Checkpoint *c;
    TRY(checkpoint_open(path, &options->open, &c));
    Status status = inspect_checkpoint(c, options, out);
    checkpoint_close(c);
    return status;
}
