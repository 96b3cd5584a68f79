/* The loader's ring and its threads.
 *
 * Slots are numbered from the first batch on; batch n lives in slot n mod depth. Under one lock a
 * worker takes a few samples of the oldest slot that has some left, or opens the next slot while
 * fewer than `depth` are in use; the pixels are made without the lock. What went wrong is noted in
 * the slot, by position, and judged by the consumer when it receives the batch, so that the verdict
 * does not depend on which thread was faster. Read-ahead is bounded by the ring alone. */
#include "data/loader_parts.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/moves.h"
#include "base/rng.h"
#include "base/threads.h"
#include "data/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 1024, SUBSTITUTE_TRIES = 16 };

/* ---- making one sample ---- */

/* The place of a view; NULL where it is not wanted. */
static uint8_t *view_at(const Loader *l, uint8_t *views, int position)
{
    return position < 0 ? NULL : views + (size_t)position * l->view_bytes;
}

/* Does a job with image `i`, which need not be the one drawn. */
static Status make_views(const Loader *l, Slot *slot, const Job *job, uint32_t i)
{
    if (job->query >= 0) {
        slot->samples[job->query] = i;
        slot->labels[job->query] = l->spec.data->labels[i];
    }
    if (job->key >= 0)
        slot->key_samples[job->key] = i;
    return views_make(&l->spec, slot->batch.epoch, i, job->sample,
                      view_at(l, slot->query, job->query), view_at(l, slot->key, job->key));
}

/* Notes that `image` failed with this thread's status text. */
static void note_trouble(Loader *l, Slot *slot, Trouble trouble)
{
    snprintf(trouble.text, sizeof trouble.text, "%s", status_text());
    pthread_mutex_lock(&l->lock);
    if (slot->trouble_count == slot->trouble_room) {
        slot->trouble_room = slot->trouble_room ? 2 * slot->trouble_room : 8;
        slot->troubles = mem_grow(slot->troubles, (size_t)slot->trouble_room * sizeof trouble);
    }
    slot->troubles[slot->trouble_count++] = trouble;
    pthread_mutex_unlock(&l->lock);
}

/* The t-th image to try in place of `lost`: its class in turn from a random place, then any. */
static uint32_t substitute(const Dataset *d, uint32_t lost, Rng *rng, int64_t start, int t,
                           int in_class)
{
    int32_t c = d->labels[lost];
    if (t < in_class)
        return d->members[d->first[c] + (start + t) % d->counts[c]];
    return rng_below(rng, (uint32_t)d->count);
}

static void make_sample(Loader *l, Slot *slot, int position)
{
    const Dataset *d = l->spec.data;
    const Job *job = &slot->jobs[position];
    uint32_t lost = sampler_image(job->sample), image = lost;
    Trouble trouble = {.position = position, .image = lost};
    trouble.status = make_views(l, slot, job, lost);
    if (trouble.status == STATUS_OK)
        return;
    trouble.fatal = l->spec.on_corrupt == CORRUPT_FAIL;
    note_trouble(l, slot, trouble);
    if (trouble.fatal || l->spec.views == LOADER_EVAL)
        return;
    Rng rng = rng_stream(l->spec.seed, slot->batch.epoch, job->sample, RNG_SUBSTITUTE);
    int64_t size = d->counts[d->labels[lost]], start = rng_below(&rng, (uint32_t)size);
    int in_class = size < SUBSTITUTE_TRIES ? (int)size : SUBSTITUTE_TRIES;
    for (int t = 0; t < in_class + SUBSTITUTE_TRIES; t++) {
        image = substitute(d, lost, &rng, start, t, in_class);
        if (image == lost)
            continue;
        trouble.status = make_views(l, slot, job, image);
        if (trouble.status == STATUS_OK)
            return;
        trouble.order++;
        trouble.image = image;
        note_trouble(l, slot, trouble);
    }
    trouble.order++;
    trouble.fatal = true;
    note_trouble(l, slot, trouble);
}

/* ---- workers ---- */

static bool more_to_open(const Loader *l)
{
    return l->spec.views == LOADER_EVAL ? l->next_step < l->steps : l->next_epoch < l->spec.epochs;
}

static void open_evaluation(Loader *l, Slot *slot)
{
    int64_t begin = l->next_step * l->n, left = l->spec.data->count - begin;
    slot->batch.n = slot->job_count = left < l->n ? (int)left : l->n;
    for (int i = 0; i < slot->batch.n; i++)
        slot->jobs[i] = (Job){.sample = (uint64_t)(begin + i), .query = i, .key = -1};
    l->next_step += l->spec.ranks.all;
}

