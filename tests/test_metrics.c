/* Learning-rate schedules against values worked out by hand, accuracies against small tables,
 * report files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/status.h"
#include "support_files.h"
#include "train/metrics.h"
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void close_to(double a, double b)
{
    if (!(fabs(a - b) <= 1e-15 + 1e-13 * fabs(b)))
        fail_msg("%.17g is not %.17g", a, b);
}

/* 400 epochs, 10 of warm-up, lr 0.02. The cosine begins at epoch 10 with its second step, 1 of 391.
 */
static void cosine_schedule(void **state)
{
    (void)state;
    Schedule s = {SCHEDULE_COSINE, 0.02, 400, 10};
    close_to(schedule_lr(&s, 0), 0.002);
    close_to(schedule_lr(&s, 4), 0.01);
    close_to(schedule_lr(&s, 9), 0.02);
    close_to(schedule_lr(&s, 10), 0.019999677214588313); /* 0.01 (1 + cos(pi / 391)) */
    close_to(schedule_lr(&s, 205), 0.00995982628896357); /* 0.01 (1 + cos(196 pi / 391)) */
    close_to(schedule_lr(&s, 399), 3.2278541168717647e-07); /* 0.01 (1 + cos(390 pi / 391)) */
    Schedule none = {SCHEDULE_COSINE, 1, 2, 0};
    close_to(schedule_lr(&none, 0), 0.75); /* cos(pi / 3) */
    close_to(schedule_lr(&none, 1), 0.25);
    Schedule all = {SCHEDULE_COSINE, 1, 2, 2};
    close_to(schedule_lr(&all, 0), 0.5);
    close_to(schedule_lr(&all, 1), 1);
}

static void cifar_schedule(void **state)
{
    (void)state;
    static const struct { int epoch; double lr; } expected[] = {
        {0, 0.005}, {9, 0.05}, {10, 0.055}, {11, 0.05}, {320, 0.05}, {321, 0.005}, {360, 0.005},
        {361, 0.0005}, {399, 0.0005},
    };
    Schedule s = {SCHEDULE_CIFAR, 0.05, 400, 10};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        close_to(schedule_lr(&s, expected[i].epoch), expected[i].lr);
    Schedule ten = {SCHEDULE_CIFAR, 1, 10, 0};
    close_to(schedule_lr(&ten, 8), 1);
    close_to(schedule_lr(&ten, 9), 0.1);
}

/* ---- accuracies ---- */

/* Adds an image whose class `best` wins and whose next classes follow in `then`. */
static void add(Metrics *m, int classes, int label, uint32_t sample, const int *ranking, int ranked)
{
    float logits[16];
    for (int c = 0; c < classes; c++)
        logits[c] = -10.0f - (float)c;
    for (int i = 0; i < ranked; i++)
        logits[ranking[i]] = 10.0f - (float)i;
    int32_t label32 = label;
    assert_int_equal(metrics_add(m, logits, &label32, &sample, 1), STATUS_OK);
}

/* Seven classes; training images 101 (many), 100, 20 (medium), 19, 1 (few), 500 (many, never
 * tested), 0 (few). */
static Metrics *example(void)
{
    static const int64_t train[7] = {101, 100, 20, 19, 1, 500, 0};
    Metrics *m = metrics_new(7, train);
    add(m, 7, 0, 0, (int[]){0}, 1);                   /* right */
    add(m, 7, 0, 9, (int[]){1, 0}, 2);                /* second */
    add(m, 7, 1, 2, (int[]){1}, 1);                   /* right */
    add(m, 7, 2, 3, (int[]){0, 1, 3, 4, 2}, 5);       /* fifth */
    add(m, 7, 2, 4, (int[]){0, 1, 3, 4, 5, 2}, 6);    /* sixth */
    add(m, 7, 3, 5, (int[]){3}, 1);                   /* right */
    add(m, 7, 3, 6, (int[]){3}, 1);                   /* right */
    add(m, 7, 4, 7, (int[]){6, 5, 4}, 3);             /* third */
    add(m, 7, 6, 8, (int[]){6}, 1);                   /* right */
    return m;
}

static void accuracies(void **state)
{
    (void)state;
    Metrics *m = example();
    MetricsSummary s = metrics_summary(m);
    assert_int_equal(s.images, 9);
    close_to(s.top1, 5.0 / 9);
    close_to(s.top5, 8.0 / 9);
    close_to(s.class_mean, (0.5 + 1 + 0 + 1 + 0 + 1) / 6);
    close_to(s.many, 0.5);
    close_to(s.medium, 0.5);
    close_to(s.few, 2.0 / 3);
    assert_int_equal(s.many_classes, 1);
    assert_int_equal(s.medium_classes, 2);
    assert_int_equal(s.few_classes, 3);
    metrics_free(m);
}

