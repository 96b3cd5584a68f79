/* Sums over ranks: the tree of comm/ranks.h, whatever the share, and the bits that come of it on a device; two
 * processes that own half of the ranks each. */
#include "base/arena.h"
#include "comm/ranks.h"
#include "device/registry.h"
#include "support_device.h"
#include "support_files.h"
#include "support_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(Status status)
{
    if (status != STATUS_OK)
        fail_msg("%s", status_text());
}

/* ------------------------------------------------------------------------------------ the tree */

/* A sum, written down: which ranks, and a number that no other way of adding them has. */
typedef struct Term {
    int begin, end; /* ranks begin to end - 1 */
    uint64_t shape;
} Term;

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static Term leaf(int rank)
{
    return (Term){rank, rank + 1, mixed((uint64_t)rank + 1)};
}

static Term plus(Term a, Term b)
{
    assert_int_equal(a.end, b.begin);
    return (Term){a.begin, b.end, mixed(a.shape + 3 * b.shape)};
}

/* The definition: node of `size` leaves from `begin` on, cut at `all`. */
static Term tree(int begin, int size, int all)
{
    if (size == 1)
        return leaf(begin);
    Term left = tree(begin, size / 2, all);
    return begin + size / 2 < all ? plus(left, tree(begin + size / 2, size / 2, all)) : left;
}

static int power_of_two(int all)
{
    int size = 1;
    while (size < all)
        size *= 2;
    return size;
}

/* The sums that a share holds after its last rank; returns how many. */
static int run_share(Ranks ranks, Term *held)
{
    int count = 0, most = 0;
    for (int rank = ranks.first; rank < ranks.first + ranks.own; rank++) {
        RankSum sum = ranks_sum(ranks, rank);
        Term term = leaf(rank);
        assert_int_equal(sum.held, count);
        assert_in_range(sum.merged, 0, sum.held);
        for (int i = 0; i < sum.merged; i++)
            term = plus(held[--count], term);
        held[count++] = term;
        most = count > most ? count : most;
    }
    assert_int_equal(most, ranks_sums_held(ranks));
    return count;
}

/* Whether a node of the tree covers exactly these ranks, and nothing larger lies within the share. */
static Term node_of(Ranks ranks, Term term)
{
    for (int size = 1; size <= power_of_two(ranks.all); size *= 2) {
        int begin = term.begin / size * size, end = begin + size < ranks.all ? begin + size : ranks.all;
        if (begin == term.begin && end == term.end)
            return tree(begin, size, ranks.all);
    }
    fail_msg("no node of %d ranks covers %d to %d", ranks.all, term.begin, term.end);
    return term;
}

static void whole_shares(void **state)
{
    (void)state;
    Term held[64];
    for (int all = 1; all <= 130; all++) {
        assert_int_equal(run_share(ranks_whole(all), held), 1);
        assert_true(held[0].shape == tree(0, power_of_two(all), all).shape);
    }
    assert_int_equal(run_share(ranks_whole(4096), held), 1);
    assert_int_equal(ranks_sums_held(ranks_whole(4096)), GRAD_SUMS_MAX);
}

static void parts_of_shares(void **state)
{
    (void)state;
    Term held[64];
    for (int all = 1; all <= 24; all++)
        for (int first = 0; first < all; first++)
            for (int own = 1; first + own <= all; own++) {
                Ranks ranks = {all, first, own};
                int count = run_share(ranks, held);
                for (int i = 0; i < count; i++)
                    assert_true(held[i].shape == node_of(ranks, held[i]).shape);
                RankNode nodes[RANK_NODES_MAX];
                assert_int_equal(ranks_nodes(ranks, nodes), count);
                for (int i = 0; i < count; i++)
                    assert_true(nodes[i].begin == held[i].begin && nodes[i].end == held[i].end);
                assert_int_equal(held[0].begin, first);
                assert_int_equal(held[count - 1].end, first + own);
            }
}

