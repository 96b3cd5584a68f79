/* The losses: PaCo (arXiv 2107.12028, section 3, equation 9 with the class prior of the long-tailed
 * recipes), and softmax cross-entropy with the same prior (balanced softmax) or without it.
 *
 * They are the roots of the gradient, so each computes its gradient beside its value: for the
 * rank of turn t, loss[t] and d(grad_scale * loss)/d(q, logits), times the scale of fp16's scaler
 * where there is one. PaCo's logits and similarities z[B, L + 2B + M] are stored once; its row
 * kernel turns them into the gradient in place, comparing labels as it goes: there are no masks. */
#include "base/check.h"
#include "base/threads.h"
#include "plan/lower.h"

#include <math.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------ paco_loss */

enum { Q, K, QUEUE, LABELS, QUEUE_LABELS, LOGITS, PRIOR, LOSS, SCALER };

typedef struct PacoShape {
    int64_t B, D, M, L, F; /* images, features, queue, classes; F = 2B + M contrast entries */
} PacoShape;

static PacoShape paco_shape(const Node *n)
{
    PacoShape s = {n->in[Q]->dims.d[0], n->in[Q]->dims.d[1], n->in[QUEUE]->dims.d[0],
                   n->in[LOGITS]->dims.d[1], 0};
    s.F = 2 * s.B + s.M;
    return s;
}

void paco_loss_infer(Graph *graph, Node *n)
{
    PacoShape s = paco_shape(n);
    CHECK(dims_equal(n->in[K]->dims, n->in[Q]->dims) && n->in[QUEUE]->dims.d[1] == s.D);
    CHECK(n->in[LABELS]->dims.d[0] == s.B && n->in[QUEUE_LABELS]->dims.d[0] == s.M);
    CHECK(n->in[LOGITS]->dims.d[0] == s.B && (!n->in[PRIOR] || n->in[PRIOR]->dims.d[0] == s.L));
    node_output(graph, n, "dq", DTYPE_F32, n->in[Q]->dims);
    node_output(graph, n, "dlogits", DTYPE_F32, n->in[LOGITS]->dims);
}

/* Floats of a row from its similarities to q to those to k, and on to those to the queue: places of
 * products are multiples of 16 bytes. */
static int64_t block_width(PacoShape s)
{
    return (s.B + 3) / 4 * 4;
}

/* The GEMM of rows of features: similarities, or their gradients back. */
static void similarities(Lowering *l, const Node *n, Value *z, PacoShape s, long ldz)
{
    const PacoAttrs *a = n->attrs;
    const Value *blocks[] = {n->in[Q], n->in[K], n->in[QUEUE]};
    int64_t rows[] = {s.B, s.B, s.M}, lda = lower_layout(l, n->in[Q]).width;
    for (int i = 0; i < 3; i++)
        lower_gemm(l,
                   (GemmDesc){.M = (int)s.B,
                              .N = (int)rows[i],
                              .K = (int)s.D,
                              .lda = (int)lda,
                              .ldb = (int)lda,
                              .ldc = (int)ldz,
                              .trans_b = true,
                              .alpha = (float)(1 / a->temperature)},
                   IN(n->in[Q]), IN(blocks[i]), AT(z, 4 * i * block_width(s)), (Operand){0});
}

static void gradients_of_q(Lowering *l, const Node *n, Value *dz, PacoShape s, long ldz)
{
    const PacoAttrs *a = n->attrs;
    const Value *q = n->in[Q], *dq = n->out[0];
    int lda = lower_layout(l, q).width;
    GemmDesc gemm = {.M = (int)s.B,
                     .N = (int)s.D,
                     .K = (int)s.B,
                     .lda = (int)ldz,
                     .ldb = lda,
                     .ldc = lda,
                     .alpha = (float)(1 / a->temperature)};
    if (s.D != lda)
        lower_fill(l, OUT(dq), (uint64_t)(s.B * lda * 4), 0);
    lower_gemm(l, gemm, IN(dz), IN(q), OUT(dq), (Operand){0}); /* as anchor, against q */
    gemm.beta = 1;
    gemm.trans_a = true; /* as contrast, of the other anchors */
    lower_gemm(l, gemm, IN(dz), IN(q), OUT(dq), (Operand){0});
    gemm.trans_a = false;
    lower_gemm(l, gemm, AT(dz, 4 * block_width(s)), IN(n->in[K]), OUT(dq), (Operand){0});
    gemm.K = (int)s.M;
    lower_gemm(l, gemm, AT(dz, 8 * block_width(s)), IN(n->in[QUEUE]), OUT(dq), (Operand){0});
}