static void nothing_is_not_a_number(void **state)
{
    (void)state;
    Metrics *m = metrics_new(3, NULL);
    MetricsSummary s = metrics_summary(m);
    assert_true(isnan(s.top1) && isnan(s.class_mean) && isnan(s.many));
    add(m, 3, 1, 0, (int[]){1}, 1);
    s = metrics_summary(m);
    assert_true(s.top1 == 1 && s.top5 == 1 && isnan(s.many) && isnan(s.few));
    metrics_free(m);
}

static void equal_logits_rank_by_class(void **state)
{
    (void)state;
    Metrics *m = metrics_new(8, NULL);
    const float logits[8] = {1, 2, 2, 2, 1, 2, 2, 2};
    const int32_t labels[1] = {7};
    const uint32_t samples[1] = {0};
    assert_int_equal(metrics_add(m, logits, labels, samples, 1), STATUS_OK);
    assert_int_equal(metrics_write_predictions(m, test_path("equal.csv"), NULL, NULL), STATUS_OK);
    char *text = test_read_text(test_path("equal.csv"));
    assert_string_equal(text, "image,label,top1,top2,top3,top4,top5\n0,7,1,2,3,5,6\n");
    free(text);
    metrics_free(m);
}

static void nan_logits_stop(void **state)
{
    (void)state;
    Metrics *m = metrics_new(2, NULL);
    const float logits[4] = {1, 2, 0, NAN};
    const int32_t labels[2] = {1, 0};
    const uint32_t samples[2] = {5, 77};
    assert_int_equal(metrics_add(m, logits, labels, samples, 2), STATUS_NAN);
    assert_non_null(strstr(status_text(), "image 77: the logit of class 1 is "));
    metrics_free(m);
}

/* ---- files ---- */

