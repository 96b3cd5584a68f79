/* Speeds of the convolutions of ResNet-50 (batch 8, 224 x 224) and ResNet-32 (batch 128, 32 x 32),
 * layer by layer: PACO_BENCH=1 test_conv. */
#include "support_device.h"

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* C, H, K, R, stride, groups, how many times in the network. */
typedef struct Layer {
    int C, H, K, R, stride, groups, times;
} Layer;

static const Layer resnet50[] = {
    {3, 224, 64, 7, 2, 1, 1},    {64, 56, 64, 1, 1, 1, 1},    {64, 56, 64, 3, 1, 1, 3},
    {64, 56, 256, 1, 1, 1, 4},   {256, 56, 64, 1, 1, 1, 2},   {256, 56, 128, 1, 1, 1, 1},
    {128, 56, 128, 3, 2, 1, 1},  {128, 28, 512, 1, 1, 1, 4},  {256, 56, 512, 1, 2, 1, 1},
    {512, 28, 128, 1, 1, 1, 3},  {128, 28, 128, 3, 1, 1, 3},  {512, 28, 256, 1, 1, 1, 1},
    {256, 28, 256, 3, 2, 1, 1},  {256, 14, 1024, 1, 1, 1, 6}, {512, 28, 1024, 1, 2, 1, 1},
    {1024, 14, 256, 1, 1, 1, 5}, {256, 14, 256, 3, 1, 1, 5},  {1024, 14, 512, 1, 1, 1, 1},
    {512, 14, 512, 3, 2, 1, 1},  {512, 7, 2048, 1, 1, 1, 3},  {1024, 14, 2048, 1, 2, 1, 1},
    {2048, 7, 512, 1, 1, 1, 2},  {512, 7, 512, 3, 1, 1, 2},
};

static const Layer resnet32[] = {
    {3, 32, 16, 3, 1, 1, 1},  {16, 32, 16, 3, 1, 1, 10}, {16, 32, 32, 3, 2, 1, 1},
    {32, 16, 32, 3, 1, 1, 9}, {32, 16, 64, 3, 2, 1, 1},  {64, 8, 64, 3, 1, 1, 9},
};

static const Layer resnext50[] = {
    {64, 56, 128, 1, 1, 1, 1},    {128, 56, 256, 1, 1, 1, 3},   {256, 56, 128, 1, 1, 1, 2},
    {256, 56, 256, 1, 1, 1, 1},   {256, 28, 512, 1, 1, 1, 4},   {512, 28, 256, 1, 1, 1, 3},
    {512, 28, 512, 1, 1, 1, 1},   {512, 14, 1024, 1, 1, 1, 6},  {1024, 14, 512, 1, 1, 1, 5},
    {1024, 14, 1024, 1, 1, 1, 1}, {1024, 7, 2048, 1, 1, 1, 3},  {2048, 7, 1024, 1, 1, 1, 2},
    {128, 56, 128, 3, 1, 32, 3},  {256, 56, 256, 3, 2, 32, 1}, {256, 28, 256, 3, 1, 32, 3},
    {512, 28, 512, 3, 2, 32, 1},  {512, 14, 512, 3, 1, 32, 5}, {1024, 14, 1024, 3, 2, 32, 1},
    {1024, 7, 1024, 3, 1, 32, 2},
};

static double bench_layer(TestDevice *t, const Layer *l, int batch, ConvOp op, double *flops)
{
    int P = (l->H + 2 * (l->R / 2) - l->R) / l->stride + 1;
    ConvDesc d = {.op = op,
                  .N = batch,
                  .C = l->C,
                  .H = l->H,
                  .W = l->H,
                  .K = l->K,
                  .R = l->R,
                  .S = l->R,
                  .P = P,
                  .Q = P,
                  .stride = l->stride,
                  .pad = l->R / 2,
                  .groups = l->groups};
    const DeviceInfo *info = t->backend->opened(t->device);
    size_t x = (size_t)batch * (size_t)(device_width(info, l->C) * l->H * l->H),
           y = (size_t)batch * (size_t)(device_width(info, l->K) * P * P);
    size_t w = (size_t)l->K * (l->C / l->groups) * l->R * l->R;
    float *zeros = mem_zero(x > y ? (x > w ? x : w) : (y > w ? y : w), 4);
    Operand ox = operand_new(t, zeros, x, true), oy = operand_new(t, zeros, y, true);
    Operand ow = operand_new(t, zeros, w, false);
    Step step = {.kind = STEP_CONV, .refs_count = 3, .name = "bench", .conv = d};
    Ref refs[3][3] = {{ox.ref, ow.ref, oy.ref}, {oy.ref, ow.ref, ox.ref}, {ox.ref, oy.ref, ow.ref}};
    for (int i = 0; i < 3; i++)
        step.refs[i] = refs[op][i];
    double seconds = step_time(t, &step, 7);
    *flops = 2.0 * batch * P * P * (double)w;
    operand_free(t, &ox);
    operand_free(t, &oy);
    operand_free(t, &ow);
    free(zeros);
    return seconds;
}

static void bench_network(TestDevice *t, const char *name, const Layer *layers, int count,
                          int batch)
{
    double sums[3] = {0}, work = 0;
    printf("%s, batch %d: GFLOP/s and ms of forward, data gradient, weight gradient\n", name,
           batch);
    for (int i = 0; i < count; i++) {
        const Layer *l = &layers[i];
        printf("  %4d,%3d -> %4d %dx%d/%d g%-2d x%-2d", l->C, l->H, l->K, l->R, l->R, l->stride,
               l->groups, l->times);
        double flops = 0;
        for (int op = 0; op < 3; op++) {
            double seconds = bench_layer(t, l, batch, (ConvOp)op, &flops);
            sums[op] += seconds * l->times;
            printf("  %6.1f %7.2f", flops / seconds * 1e-9, seconds * 1e3);
        }
        work += flops * l->times;
        printf("\n");
        fflush(stdout);
    }
    printf("  sums, ms: forward %.1f, data %.1f, weight %.1f (GFLOP/s %.0f %.0f %.0f)\n",
           sums[0] * 1e3, sums[1] * 1e3, sums[2] * 1e3, work / sums[0] * 1e-9,
           work / sums[1] * 1e-9, work / sums[2] * 1e-9);
}

int bench_conv(TestDevice *t);

int bench_conv(TestDevice *t)
{
    const char *which = getenv("PACO_BENCH");
#define BENCH(name, batch)                       \
    if (which[0] == '1' || strstr(which, #name)) \
        bench_network(t, #name, name, sizeof name / sizeof *name, batch);
    BENCH(resnet50, 8)
    BENCH(resnet32, 128)
    BENCH(resnext50, 8)
#undef BENCH
    return 0;
}