void paco_loss_lower(Lowering *l, const Node *n)
{
    const PacoAttrs *a = n->attrs;
    PacoShape s = paco_shape(n);
    long ldz = (long)(2 * block_width(s) + s.M + CHANNEL_TILE - 1) / CHANNEL_TILE * CHANNEL_TILE;
    Value *z = lower_temp(l, s.B * ldz), *row_loss = lower_temp(l, s.B);
    similarities(l, n, z, s, ldz);
    PacoArgs args = {.B = (int)s.B,
                     .block = (int)block_width(s),
                     .L = (int)s.L,
                     .M = (int)s.M,
                     .ldz = (int)ldz,
                     .ldl = lower_layout(l, n->in[LOGITS]).width,
                     .alpha = (float)a->alpha,
                     .beta = (float)a->beta,
                     .gamma = (float)a->gamma,
                     .inv_supt = (float)(1 / a->supt),
                     .scale = (float)(a->temperature / a->base_temperature)};
    LOWER_KERNEL(l, paco_rows, &args, lower_teams(l, s.B, 1, 1), 0, IN(n->in[LOGITS]),
                 IN(n->in[PRIOR]), OUT(z), IN(n->in[LABELS]), IN(n->in[QUEUE_LABELS]),
                 lower_state(l), IN(n->in[SCALER]), OUT(n->out[1]), OUT(row_loss));
    gradients_of_q(l, n, z, s, ldz);
    MeanArgs mean = {.n = (int)s.B};
    LOWER_KERNEL(l, mean_of_rank, &mean, lower_teams(l, 1, 1, 1), 0, IN(row_loss), lower_state(l),
                 OUT(n->in[LOSS]));
}

typedef struct PacoLoop {
    const RefCall *call;
    PacoShape s;
    double *z;    /* [B][L + F], becomes the gradient */
    double *loss; /* [B] */
} PacoLoop;

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The factor of the gradients: that of the step, and of the scaler where there is one. */
static double root_scale(const RefCall *call, int scaler)
{
    return call->state->grad_scale * (call->in[scaler] ? call->in[scaler][SCALER_SCALE] : 1);
}

/* Row j of the contrast features f = (q, k, queue), and its label. */
static const double *contrast(const RefCall *call, PacoShape s, int64_t j, double *label)
{
    int64_t b = j % s.B;
    if (j < 2 * s.B) {
        *label = call->in[LABELS][b];
        return call->in[j < s.B ? Q : K] + b * s.D;
    }
    *label = call->in[QUEUE_LABELS][j - 2 * s.B];
    return call->in[QUEUE] + (j - 2 * s.B) * s.D;
}

/* One anchor: fills its row of z, takes the loss, and turns the row into the gradient. */
static void paco_row(int64_t i, void *context)
{
    PacoLoop *loop = context;
    const RefCall *call = loop->call;
    const PacoAttrs *a = call->node->attrs;
    PacoShape s = loop->s;
    double *z = loop->z + i * (s.L + s.F), *f = z + s.L, label = call->in[LABELS][i], other;
    double most = -INFINITY, part = 0, weight = 0, weighted = 0;
    double supt = a->supt, temperature = a->temperature;
    for (int64_t c = 0; c < s.L; c++)
        z[c] = (call->in[LOGITS][i * s.L + c] + (call->in[PRIOR] ? call->in[PRIOR][c] : 0)) / supt;
    for (int64_t j = 0; j < s.F; j++)
        f[j] = dot(call->in[Q] + i * s.D, contrast(call, s, j, &other), s.D) / temperature;
    for (int64_t j = 0; j < s.L + s.F; j++)
        most = fmax(most, z[j]);
    for (int64_t c = 0; c < s.L; c++)
        part += exp(z[c] - most);
    for (int64_t j = 0; j < s.F; j++)
        part += j == i ? 0 : a->gamma * exp(f[j] - most);
    part += 1e-12;
    double log_part = log(part) + most;
    for (int64_t j = 0; j < s.L + s.F; j++) {
        bool self = j == s.L + i;
        if (j >= s.L)
            contrast(call, s, j - s.L, &other);
        double w = j < s.L ? (j == label ? a->beta : 0) : (!self && other == label ? a->alpha : 0);
        weight += w;
        weighted += w * (z[j] - log_part);
    }
    double scale = temperature / a->base_temperature,
           base = scale * root_scale(call, SCALER) / (double)s.B;
    loop->loss[i] = -scale * weighted / weight;
    for (int64_t j = 0; j < s.L + s.F; j++) {
        bool self = j == s.L + i;
        if (j >= s.L)
            contrast(call, s, j - s.L, &other);
        double w = j < s.L ? (j == label ? a->beta : 0) : (!self && other == label ? a->alpha : 0);
        double p = self ? 0 : (j < s.L ? 1 : a->gamma) * exp(z[j] - log_part);
        z[j] = base * (p - w / weight);
    }
}

