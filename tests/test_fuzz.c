/* Replay: every seed of the fuzzers, and every finding that was kept, through its target; then each
 * seed with pieces of other seeds in it, which is a small fuzzer of its own. Nothing may crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "fuzz.h"
#include "support_checkpoint.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*Target)(const uint8_t *bytes, size_t size);

enum { MOST = 256 };

static int load_seeds(const char *name, Bytes seeds[MOST])
{
    const char *source = getenv("PACO_SOURCE");
    char folder[4096], path[8192];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/tests/fuzz/seeds/%s", source ? source : ".", name);
    DIR *dir = opendir(folder);
    if (!dir)
        fail_msg("%s is not there (PACO_SOURCE)", folder);
    for (const struct dirent *e; (e = readdir(dir)) && n < MOST;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        seeds[n++] = bytes_read(path);
    }
    closedir(dir);
    return n;
}

static void replay(const char *name, Target target)
{
    static Bytes seeds[MOST];
    int count = load_seeds(name, seeds);
    assert_true(count >= 2);
    Rng rng = rng_stream(3, 0, rng_hash(name), RNG_TEST);
    for (int i = 0; i < count; i++)
        target(seeds[i].data, seeds[i].size);
    for (int i = 0; i < (full_mode() ? 100000 : 1500); i++) {
        const Bytes *a = &seeds[rng_below(&rng, (uint32_t)count)],
                    *b = &seeds[rng_below(&rng, (uint32_t)count)];
        Bytes mixed = {0};
        size_t cut = rng_below(&rng, (uint32_t)a->size + 1),
               from = rng_below(&rng, (uint32_t)b->size + 1);
        size_t length = rng_below(&rng, (uint32_t)(b->size - from) + 1);
        bytes_add(&mixed, a->data, cut);
        bytes_add(&mixed, b->data + from, length);
        bytes_add(&mixed, a->data + cut, a->size - cut);
        for (uint32_t k = rng_below(&rng, 4); k && mixed.size; k--)
            mixed.data[rng_below(&rng, (uint32_t)mixed.size)] ^= (uint8_t)(1 << rng_below(&rng, 8));
        target(mixed.data, mixed.size);
        bytes_free(&mixed);
    }
    print_message("%s: %d seeds\n", name, count);
    for (int i = 0; i < count; i++)
        bytes_free(&seeds[i]);
}

#define X(name)                             \
    static void replay_##name(void **state) \
    {                                       \
        (void)state;                        \
        replay(#name, fuzz_target_##name);  \
    }
FUZZ_TARGETS(X)
#undef X

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name) cmocka_unit_test(replay_##name),
        FUZZ_TARGETS(X)
#undef X
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
