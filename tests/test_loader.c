/* The loader: batches that do not depend on threads or on where a run starts, corrupt files,
 * failures, shutdown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/status.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static Dataset *open_synthetic(bool train)
{
    Dataset *d;
    DatasetSpec spec = {.kind = DATASET_SYNTHETIC, .train = train};
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    return d;
}

/* ---- loader ---- */

static LoaderSpec pair_spec(const Dataset *d, const char *recipe, int size, int ranks, int batch)
{
    LoaderSpec spec = {.data = d, .views = LOADER_PAIR, .recipe = recipe_find(recipe), .seed = 11,
                       .ranks = ranks_whole(ranks), .batch = batch, .epochs = 3};
    assert_non_null(spec.recipe);
    spec.options = recipe_options(spec.recipe);
    if (size)
        spec.options.size = size;
    return spec;
}

/* Where the key of image i is encoded. */
static int place_of(const Batch *b, int i)
{
    int place = 0;
    while (b->order[place] != i)
        place++;
    return place;
}

/* FNV-1a over everything a batch says. */
static uint64_t batch_sum(const Batch *b, int size)
{
    uint64_t h = 0xCBF29CE484222325u;
    size_t bytes = (size_t)b->n * (size_t)size * (size_t)size * 3;
#define MIX(value) h = (h ^ (uint64_t)(value)) * 0x100000001B3u
    MIX(b->n);
    MIX(b->epoch);
    MIX(b->step);
    for (int i = 0; i < b->n; i++) {
        MIX(b->labels[i]);
        MIX(b->samples[i]);
    }
    for (size_t i = 0; i < bytes; i++) {
        MIX(b->query[i]);
        if (b->key)
            MIX(b->key[i]);
    }
    return h;
#undef MIX
}

enum { BATCHES_MAX = 256 };

/* Runs a loader to its end or failure; the sums of its batches. */
static int run(const LoaderSpec *spec, uint64_t *sums, Status *status, LoaderStats *stats)
{
    Loader *l;
    const Batch *batch;
    int n = 0;
    assert_int_equal(loader_open(spec, &l), STATUS_OK);
    while ((*status = loader_next(l, &batch)) == STATUS_OK && batch) {
        assert_true(n < BATCHES_MAX);
        sums[n++] = batch_sum(batch, spec->options.size);
    }
    *stats = loader_stats(l);
    assert_int_equal(stats->batches, n);
    loader_close(l);
    return n;
}

static void same_for_any_threads(const LoaderSpec *base)
{
    static const int threads[] = {1, 8, 2};
    uint64_t first[BATCHES_MAX], again[BATCHES_MAX];
    int count = 0;
    for (int t = 0; t < (getenv("PACO_SHORT") ? 2 : 3); t++) {
        LoaderSpec spec = *base;
        Status status;
        LoaderStats stats;
        spec.threads = threads[t];
        spec.depth = 2 + t;
        int n = run(&spec, t ? again : first, &status, &stats);
        assert_int_equal(status, STATUS_OK);
        if (t == 0)
            count = n;
        assert_int_equal(n, count);
        assert_memory_equal(t ? again : first, first, (size_t)n * sizeof *first);
    }
    for (int i = 1; i < count; i++)
        assert_true(first[i] != first[i - 1]);
}

static void threads_do_not_matter_in_memory(void **state)
{
    (void)state;
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar100", 0, 2, 96);
    same_for_any_threads(&spec);
    spec.balanced = true;
    same_for_any_threads(&spec);
    spec.views = LOADER_QUERY;
    same_for_any_threads(&spec);
    dataset_close(d);
}

static void threads_do_not_matter_for_files(void **state)
{
    (void)state;
    DatasetSpec photographs[2];
    int lists = test_photographs(photographs);
    for (int k = 0; k < lists; k++) {
        Dataset *d;
        test_stderr_begin();
        Status status = dataset_open(&photographs[k], &d);
        free(test_stderr_end());
        assert_int_equal(status, STATUS_OK);
        LoaderSpec spec = pair_spec(d, "randcls_sim", 80, 3, 4);
        spec.epochs = 1;
        same_for_any_threads(&spec);
        spec.views = LOADER_EVAL;
        spec.options.eval_resize = 90;
        spec.batch = k ? 50 : 25;
        same_for_any_threads(&spec);
        dataset_close(d);
    }
}