void paco_loss_reference(const RefCall *call)
{
    PacoShape s = paco_shape(call->node);
    const PacoAttrs *a = call->node->attrs;
    PacoLoop loop = {call, s, mem_zero((size_t)(s.B * (s.L + s.F)), sizeof(double)),
                     mem_zero((size_t)s.B, sizeof(double))};
    threads_for(s.B, paco_row, &loop);
    double total = 0, unused;
    for (int64_t i = 0; i < s.B * s.D; i++)
        call->out[0][i] = 0;
    for (int64_t i = 0; i < s.B; i++) {
        const double *dz = loop.z + i * (s.L + s.F);
        total += loop.loss[i];
        for (int64_t c = 0; c < s.L; c++)
            call->out[1][i * s.L + c] = dz[c] / a->supt;
        for (int64_t j = 0; j < s.F; j++) {
            double d = dz[s.L + j] / a->temperature;
            const double *f = contrast(call, s, j, &unused);
            for (int64_t c = 0; c < s.D; c++) {
                call->out[0][i * s.D + c] += d * f[c];
                if (j < s.B)
                    call->out[0][j * s.D + c] += d * call->in[Q][i * s.D + c];
            }
        }
    }
    call->in[LOSS][call->state->turn] = total / (double)s.B;
    free(loop.z);
    free(loop.loss);
}

/* ------------------------------------------------------------------------------------ softmax_loss
 */

void softmax_loss_infer(Graph *graph, Node *n)
{
    Dims logits = n->in[0]->dims;
    CHECK(n->in[1]->dims.d[0] == logits.d[0] && (!n->in[2] || n->in[2]->dims.d[0] == logits.d[1]));
    node_output(graph, n, "dlogits", DTYPE_F32, logits);
}

void softmax_loss_lower(Lowering *l, const Node *n)
{
    Layout s = lower_layout(l, n->in[0]);
    PacoArgs args = {.B = s.N, .L = s.C, .ldl = s.width, .beta = 1, .inv_supt = 1, .scale = 1};
    Value *row_loss = lower_temp(l, s.N);
    LOWER_KERNEL(l, softmax_rows, &args, lower_teams(l, s.N, 1, 1), 0, IN(n->in[0]), IN(n->in[2]),
                 IN(n->in[1]), lower_state(l), IN(n->in[4]), OUT(n->out[0]), OUT(row_loss));
    MeanArgs mean = {.n = s.N};
    LOWER_KERNEL(l, mean_of_rank, &mean, lower_teams(l, 1, 1, 1), 0, IN(row_loss), lower_state(l),
                 OUT(n->in[3]));
}

void softmax_loss_reference(const RefCall *call)
{
    int64_t B = call->node->in[0]->dims.d[0], L = call->node->in[0]->dims.d[1];
    double total = 0;
    for (int64_t i = 0; i < B; i++) {
        double *d = call->out[0] + i * L, most = -INFINITY, part = 0;
        for (int64_t c = 0; c < L; c++) {
            d[c] = call->in[0][i * L + c] + (call->in[2] ? call->in[2][c] : 0);
            most = fmax(most, d[c]);
        }
        for (int64_t c = 0; c < L; c++)
            part += exp(d[c] - most);
        double log_part = log(part) + most;
        int64_t label = (int64_t)call->in[1][i];
        total += log_part - d[label];
        for (int64_t c = 0; c < L; c++)
            d[c] = root_scale(call, 4) / (double)B * (exp(d[c] - log_part) - (c == label));
    }
    call->in[3][call->state->turn] = total / (double)B;
}

/* ------------------------------------------------------------------------------------
 * count_correct */

/* counts[turn][0] images whose label has the highest logit, [1] likewise with the prior added to
 * the logits; among equal ones the lower class comes first. */
void count_correct_infer(Graph *graph, Node *n)
{
    (void)graph;
    CHECK(n->in[2]->dims.rank == 2 && n->in[2]->dims.d[1] == 2);
    CHECK(!n->in[3] || n->in[3]->dims.d[0] == n->in[0]->dims.d[1]);
}

void count_correct_lower(Lowering *l, const Node *n)
{
    Layout s = lower_layout(l, n->in[0]);
    Value *places = lower_temp(l, 2 * s.N);
    RowArgs args = {.rows = s.N, .D = s.C, .stride = s.width};
    LOWER_KERNEL(l, label_place, &args, lower_teams(l, s.N, 1, 1), 0, IN(n->in[0]), IN(n->in[1]),
                 IN(n->in[3]), OUT(places));
    LOWER_KERNEL(l, count_places, &args, lower_teams(l, 1, 1, 1), 0, IN(places), lower_state(l),
                 OUT(n->in[2]));
}

/* Whether no class comes before the label. */
static bool comes_first(const double *z, const double *prior, int64_t L, int64_t label)
{
    double own = z[label] + (prior ? prior[label] : 0);
    for (int64_t c = 0; c < L; c++) {
        double other = z[c] + (prior ? prior[c] : 0);
        if (other > own || (other == own && c < label))
            return false;
    }
    return true;
}

void count_correct_reference(const RefCall *call)
{
    int64_t B = call->node->in[0]->dims.d[0], L = call->node->in[0]->dims.d[1];
    double first = 0, with_prior = 0;
    for (int64_t i = 0; i < B; i++) {
        const double *z = call->in[0] + i * L;
        int64_t label = (int64_t)call->in[1][i];
        first += comes_first(z, NULL, L, label);
        with_prior += comes_first(z, call->in[3], L, label);
    }
    call->in[2][2 * call->state->turn] = first;
    call->in[2][2 * call->state->turn + 1] = with_prior;
}
