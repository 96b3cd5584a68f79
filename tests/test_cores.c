/* Shares of a host's cores: whole ones, no two processes on the same, neighbours together. */
#include "comm/cores.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { MOST = 64 };

/* packages x cores x threads, numbered as Linux does: the second threads of all cores behind the
 * first ones of all. */
static int machine(Processor all[MOST], int packages, int cores, int threads)
{
    int n = packages * cores * threads;
    for (int i = 0; i < n; i++)
        all[i] = (Processor){i, i / cores % packages, i % cores};
    return n;
}

/* Every process's share of a machine: each processor has one owner, and threads of a core the same. */
static void each_has_one(int packages, int cores, int threads, int count)
{
    int owner[MOST], sizes[MOST], least = MOST, most = 0;
    Processor all[MOST];
    int n = machine(all, packages, cores, threads);
    for (int i = 0; i < n; i++)
        owner[i] = -1;
    for (int p = 0; p < count; p++) {
        machine(all, packages, cores, threads);
        sizes[p] = cores_share(all, n, p, count);
        for (int i = 0; i < sizes[p]; i++) {
            assert_int_equal(owner[all[i].number], -1);
            owner[all[i].number] = p;
        }
        least = sizes[p] < least ? sizes[p] : least;
        most = sizes[p] > most ? sizes[p] : most;
    }
    for (int i = 0; i < n; i++) {
        assert_true(owner[i] >= 0);
        assert_int_equal(owner[i], owner[i % (packages * cores)]);
    }
    assert_true(least >= threads && most - least <= threads);
}

static void test_shares(void **state)
{
    (void)state;
    each_has_one(1, 2, 1, 2);
    each_has_one(1, 2, 1, 1);
    each_has_one(1, 7, 1, 3);
    each_has_one(1, 8, 2, 4);
    each_has_one(2, 6, 2, 4);
    each_has_one(2, 6, 2, 5);
    each_has_one(2, 16, 2, 32);
}

static void test_packages(void **state)
{
    (void)state;
    Processor all[MOST];
    for (int p = 0; p < 4; p++) {
        int n = machine(all, 2, 6, 2);
        n = cores_share(all, n, p, 4);
        assert_int_equal(n, 6);
        for (int i = 0; i < n; i++)
            assert_int_equal(all[i].package, p / 2);
    }
}

/* A launcher that may use some of a machine's processors alone, one thread of a core among them. */
static void test_part(void **state)
{
    (void)state;
    Processor all[] = {{9, 0, 1}, {4, 0, 4}, {1, 0, 1}, {6, 0, 6}};
    assert_int_equal(cores_share(all, 4, 0, 3), 2);
    assert_int_equal(all[0].number, 1);
    assert_int_equal(all[1].number, 9);
}

static void test_too_few(void **state)
{
    (void)state;
    Processor all[MOST];
    int n = machine(all, 1, 2, 2);
    assert_int_equal(cores_share(all, n, 0, 3), 0);
    assert_int_equal(cores_share(all, 0, 0, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_packages),
        cmocka_unit_test(test_part),
        cmocka_unit_test(test_too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