/* What shares hold, put together in the order of ranks as halves meet, is the tree of all. */
static void shares_together(void **state)
{
    (void)state;
    for (int all = 1; all <= 64; all++)
        for (int processes = 1; processes <= all; processes++) {
            RankNode stack[2 * RANK_NODES_MAX];
            Term terms[2 * RANK_NODES_MAX], held[64];
            int depth = 0;
            for (int p = 0; p < processes && all % processes == 0; p++) {
                Ranks share = ranks_share(all, processes, p);
                int count = run_share(share, held);
                for (int i = 0; i < count; i++) {
                    stack[depth] = (RankNode){held[i].begin, held[i].end};
                    terms[depth++] = held[i];
                    while (depth > 1 && ranks_halves(all, stack[depth - 2], stack[depth - 1])) {
                        depth--;
                        stack[depth - 1].end = stack[depth].end;
                        terms[depth - 1] = plus(terms[depth - 1], terms[depth]);
                    }
                }
            }
            if (all % processes == 0) {
                assert_int_equal(depth, 1);
                assert_true(terms[0].shape == tree(0, power_of_two(all), all).shape);
            }
        }
}

/* One rank after another is another sum as soon as there are four. */
static void not_a_fold(void **state)
{
    (void)state;
    Term fold = leaf(0);
    for (int rank = 1; rank < 12; rank++) {
        fold = plus(fold, leaf(rank));
        int all = rank + 1;
        bool same = fold.shape == tree(0, power_of_two(all), all).shape;
        assert_int_equal(same, all < 4);
    }
}

/* ------------------------------------------------------------------------------------ on a device */

static float *read_floats(Session *session, const Value *v)
{
    float *x = mem_alloc((size_t)dims_count(v->dims) * sizeof *x);
    must(session_read(session, v, x, DTYPE_F32));
    return x;
}

/* A step of R ranks by hand: each rank's gradient of one parameter, and their sum as the session has it. */
static float *ranks_of_step(int ranks, const char *name, float **own, int64_t *count)
{
    ModelConfig config = model_small(arch_find("resnet20"), 8, 2, ranks);
    Model model = model_build(&config);
    Session *session;
    must(session_open(model.graph, &(SessionOptions){.device = test_device_name()}, &session));
    model_fill(session, &model, &config);
    model_feed(session, &model, &config, 0);
    Value *w = graph_find(model.graph, name);
    Ranks share = ranks_whole(ranks);
    StepParams state = {.lr = 0.1, .grad_scale = 1.0 / ranks};
    for (Segment s = 0; s <= SEGMENT_QUERY; s++)
        for (int turn = 0; turn < segment_turns(s, share); turn++) {
            state.rank = state.turn = turn;
            state.sum = ranks_sum(share, turn);
            must(session_run(session, s, &state));
            if (s == SEGMENT_QUERY)
                own[turn] = read_floats(session, graph_companion_of(model.graph, w, ROLE_GRAD));
        }
    float *sum = read_floats(session, graph_companion_of(model.graph, w, ROLE_GRAD_SUM));
    *count = dims_count(w->dims);
    session_close(session);
    return sum;
}

static float float_tree(float *const *x, int64_t i, int begin, int size, int all)
{
    if (size == 1)
        return x[begin][i];
    float left = float_tree(x, i, begin, size / 2, all);
    return begin + size / 2 < all ? left + float_tree(x, i, begin + size / 2, size / 2, all) : left;
}

static void bits_on_a_device(void **state)
{
    (void)state;
    static const int ranks[] = {2, 3, 4, 6};
    const Backend *backend;
    Device *device;
    if (device_open(test_device_name(), NULL, &backend, &device) != STATUS_OK)
        test_skip(status_text());
    backend->close(device);
    for (size_t r = 0; r < sizeof ranks / sizeof *ranks; r++) {
        int all = ranks[r];
        float *own[8];
        int64_t count, other = 0;
        float *sum = ranks_of_step(all, "encoder_q.layer2.0.conv1.weight", own, &count);
        for (int64_t i = 0; i < count; i++) {
            float fold = own[0][i];
            for (int k = 1; k < all; k++)
                fold += own[k][i];
            other += fold != sum[i];
            assert_true(sum[i] == float_tree(own, i, 0, power_of_two(all), all));
        }
        assert_int_equal(other > 0, all >= 4); /* a left fold would not pass */
        for (int k = 0; k < all; k++)
            free(own[k]);
        free(sum);
    }
}