/* What the loader delivers, made here one by one from the contract of sampler and recipe. */
static void batches_are_what_the_contract_says(void **state)
{
    (void)state;
    enum { R = 2, B = 9, SIZE = 32 };
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar100", 0, R, B);
    Loader *l;
    const Batch *batch;
    Sampler *sampler;
    static uint8_t query[SIZE * SIZE * 3], key[SIZE * SIZE * 3];
    spec.epoch = 1;
    spec.step = 5;
    assert_int_equal(loader_open(&spec, &l), STATUS_OK);
    assert_int_equal(sampler_open(d, &(SamplerSpec){.seed = 11, .ranks = R, .batch = B}, &sampler),
                     STATUS_OK);
    for (int step = 5; step < 8; step++) {
        assert_int_equal(loader_next(l, &batch), STATUS_OK);
        assert_int_equal(batch->n, R * B);
        assert_int_equal(batch->epoch, 1);
        assert_int_equal(batch->step, step);
        for (int i = 0; i < R * B; i++) {
            uint64_t keys[B], sample;
            Image image;
            sampler_batch(sampler, 1, step, i / B, keys);
            sample = keys[i % B];
            Rng q = rng_stream(11, 1, sample, RNG_VIEW_Q),
                k = rng_stream(11, 1, sample, RNG_VIEW_K);
            assert_int_equal(dataset_fetch(d, sampler_image(sample), &image), STATUS_OK);
            recipe_view(spec.recipe, RECIPE_QUERY, &spec.options, "", &image, &q, query);
            recipe_view(spec.recipe, RECIPE_KEY, &spec.options, "", &image, &k, key);
            assert_memory_equal(batch->query + (size_t)i * sizeof query, query, sizeof query);
            assert_memory_equal(batch->key + (size_t)place_of(batch, i) * sizeof key, key, sizeof key);
            assert_int_equal(batch->key_samples[place_of(batch, i)], sampler_image(sample));
            assert_int_equal(batch->samples[i], sampler_image(sample));
            assert_int_equal(batch->labels[i], d->labels[sampler_image(sample)]);
            image_free(&image);
        }
    }
    sampler_close(sampler);
    loader_close(l);
    dataset_close(d);
}

/* Started at any step, the rest of a run is the same. */
static void resume_anywhere(void **state)
{
    (void)state;
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar", 0, 1, 200); /* 7 steps an epoch */
    uint64_t whole[BATCHES_MAX], rest[BATCHES_MAX];
    Status status;
    LoaderStats stats;
    spec.threads = 2;
    int n = run(&spec, whole, &status, &stats);
    assert_int_equal(n, 21);
    for (int start = 1; start <= n; start++) {
        spec.threads = 1 + start % 3;
        spec.epoch = (uint32_t)(start / 7);
        spec.step = start % 7;
        assert_int_equal(run(&spec, rest, &status, &stats), n - start);
        assert_int_equal(status, STATUS_OK);
        assert_memory_equal(rest, whole + start, (size_t)(n - start) * sizeof *rest);
    }
    dataset_close(d);
}

/* A process that owns ranks 1 and 2 of 4 gets the middle half of the batch. */
static void ranks_can_be_split(void **state)
{
    (void)state;
    enum { B = 16, ONE = B * 32 * 32 * 3 };
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar", 0, 4, B);
    Loader *all, *middle;
    const Batch *a, *m;
    assert_int_equal(loader_open(&spec, &all), STATUS_OK);
    spec.ranks.first = 1;
    spec.ranks.own = 2;
    assert_int_equal(loader_open(&spec, &middle), STATUS_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(loader_next(all, &a), STATUS_OK);
        assert_int_equal(loader_next(middle, &m), STATUS_OK);
        assert_int_equal(m->n, 2 * B);
        assert_memory_equal(m->query, a->query + ONE, 2 * ONE);
        assert_memory_equal(m->key, a->key + ONE, 2 * ONE);
        assert_memory_equal(m->labels, a->labels + B, 2 * B * sizeof *m->labels);
    }
    loader_close(all);
    loader_close(middle);
    dataset_close(d);
}

