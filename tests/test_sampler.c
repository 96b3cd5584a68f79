/* The sampler: the order of an epoch, its steps, ranks, and class-balanced draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "base/status.h"
#include "data/sampler.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A data set without pixels, of n classes with classes[i] images of class i. */
static Dataset *open_counts(const int *classes, int n)
{
    Dataset *d;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int c = 0; c < n; c++)
        for (int i = 0; i < classes[c]; i++)
            fprintf(out, "%d/%d.jpg %d\n", c, i, c);
    fclose(out);
    DatasetSpec spec = {
        .kind = DATASET_LIST, .list = test_write_text("counts.txt", text), .classes = n};
    test_stderr_begin();
    Status status = dataset_open(&spec, &d);
    free(test_stderr_end());
    free(text);
    assert_int_equal(status, STATUS_OK);
    return d;
}

static void epoch_is_a_wrapped_permutation(void **state)
{
    (void)state;
    enum { N = 23, R = 4, B = 2 }; /* 24 entries, 6 per rank, 3 steps */
    Dataset *d = open_counts((int[]){N}, 1);
    Sampler *s;
    SamplerSpec spec = {.seed = 5, .ranks = R, .batch = B};
    assert_int_equal(sampler_open(d, &spec, &s), STATUS_OK);
    assert_int_equal(sampler_steps(s), 3);
    uint32_t order[N];
    Rng rng = rng_stream(5, 7, 0, RNG_ORDER);
    rng_permutation(&rng, order, N);
    for (int step = 0; step < 3; step++)
        for (int r = 0; r < R; r++) {
            uint64_t keys[B];
            sampler_batch(s, 7, step, r, keys);
            for (int b = 0; b < B; b++) {
                int entry = r + R * (step * B + b);
                assert_int_equal(sampler_image(keys[b]), order[entry % N]);
                assert_int_equal(keys[b] >> 32 != 0, entry >= N);
            }
        }
    uint64_t a[B], b[B], c[B];
    sampler_batch(s, 7, 1, 2, a);
    sampler_batch(s, 8, 1, 2, b);
    sampler_batch(s, 7, 1, 2, c);
    assert_memory_equal(a, c, sizeof a);
    assert_memory_not_equal(a, b, sizeof a);
    sampler_close(s);
    dataset_close(d);
}

static void steps_are_counted(void **state)
{
    (void)state;
    assert_int_equal(sampler_steps_of(115846, 4, 32), 905);
    assert_int_equal(sampler_steps_of(12406, 1, 128), 96);
    assert_int_equal(sampler_steps_of(10, 4, 3), 1); /* 12 entries, 3 per rank */
    assert_int_equal(sampler_steps_of(9, 1, 3), 3);
    assert_int_equal(sampler_steps_of(2, 4, 2), 0);
    Dataset *d = open_counts((int[]){7}, 1);
    Sampler *s;
    SamplerSpec spec = {.ranks = 2, .batch = 5};
    assert_int_equal(sampler_open(d, &spec, &s), STATUS_USAGE);
    assert_non_null(strstr(status_text(), "--batch: larger than the data (10 vs 7 images of "));
    dataset_close(d);
}

static void more_ranks_than_images(void **state)
{
    (void)state;
    Dataset *d = open_counts((int[]){3}, 1);
    Sampler *s;
    SamplerSpec spec = {.ranks = 8, .batch = 1};
    assert_int_equal(sampler_open(d, &spec, &s), STATUS_OK);
    uint64_t keys[8];
    for (int r = 0; r < 8; r++)
        sampler_batch(s, 0, 0, r, &keys[r]);
    for (int r = 0; r < 8; r++) {
        assert_int_equal(sampler_image(keys[r]), sampler_image(keys[r % 3]));
        for (int q = 0; q < r; q++)
            assert_true(keys[q] != keys[r]);
    }
    sampler_close(s);
    dataset_close(d);
}

/* Of 120 draws over 3 classes that have images (100, 15, 5 of them), each gets 40; within a class
 * all images come before any repeats; no key repeats. */
static void balanced_sampling_is_balanced(void **state)
{
    (void)state;
    Dataset *d = open_counts((int[]){100, 0, 15, 5}, 4);
    Sampler *s;
    SamplerSpec spec = {.seed = 1, .ranks = 2, .batch = 10, .balanced = true};
    assert_int_equal(sampler_open(d, &spec, &s), STATUS_OK);
    assert_int_equal(sampler_steps(s), 6);
    int per_class[4] = {0}, per_image[120] = {0};
    uint64_t all[120];
    int n = 0;
    for (int step = 0; step < 6; step++)
        for (int r = 0; r < 2; r++) {
            sampler_batch(s, 3, step, r, all + n);
            for (int b = 0; b < 10; b++, n++) {
                per_class[d->labels[sampler_image(all[n])]]++;
                per_image[sampler_image(all[n])]++;
                for (int i = 0; i < n; i++)
                    assert_true(all[i] != all[n]);
            }
        }
    assert_int_equal(per_class[0], 40);
    assert_int_equal(per_class[1], 0);
    assert_int_equal(per_class[2], 40);
    assert_int_equal(per_class[3], 40);
    for (int i = 0; i < 120; i++) {
        int size = i < 100 ? 100 : i < 115 ? 15 : 5;
        assert_true(per_image[i] == 40 / size || per_image[i] == (40 + size - 1) / size);
    }
    sampler_close(s);
    dataset_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epoch_is_a_wrapped_permutation),
        cmocka_unit_test(steps_are_counted),
        cmocka_unit_test(more_ranks_than_images),
        cmocka_unit_test(balanced_sampling_is_balanced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