/* ------------------------------------------------------------------------------------ two processes */

static void run_segment(Session *session, Ranks ranks, Segment segment)
{
    StepParams state = {.lr = 0.1, .grad_scale = 1.0 / ranks.all};
    for (int turn = 0; turn < segment_turns(segment, ranks); turn++) {
        state.turn = turn;
        state.rank = ranks.first + turn;
        state.sum = ranks_sum(ranks, state.rank);
        must(session_run(session, segment, &state));
    }
}

static Session *open_share(Ranks ranks, ModelConfig *config, Model *model)
{
    Session *session;
    *config = model_small(arch_find("resnet20"), 8, 2, ranks.all);
    config->ranks = ranks;
    *model = model_build(config);
    must(session_open(model->graph, &(SessionOptions){.device = "ref"}, &session));
    model_fill(session, model, config);
    model_feed(session, model, config, 0);
    run_segment(session, ranks, SEGMENT_PROLOGUE);
    run_segment(session, ranks, SEGMENT_KEY);
    return session;
}

/* What the transport of keys does: rows that a share encoded, which are those of its places. */
static void take_keys(Session *to, const Model *m, Session *from, const ModelConfig *of)
{
    int all = of->batch * of->ranks.all, D = of->dim;
    double *mine = mem_alloc((size_t)(all * D) * sizeof *mine), *theirs = mem_alloc((size_t)(all * D) * sizeof *theirs);
    must(session_read(to, m->encoded, mine, DTYPE_F64));
    must(session_read(from, m->encoded, theirs, DTYPE_F64));
    for (int i = of->ranks.first * of->batch; i < (of->ranks.first + of->ranks.own) * of->batch; i++)
        memcpy(mine + i * D, theirs + i * D, (size_t)D * sizeof *mine);
    must(session_write(to, m->encoded, mine, DTYPE_F64));
    free(theirs);
    free(mine);
}

static double *sum_of(Session *session, const Model *m, const char *name)
{
    const Value *sum = graph_companion_of(m->graph, graph_find(m->graph, name), ROLE_GRAD_SUM);
    double *x = mem_alloc((size_t)dims_count(sum->dims) * sizeof *x);
    must(session_read(session, sum, x, DTYPE_F64));
    return x;
}

/* Two shares of two ranks, the test as their transport, sum to the bits of four ranks in one process. */
static void two_processes(void **state)
{
    (void)state;
    static const char *const name = "encoder_q.layer1.0.conv1.weight";
    static const Ranks shares[] = {{4, 0, 4}, {4, 0, 2}, {4, 2, 2}};
    ModelConfig config[3];
    Model model[3];
    Session *session[3];
    double *sum[3];
    for (int i = 0; i < 3; i++)
        session[i] = open_share(shares[i], &config[i], &model[i]);
    take_keys(session[1], &model[1], session[2], &config[2]);
    take_keys(session[2], &model[2], session[1], &config[1]);
    for (int i = 0; i < 3; i++) {
        run_segment(session[i], shares[i], SEGMENT_GATHER);
        run_segment(session[i], shares[i], SEGMENT_QUERY);
        sum[i] = sum_of(session[i], &model[i], name);
    }
    int64_t count = dims_count(graph_find(model[0].graph, name)->dims);
    for (int64_t i = 0; i < count; i++)
        assert_true(sum[0][i] == sum[1][i] + sum[2][i]);
    for (int i = 0; i < 3; i++) {
        free(sum[i]);
        session_close(session[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_shares),  cmocka_unit_test(parts_of_shares),  cmocka_unit_test(not_a_fold),
        cmocka_unit_test(shares_together),
        cmocka_unit_test(two_processes), cmocka_unit_test(bits_on_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