/* Key views of the share's places: of an image whose query is the share's, too, by the same job. */
static void add_keys(Loader *l, Slot *slot)
{
    int first = l->spec.ranks.first * l->spec.batch;
    sampler_shuffle(l->sampler, l->next_epoch, l->next_step, slot->order);
    for (int i = 0; i < l->n; i++) {
        int image = slot->order[first + i];
        if (image >= first && image < first + l->n)
            slot->jobs[image - first].key = i;
        else
            slot->jobs[slot->job_count++] = (Job){l->drawn[image], -1, i};
    }
}

/* Begins the next batch in its slot: who is in it. Called with the lock held. */
static void open_slot(Loader *l)
{
    const Ranks ranks = l->spec.ranks;
    Slot *slot = &l->slots[l->opened++ % l->spec.depth];
    slot->batch.epoch = l->next_epoch;
    slot->batch.step = l->next_step;
    slot->taken = slot->done = slot->trouble_count = 0;
    if (l->spec.views == LOADER_EVAL) {
        open_evaluation(l, slot);
        return;
    }
    for (int r = 0; r < ranks.all; r++)
        sampler_batch(l->sampler, l->next_epoch, l->next_step, r,
                      l->drawn + (size_t)r * (size_t)l->spec.batch);
    slot->batch.n = slot->job_count = l->n;
    for (int i = 0; i < l->n; i++)
        slot->jobs[i] = (Job){l->drawn[ranks.first * l->spec.batch + i], i, -1};
    if (l->spec.views == LOADER_PAIR)
        add_keys(l, slot);
    if (++l->next_step == l->steps) {
        l->next_step = 0;
        l->next_epoch++;
    }
}

/* The oldest slot with samples to hand out, opening one where the ring has room; NULL when there is
 * nothing to do now. Called with the lock held. */
static Slot *find_work(Loader *l)
{
    for (int64_t s = l->consumed; s < l->opened; s++) {
        Slot *slot = &l->slots[s % l->spec.depth];
        if (slot->taken < slot->job_count)
            return slot;
    }
    if (l->opened - l->consumed >= l->spec.depth || !more_to_open(l))
        return NULL;
    open_slot(l);
    return &l->slots[(l->opened - 1) % l->spec.depth];
}