static void evaluation_is_in_order(void **state)
{
    (void)state;
    Dataset *d = open_synthetic(false);
    LoaderSpec spec = {.data = d, .views = LOADER_EVAL, .batch = 120, .threads = 3};
    spec.options = (RecipeOptions){.size = 32, .eval_resize = 32};
    Loader *l;
    const Batch *batch;
    assert_int_equal(loader_open(&spec, &l), STATUS_OK);
    uint32_t next = 0;
    for (int step = 0; step < 5; step++) {
        assert_int_equal(loader_next(l, &batch), STATUS_OK);
        assert_int_equal(batch->n, step < 4 ? 120 : 20);
        assert_null(batch->key);
        for (int i = 0; i < batch->n; i++, next++) {
            assert_int_equal(batch->samples[i], next);
            assert_int_equal(batch->labels[i], d->labels[next]);
            assert_memory_equal(batch->query + (size_t)i * 3072, d->pixels + (size_t)next * 3072,
                                3072);
        }
    }
    for (int i = 0; i < 2; i++) { /* the end lasts */
        assert_int_equal(loader_next(l, &batch), STATUS_OK);
        assert_null(batch);
    }
    loader_close(l);
    dataset_close(d);
}

static void batch_larger_than_data(void **state)
{
    (void)state;
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar", 0, 2, 800);
    Loader *l;
    assert_int_equal(loader_open(&spec, &l), STATUS_USAGE);
    assert_non_null(strstr(status_text(), "--batch: larger than the data (1600 vs 1517 images"));
    dataset_close(d);
}

/* ---- corrupt files ---- */

/* The first `count` small photographs, every `broken`-th of them (from the first on) replaced
 * by junk. */
static Dataset *open_broken(int count, int broken, bool missing)
{
    char *text = NULL, path[4096];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < count; i++) {
        if (broken && i % broken == 0) {
            snprintf(path, sizeof path, "broken/%d.jpg", i);
            if (!missing)
                test_write(path, "junk", 4);
            fprintf(out, "%s/%s %d\n", test_folder(), path, i % 3);
        } else {
            fprintf(out, "%s %d\n", test_photo(i), i % 3);
        }
    }
    fclose(out);
    Dataset *d;
    DatasetSpec spec = {.kind = DATASET_LIST, .list = test_write_text("broken.txt", text)};
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    free(text);
    return d;
}

/* Whatever the number of threads, the same failure after the same number of batches, also where all
 * files are broken and the threads race to be first. */
static void corrupt_file_fails(void **state)
{
    (void)state;
    static const int broken[] = {100, 1};
    for (int k = 0; k < 2; k++) {
        Dataset *d = open_broken(300, broken[k], false);
        LoaderSpec spec = pair_spec(d, "cifar100", 0, 1, 100);
        uint64_t sums[BATCHES_MAX];
        char text[STATUS_TEXT_MAX];
        int first = -1;
        for (int repeat = 0; repeat < 12; repeat++) {
            LoaderStats stats;
            Status status;
            spec.threads = 1 << repeat % 4;
            int n = run(&spec, sums, &status, &stats);
            assert_int_equal(status, STATUS_INPUT);
            assert_non_null(strstr(status_text(), "broken/"));
            if (first < 0) {
                first = n;
                snprintf(text, sizeof text, "%s", status_text());
            }
            assert_int_equal(n, first);
            assert_string_equal(status_text(), text);
        }
        dataset_close(d);
    }
}

/* The first image takes long to fail, the others do not: still the first is the one reported. */
static void first_failure_is_reported(void **state)
{
    (void)state;
    Dataset *d = open_broken(64, 1, false);
    LoaderSpec spec = {.data = d, .views = LOADER_EVAL, .batch = 64, .threads = 4};
    uint64_t sums[BATCHES_MAX];
    Status status;
    LoaderStats stats;
    spec.options = (RecipeOptions){.size = 32, .eval_resize = 32};
    assert_int_equal(truncate(test_path("broken/0.jpg"), 100 << 20), 0);
    assert_int_equal(run(&spec, sums, &status, &stats), 0);
    assert_int_equal(status, STATUS_INPUT);
    assert_non_null(strstr(status_text(), "broken/0.jpg: "));
    dataset_close(d);
}