static void expect_file(const char *path, const char *expected)
{
    char *text = test_read_text(path);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static const char *name_of(uint32_t image, void *context)
{
    snprintf(context, 32, "img,%u \"x\"", image);
    return context;
}

static void csv_files(void **state)
{
    (void)state;
    static const char *const names[7] = {"a", "b, c", "say \"d\"", "e", "f", "g", "h"};
    char room[32];
    Metrics *m = example();
    assert_int_equal(metrics_write_classes(m, names, test_path("classes.csv")), STATUS_OK);
    expect_file(
        test_path("classes.csv"),
        "class,name,train_images,test_images,correct,accuracy\n0,a,101,2,1,0.5\n1,\"b, "
        "c\",100,1,1,1\n"
        "2,\"say \"\"d\"\"\",20,2,0,0\n3,e,19,2,2,1\n4,f,1,1,0,0\n5,g,500,0,0,\n6,h,0,1,1,1\n");
    assert_int_equal(metrics_write_confusion(m, test_path("confusion.csv")), STATUS_OK);
    expect_file(test_path("confusion.csv"),
                "true,predicted,images\n0,0,1\n0,1,1\n1,1,1\n2,0,2\n3,3,2\n4,6,1\n6,6,1\n");
    assert_int_equal(metrics_write_predictions(m, test_path("p.csv"), name_of, room), STATUS_OK);
    char *text = test_read_text(test_path("p.csv"));
    assert_non_null(strstr(text, "\n\"img,4 \"\"x\"\"\",2,0,1,3,4,5\n"));
    assert_non_null(
        strstr(text, "\n\"img,9 \"\"x\"\"\",0,1,0,2,3,4\n")); /* the last row: by image */
    assert_true(strstr(text, "img,8") < strstr(text, "img,9"));
    free(text);
    metrics_free(m);
}

static void json_report(void **state)
{
    (void)state;
    Arena arena = {0};
    Json *root;
    Metrics *m = example();
    ReportFacts facts = {.arch = "resnet20", .storage = DTYPE_BF16, .checkpoint = "a \"b\".pth", .data = "list.txt",
                         .checksum = 0xFEDCBA9876543210u, .loss = 0.1, .skipped = 3, .train_skipped = 70};
    assert_int_equal(metrics_write_report(m, &facts, test_path("report.json")), STATUS_OK);
    assert_int_equal(json_read(&arena, test_path("report.json"), &root), STATUS_OK);
    assert_string_equal(json_text(root, "architecture", ""), "resnet20");
    assert_string_equal(json_text(root, "amp", ""), "bf16");
    assert_string_equal(json_text(root, "checkpoint", ""), "a \"b\".pth");
    assert_string_equal(json_text(root, "data", ""), "list.txt");
    assert_string_equal(json_text(root, "checksum", ""), "fedcba9876543210");
    assert_true(json_number(root, "loss", 0) == 0.1 && json_number(root, "skipped", 0) == 3 &&
                json_number(root, "train_skipped", 0) == 70);
    close_to(json_number(root, "top1", 0), 5.0 / 9);
    close_to(json_number(root, "few", 0), 2.0 / 3);
    const Json *accuracy = json_get(root, "class_accuracy");
    assert_int_equal(accuracy->count, 7);
    assert_int_equal(accuracy->child->next->next->next->next->next->kind, JSON_NULL);
    arena_free(&arena);
    metrics_free(m);
    m = metrics_new(2, NULL);
    facts = (ReportFacts){.arch = "resnet20", .data = "list.txt", .loss = NAN, .train_skipped = -1};
    assert_int_equal(metrics_write_report(m, &facts, test_path("report.json")), STATUS_OK);
    assert_int_equal(json_read(&arena, test_path("report.json"), &root), STATUS_OK);
    static const char *const unknown[] = {"top1", "loss", "checkpoint", "train_skipped"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(json_get(root, unknown[i])->kind, JSON_NULL);
    arena_free(&arena);
    metrics_free(m);
}

static void unwritable_places(void **state)
{
    (void)state;
    Metrics *m = example();
    mkdir(test_path("taken.csv"), 0777);
    assert_int_equal(metrics_write_confusion(m, test_path("taken.csv")), STATUS_IO);
    assert_int_equal(test_files_ending(test_folder(), ".tmp"), 0);
    char nowhere[4096]; /* in a folder that is never made */
    snprintf(nowhere, sizeof nowhere, "%s/no folder/c.csv", test_folder());
    assert_int_equal(metrics_write_confusion(m, nowhere), STATUS_IO);
    assert_int_equal(metrics_append_epoch(nowhere, &(EpochRow){0}), STATUS_IO);
    metrics_free(m);
}

static EpochRow row_of(int epoch)
{
    return (EpochRow){.epoch = epoch,
                      .lr = 0.1,
                      .loss = 2.5,
                      .train_top1 = 0.25,
                      .train_top1_prior = 0.5,
                      .test_loss = NAN,
                      .top1 = NAN,
                      .top5 = NAN,
                      .class_mean = NAN,
                      .many = NAN,
                      .medium = NAN,
                      .few = NAN,
                      .images_per_second = 100,
                      .data_seconds = 0.5,
                      .seconds = 10,
                      .eval_seconds = 4};
}

static void run_record(void **state)
{
    (void)state;
    static const char header[] = "epoch,lr,loss,train_top1,train_top1_prior,test_loss,top1,top5,class_mean,"
                                 "many,medium,few,images_per_second,data_seconds,seconds,eval_seconds\n";
    static const char tail[] = ",0.1,2.5,0.25,0.5,,,,,,,,100,0.5,10,4\n";
    char expected[512];
    const char *path = test_path("metrics.csv");
    assert_int_equal(metrics_truncate(path, 0), STATUS_OK); /* none yet */
    for (int e = 0; e < 3; e++) {
        EpochRow row = row_of(e);
        assert_int_equal(metrics_append_epoch(path, &row), STATUS_OK);
    }
    snprintf(expected, sizeof expected, "%s1%s2%s3%s", header, tail, tail, tail);
    expect_file(path, expected);
    assert_int_equal(metrics_truncate(path, 3), STATUS_OK);
    expect_file(path, expected);
    FILE *file = fopen(path, "a"); /* a crash in the middle of a row */
    fputs("4,0.1,2.", file);
    fclose(file);
    assert_int_equal(metrics_truncate(path, 7), STATUS_OK);
    expect_file(path, expected);
    assert_int_equal(metrics_truncate(path, 1), STATUS_OK);
    snprintf(expected, sizeof expected, "%s1%s", header, tail);
    expect_file(path, expected);
    EpochRow again = row_of(1);
    assert_int_equal(metrics_append_epoch(path, &again), STATUS_OK);
    snprintf(expected, sizeof expected, "%s1%s2%s", header, tail, tail);
    expect_file(path, expected);
    assert_int_equal(metrics_truncate(test_write_text("other.csv", "a,b\n1,2\n"), 1), STATUS_INPUT);
    snprintf(expected, sizeof expected, "%sx%s", header, tail);
    assert_int_equal(metrics_truncate(test_write_text("broken.csv", expected), 1), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "broken.csv: line 2: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosine_schedule),
        cmocka_unit_test(cifar_schedule),
        cmocka_unit_test(accuracies),
        cmocka_unit_test(nothing_is_not_a_number),
        cmocka_unit_test(equal_logits_rank_by_class),
        cmocka_unit_test(nan_logits_stop),
        cmocka_unit_test(csv_files),
        cmocka_unit_test(json_report),
        cmocka_unit_test(unwritable_places),
        cmocka_unit_test(run_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