static void *work(void *argument)
{
    Loader *l = argument;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        Slot *slot = find_work(l);
        if (!slot) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        int begin = slot->taken, end = begin + l->chunk;
        if (end > slot->job_count)
            end = slot->job_count;
        slot->taken = end;
        pthread_mutex_unlock(&l->lock);
        for (int i = begin; i < end; i++) {
            make_sample(l, slot, i);
            moves_count();
        }
        pthread_mutex_lock(&l->lock);
        slot->done += end - begin;
        if (slot->done == slot->job_count)
            pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* ---- opening and closing ---- */

static void slot_alloc(const Loader *l, Slot *slot)
{
    size_t n = (size_t)l->n;
    slot->jobs = mem_alloc(2 * n * sizeof *slot->jobs);
    slot->labels = mem_alloc(n * sizeof *slot->labels);
    slot->samples = mem_alloc(n * sizeof *slot->samples);
    slot->query = mem_alloc(n * l->view_bytes);
    if (l->spec.views == LOADER_PAIR) {
        slot->key = mem_alloc(n * l->view_bytes);
        slot->key_samples = mem_alloc(n * sizeof *slot->key_samples);
        slot->order = mem_alloc((size_t)(l->spec.ranks.all * l->spec.batch) * sizeof *slot->order);
    }
    slot->batch.query = slot->query;
    slot->batch.key = slot->key;
    slot->batch.labels = slot->labels;
    slot->batch.samples = slot->samples;
    slot->batch.key_samples = slot->key_samples;
    slot->batch.order = slot->order;
}

static void slot_free(Slot *slot)
{
    free(slot->troubles);
    free(slot->key);
    free(slot->query);
    free(slot->order);
    free(slot->key_samples);
    free(slot->samples);
    free(slot->labels);
    free(slot->jobs);
}

/* Fills in what the spec leaves to the loader. */
static void complete_spec(LoaderSpec *spec)
{
    if (spec->views == LOADER_EVAL) {
        if (!spec->ranks.all)
            spec->ranks = ranks_whole(1);
        spec->epoch = 0;
        spec->step = spec->ranks.first;
    }
    if (spec->threads == 0)
        spec->threads = threads_available();
    if (spec->threads > THREADS_MAX)
        spec->threads = THREADS_MAX;
    if (spec->depth == 0)
        spec->depth = 3;
    CHECK(spec->depth >= 2 && spec->threads >= 1 && spec->batch >= 1 && spec->options.size >= 1);
    CHECK(spec->ranks.first >= 0 && spec->ranks.own >= 1 &&
          spec->ranks.first + spec->ranks.own <= spec->ranks.all);
    CHECK(spec->views == LOADER_EVAL || spec->recipe);
}

static Status open_order(Loader *l)
{
    const LoaderSpec *spec = &l->spec;
    if (spec->views == LOADER_EVAL) {
        l->steps = (spec->data->count + spec->batch - 1) / spec->batch;
        return STATUS_OK;
    }
    SamplerSpec order = {.seed = spec->seed, .ranks = spec->ranks.all, .batch = spec->batch,
                         .balanced = spec->balanced};
    TRY(sampler_open(spec->data, &order, &l->sampler));
    l->drawn = mem_alloc((size_t)(spec->ranks.all * spec->batch) * sizeof *l->drawn);
    l->steps = sampler_steps(l->sampler);
    return STATUS_OK;
}

static Status start_threads(Loader *l)
{
    l->threads = mem_zero((size_t)l->spec.threads, sizeof *l->threads);
    while (l->thread_count < l->spec.threads &&
           pthread_create(&l->threads[l->thread_count], NULL, work, l) == 0)
        l->thread_count++;
    if (l->thread_count == 0)
        return status_fail(STATUS_LIMIT, "loader: cannot start a thread");
    return STATUS_OK;
}

Status loader_open(const LoaderSpec *spec, Loader **out)
{
    Loader *l = mem_zero(1, sizeof *l);
    l->spec = *spec;
    complete_spec(&l->spec);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    size_t side = (size_t)l->spec.options.size;
    l->n = l->spec.ranks.own * l->spec.batch;
    l->view_bytes = side * side * 3;
    l->chunk = side <= 64 ? 8 : 1; /* small images: fewer turns at the lock */
    l->next_epoch = l->spec.epoch;
    l->next_step = l->spec.step;
    l->slots = mem_zero((size_t)l->spec.depth, sizeof *l->slots);
    Status status = open_order(l);
    if (status == STATUS_OK) {
        CHECKF(spec->views == LOADER_EVAL || (spec->step >= 0 && spec->step < l->steps),
               "step %lld of %lld", (long long)spec->step, (long long)l->steps);
        for (int i = 0; i < l->spec.depth; i++)
            slot_alloc(l, &l->slots[i]);
        status = start_threads(l);
    }
    if (status != STATUS_OK) {
        loader_close(l);
        return status;
    }
    *out = l;
    return STATUS_OK;
}

void loader_close(Loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->thread_count; i++)
        pthread_join(l->threads[i], NULL);
    for (int i = 0; i < l->spec.depth; i++)
        slot_free(&l->slots[i]);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    sampler_close(l->sampler);
    free(l->drawn);
    loader_free_bad(l);
    free(l->threads);
    free(l->slots);
    free(l);
}

/* ---- the consumer ---- */

static Status fail(Loader *l, Status status)
{
    l->failed = status;
    snprintf(l->failed_text, sizeof l->failed_text, "%s", status_text());
    return status;
}

Status loader_next(Loader *l, const Batch **batch)
{
    *batch = NULL;
    if (l->failed != STATUS_OK)
        return status_fail(l->failed, "%s", l->failed_text);
    double start = clock_seconds();
    pthread_mutex_lock(&l->lock);
    if (l->holding) {
        l->consumed++;
        l->holding = false;
        pthread_cond_broadcast(&l->work);
    }
    Slot *slot = &l->slots[l->consumed % l->spec.depth];
    bool end = l->opened == l->consumed && !more_to_open(l);
    while (!end && !(l->opened > l->consumed && slot->done == slot->job_count))
        pthread_cond_wait(&l->ready, &l->lock);
    pthread_mutex_unlock(&l->lock);
    l->stats.wait_seconds += clock_seconds() - start;
    if (end)
        return STATUS_OK;
    l->holding = true;
    Status status = slot->trouble_count ? loader_judge(l, slot) : STATUS_OK;
    if (status != STATUS_OK)
        return fail(l, status);
    if (l->spec.views == LOADER_EVAL && slot->trouble_count)
        loader_leave_out(l, slot);
    l->stats.batches++;
    *batch = &slot->batch;
    return STATUS_OK;
}

LoaderStats loader_stats(const Loader *l)
{
    return l->stats;
}