static void failure_stays(void **state)
{
    (void)state;
    Dataset *d = open_broken(300, 100, false);
    LoaderSpec spec = pair_spec(d, "cifar100", 0, 1, 10);
    Loader *l;
    const Batch *batch;
    char text[STATUS_TEXT_MAX];
    assert_int_equal(loader_open(&spec, &l), STATUS_OK);
    while (loader_next(l, &batch) == STATUS_OK)
        ;
    snprintf(text, sizeof text, "%s", status_text());
    status_fail(STATUS_IO, "something else");
    assert_int_equal(loader_next(l, &batch), STATUS_INPUT);
    assert_string_equal(status_text(), text);
    assert_null(batch);
    loader_close(l);
    dataset_close(d);
}

static void vanished_file_fails(void **state)
{
    (void)state;
    Dataset *d = open_broken(300, 100, true);
    LoaderSpec spec = {
        .data = d, .views = LOADER_EVAL, .batch = 30, .options = {.size = 32, .eval_resize = 32}};
    uint64_t sums[BATCHES_MAX];
    Status status;
    LoaderStats stats;
    unlink(test_path("broken/0.jpg"));
    assert_int_equal(run(&spec, sums, &status, &stats), 0);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(status_text(), "broken/0.jpg: listed by"));
    dataset_close(d);
}

static void corrupt_files_are_skipped(void **state)
{
    (void)state;
    Dataset *d = open_broken(300, 100, false); /* 3 of 300: exactly 1 % */
    LoaderSpec spec = pair_spec(d, "cifar100", 0, 1, 10);
    spec.on_corrupt = CORRUPT_SKIP;
    uint64_t first[BATCHES_MAX], again[BATCHES_MAX];
    for (int threads = 1; threads <= 8; threads *= 2) {
        LoaderStats stats;
        Status status;
        spec.threads = threads;
        test_stderr_begin();
        int n = run(&spec, threads == 1 ? first : again, &status, &stats);
        char *said = test_stderr_end();
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(n, 90);
        assert_int_equal(stats.corrupt, 3);
        assert_int_equal(stats.skipped, 9);
        assert_non_null(strstr(said, "warning: skipped: "));
        assert_non_null(strstr(said, "broken/200.jpg"));
        free(said);
        assert_memory_equal(threads == 1 ? first : again, first, (size_t)n * sizeof *first);
    }
    Loader *l;
    const Batch *batch;
    test_stderr_begin();
    assert_int_equal(loader_open(&spec, &l), STATUS_OK);
    while (loader_next(l, &batch) == STATUS_OK && batch)
        for (int i = 0; i < batch->n; i++) {
            assert_true(batch->samples[i] % 100 != 0);
            assert_int_equal(batch->labels[i], d->labels[batch->samples[i]]);
        }
    loader_close(l);
    free(test_stderr_end());
    dataset_close(d);
}

/* An evaluation counts nothing in place of an image that it cannot read. */
static void evaluation_leaves_corrupt_files_out(void **state)
{
    (void)state;
    static const int batches[] = {1, 64};
    Dataset *d = open_broken(300, 100, false), *good = open_broken(300, 0, false);
    RecipeOptions views = {.size = 32, .eval_resize = 32};
    LoaderSpec spec = {.data = d, .views = LOADER_EVAL, .options = views, .on_corrupt = CORRUPT_SKIP};
    for (int k = 0; k < 4; k++) {
        Loader *l;
        const Batch *batch;
        uint32_t next = 0, image;
        spec.batch = batches[k / 2];
        spec.threads = k % 2 ? 4 : 1;
        test_stderr_begin();
        assert_int_equal(loader_open(&spec, &l), STATUS_OK);
        while (loader_next(l, &batch) == STATUS_OK && batch)
            for (int i = 0; i < batch->n; i++, next++) {
                uint8_t pixels[3072];
                Image decoded;
                next += next % 100 == 0;
                image = batch->samples[i];
                assert_int_equal(image, next);
                assert_int_equal(batch->labels[i], good->labels[image]);
                assert_int_equal(dataset_fetch(good, image, &decoded), STATUS_OK);
                view_eval(&views, &decoded, pixels);
                image_free(&decoded);
                assert_memory_equal(batch->query + (size_t)i * 3072, pixels, 3072);
            }
        assert_int_equal(next, 300);
        assert_int_equal(loader_stats(l).corrupt, 3);
        assert_int_equal(loader_stats(l).skipped, 3);
        loader_close(l);
        free(test_stderr_end());
    }
    dataset_close(good);
    dataset_close(d);
}

