/* Golden files: configuration, and the verdict over all figures (golden_figures.c). Counts of
 * correct images and the queue's head must be equal. */
#include "base/arena.h"
#include "base/log.h"
#include "verify/golden_parts.h"

#include <stdlib.h>
#include <string.h>

static bool flag(const Json *config, const char *key, bool otherwise)
{
    const Json *m = json_get(config, key);
    return m && m->kind == JSON_BOOL ? m->integer != 0 : otherwise;
}

/* The schedule that the file follows, one step an epoch; else one epoch whose rate is the file's.
 */
static Status read_schedule(Golden *g)
{
    const Json *s = json_get(g->config, "schedule");
    const char *kind = s ? json_text(s, "kind", "") : "cosine";
    g->schedule = schedule_constant(json_number(g->config, "lr", 0));
    if (!s)
        return STATUS_OK;
    g->schedule.epochs = (int)json_number(s, "epochs", 0);
    g->schedule.warmup = (int)json_number(s, "warmup", 0);
    if (schedule_find(kind) < 0 || g->schedule.epochs < 1 || g->schedule.warmup < 0 ||
        g->schedule.warmup > g->schedule.epochs)
        return status_fail(STATUS_INPUT, "%s: config: schedule: unknown kind or epochs", g->path);
    g->schedule.kind = (ScheduleKind)schedule_find(kind);
    return STATUS_OK;
}

/* The ranks of this process. */
static Status share_ranks(Golden *g)
{
    Comm *comm = g->options->session.plan.comm;
    Ranks *ranks = &g->config_of_model.ranks;
    if (ranks->all % comm_count(comm) != 0)
        return status_fail(STATUS_USAGE, "%s: %d ranks cannot be shared by %d processes", g->path,
                           ranks->all, comm_count(comm));
    *ranks = ranks_share(ranks->all, comm_count(comm), comm_index(comm));
    return STATUS_OK;
}

Status golden_stores_nothing(const char *path, const GoldenOptions *options)
{
    if (!options->amp || storage_find(options->amp) == DTYPE_F32)
        return STATUS_OK;
    return status_fail(STATUS_USAGE,
                       "%s: --amp %s: nothing of it is stored in 16 bits. Whole steps are: step/... "
                       "in `paco verify --list`",
                       path, options->amp);
}

static Status read_config(Golden *g)
{
    const Json *c = g->config;
    ModelConfig *m = &g->config_of_model;
    const char *arch = json_text(c, "arch", ""), *method = json_text(c, "method", "paco");
    bool loss_only = strcmp(json_text(c, "what", ""), "loss") == 0;
    if (loss_only)
        TRY(golden_stores_nothing(g->path, g->options));
    if (!arch_find(arch) || method_find(method) < 0)
        return status_fail(STATUS_INPUT, "%s: config: unknown architecture '%s' or method '%s'",
                           g->path, arch, method);
    *m = (ModelConfig){
        .arch = arch_find(arch),
        .method = (Method)method_find(method),
        .classes = (int)json_number(c, "classes", 0),
        .size = (int)json_number(c, "size", 0),
        .batch = (int)json_number(c, "batch", 0),
        .ranks = ranks_whole((int)json_number(c, "ranks", 0)),
        .dim = (int)json_number(c, "dim", 0),
        .queue = (int)json_number(c, "queue", 0),
        .mlp = flag(c, "mlp", true),
        .train = true,
        .moco_m = json_number(c, "moco_m", 0.999),
        .sgd = {json_number(c, "momentum", 0.9), json_number(c, "wd", 0)},
    };
    double T = json_number(c, "moco_t", 0.2);
    m->loss = (PacoAttrs){json_number(c, "alpha", 0.05),
                          json_number(c, "beta", 1),
                          json_number(c, "gamma", 1),
                          json_number(c, "supt", 1),
                          T,
                          json_number(c, "base_t", T)};
    m->eval_batch = m->batch;
    m->prior = flag(c, "long_tailed", true) && m->method != METHOD_CROSS_ENTROPY;
    g->seed = (uint64_t)json_number(c, "seed", 0);
    const char *amp =
        g->options->amp ? g->options->amp : json_text(c, "amp", dtype_word(DTYPE_F32));
    if (storage_find(amp) < 0)
        return status_fail(STATUS_INPUT, "%s: config: unknown number format '%.60s'", g->path, amp);
    m->storage = (DType)storage_find(amp);
    if (m->batch < 1 || m->ranks.all < 1 || m->ranks.all > 64 || m->classes < 1 || m->dim < 1 ||
        m->queue < 1 || (!loss_only && m->size < 1))
        return status_fail(STATUS_INPUT, "%s: config: a size is missing or out of range", g->path);
    TRY(share_ranks(g));
    return read_schedule(g);
}

/* Every process compares what it holds; the line is process 0's, or that of one that fails. */
static bool report(Golden *g)
{
    Comm *comm = g->options->session.plan.comm;
    bool passed = !g->wrong[0] && g->categories_count > 0;
    for (int i = 0; i < g->categories_count; i++)
        passed &= g->categories[i].worst <= g->categories[i].bound;
    bool all = comm_status(comm, passed ? STATUS_OK : STATUS_NAN) == STATUS_OK;
    if (comm_index(comm) > 0) {
        if (passed)
            return all;
        g->out = stderr;
    }
    log_text(g->out, "%s %s on %s%s", passed ? "PASS" : "FAIL", g->path,
             session_device(g->run.session), math_phrase(session_math(g->run.session)));
    if (comm_index(comm) > 0 || !all)
        fprintf(g->out, ", process %d", comm_index(comm));
    if (comm)
        fprintf(g->out, ", %d processes took part", comm_count(comm));
    fputc(':', g->out);
    for (int i = 0; i < g->categories_count; i++) {
        const Category *c = &g->categories[i];
        fprintf(g->out, " %s %.1e/%.1e", c->name, c->worst, c->bound);
        if (g->options->verbose || !(c->worst <= c->bound))
            fprintf(g->out, " (%s)", c->tensor);
    }
    fprintf(g->out, "%s%s\n", g->wrong[0] ? "; " : "", g->wrong);
    return all;
}

Status golden_verify(const char *path, const GoldenOptions *options, FILE *out, bool *passed)
{
    Arena arena = {0};
    Json *root;
    Golden g = {.path = path, .options = options, .out = out};
    Status status;
    TRY_OR(end, status, json_read(&arena, path, &root));
    g.config = json_get(root, "config");
    g.expected = json_get(root, "float64");
    g.tolerance = json_get(root, "tolerance");
    if (!g.config || !g.expected || !g.tolerance) {
        status = status_fail(STATUS_INPUT,
                             "%s: not a golden file: config, float64 or tolerance is missing. "
                             "paco_oracle.py writes them",
                             path);
        goto end;
    }
    TRY_OR(end, status, read_config(&g));
    bool loss = strcmp(json_text(g.config, "what", ""), "loss") == 0;
    TRY_OR(end, status, loss ? golden_loss(&g) : golden_step(&g));
    golden_middles(&g);
    *passed = report(&g);
end:
    for (int i = 0; i < g.categories_count; i++)
        free(g.categories[i].figures);
    run_close(&g.run);
    arena_free(&arena);
    return status;
}