static void too_many_corrupt_files(void **state)
{
    (void)state;
    static const int broken[] = {75, 10, 1};
    for (int k = 0; k < 3; k++) {
        Dataset *d = open_broken(300, broken[k], k == 1);
        LoaderSpec spec = pair_spec(d, "cifar100", 0, 1, 10);
        uint64_t sums[BATCHES_MAX];
        Status status;
        LoaderStats stats;
        spec.on_corrupt = CORRUPT_SKIP;
        test_stderr_begin();
        run(&spec, sums, &status, &stats);
        free(test_stderr_end());
        assert_int_equal(status, STATUS_INPUT);
        assert_non_null(
            strstr(status_text(), "too many unreadable images (4 of 300 vs at most 1 %)"));
        dataset_close(d);
    }
}

/* ---- shutdown ---- */

static void closes_at_any_moment(void **state)
{
    (void)state;
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar100", 0, 1, 32);
    for (int i = 0; i < 24; i++) {
        Loader *l;
        const Batch *batch;
        spec.threads = 1 + i % 5;
        assert_int_equal(loader_open(&spec, &l), STATUS_OK);
        for (int k = 0; k < i % 4; k++)
            assert_int_equal(loader_next(l, &batch), STATUS_OK);
        if (i % 3 == 1)
            nanosleep(&(struct timespec){.tv_nsec = 1000000L * i}, NULL);
        loader_close(l);
    }
    loader_close(NULL);
    dataset_close(d);
}

static void waiting_is_measured(void **state)
{
    (void)state;
    Dataset *d = open_synthetic(true);
    LoaderSpec spec = pair_spec(d, "cifar100", 0, 1, 64);
    Loader *l;
    const Batch *batch;
    spec.threads = 1;
    double start = clock_seconds();
    assert_int_equal(loader_open(&spec, &l), STATUS_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(loader_next(l, &batch), STATUS_OK);
    double waited = loader_stats(l).wait_seconds;
    assert_true(waited > 0 && waited <= clock_seconds() - start);
    nanosleep(&(struct timespec){.tv_nsec = 50000000},
              NULL); /* what the consumer does itself is no waiting */
    double before = clock_seconds();
    assert_int_equal(loader_next(l, &batch), STATUS_OK);
    assert_true(loader_stats(l).wait_seconds - waited <= clock_seconds() - before);
    loader_close(l);
    dataset_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_do_not_matter_in_memory),
        cmocka_unit_test(threads_do_not_matter_for_files),
        cmocka_unit_test(batches_are_what_the_contract_says),
        cmocka_unit_test(resume_anywhere),
        cmocka_unit_test(ranks_can_be_split),
        cmocka_unit_test(evaluation_is_in_order),
        cmocka_unit_test(batch_larger_than_data),
        cmocka_unit_test(corrupt_file_fails), cmocka_unit_test(first_failure_is_reported),
        cmocka_unit_test(failure_stays),
        cmocka_unit_test(vanished_file_fails),
        cmocka_unit_test(corrupt_files_are_skipped),
        cmocka_unit_test(evaluation_leaves_corrupt_files_out),
        cmocka_unit_test(too_many_corrupt_files),
        cmocka_unit_test(closes_at_any_moment),
        cmocka_unit_test(waiting_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
