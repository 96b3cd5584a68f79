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

/* Within what float32 logits leave of a probability. */
static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-7))
        fail_msg("%.17g is not %.17g", a, b);
}

#define PREDICTIONS_HEADER                                                                         \
    "image,label,top1,top2,top3,top4,top5,label_name,top1_name,top2_name,top3_name,top4_name,"     \
    "top5_name,top1_p,top2_p,top3_p,top4_p,top5_p\n"

static void expect_file(const char *path, const char *expected)
{
    char *text = test_read_text(path);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
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
    assert_int_equal(metrics_write_predictions(m, &(PredictionNames){0}, test_path("equal.csv")),
                     STATUS_OK);
    /* 1 / (6 + 2 / e) */
    expect_file(test_path("equal.csv"),
                PREDICTIONS_HEADER
                "0,7,1,2,3,5,6,,,,,,,0.148461,0.148461,0.148461,0.148461,0.148461\n");
    metrics_free(m);
}

/* Adds an image of two classes whose first has this probability. */
static void add_probability(Metrics *m, uint32_t sample, double p, int32_t label)
{
    const float logits[2] = {(float)log(p / (1 - p)), 0};
    assert_int_equal(metrics_add(m, logits, &label, &sample, 1), STATUS_OK);
}

/* By hand, of Guo et al.'s definition: confidences 0.9, 0.92 (bin 13, of (13/15, 14/15]), 0.75 (bin
 * 11), 0.5 (bin 7) and, of the second class, 0.8 (bin 11, (11/15, 12/15]). */
static void calibration(void **state)
{
    (void)state;
    Metrics *m = metrics_new(2, NULL);
    assert_true(isnan(metrics_calibration(m).ece));
    add_probability(m, 0, 0.9, 0);   /* right */
    add_probability(m, 1, 0.92, 1);  /* wrong */
    add_probability(m, 2, 0.75, 0);  /* right */
    add_probability(m, 3, 0.5, 0);   /* right: the first of equals */
    add_probability(m, 4, 0.21, 0);  /* wrong, with confidence 0.79 */
    MetricsCalibration c = metrics_calibration(m);
    static const int64_t counts[METRICS_BINS] = {[7] = 1, [11] = 2, [13] = 2};
    for (int b = 0; b < METRICS_BINS; b++) {
        assert_int_equal(c.bins[b].count, counts[b]);
        assert_true(counts[b] || (isnan(c.bins[b].confidence) && isnan(c.bins[b].accuracy)));
    }
    near(c.bins[7].confidence, 0.5);
    near(c.bins[11].confidence, 0.77);
    near(c.bins[13].confidence, 0.91);
    close_to(c.bins[7].accuracy, 1);
    close_to(c.bins[11].accuracy, 0.5);
    close_to(c.bins[13].accuracy, 0.5);
    near(c.ece, (1 * 0.5 + 2 * 0.27 + 2 * 0.41) / 5);
    near(metrics_loss(m), -(log(0.9) + log(0.08) + log(0.75) + log(0.5) + log(0.21)) / 5);
    metrics_free(m);
}

/* Certainty belongs to the last bin, and a large logit costs no accuracy. */
static void certain_images(void **state)
{
    (void)state;
    Metrics *m = metrics_new(2, NULL);
    const float logits[4] = {3000, -3000, -3000, 3000};
    assert_int_equal(metrics_add(m, logits, (int32_t[]){0, 0}, (uint32_t[]){0, 1}, 2), STATUS_OK);
    MetricsCalibration c = metrics_calibration(m);
    assert_int_equal(c.bins[METRICS_BINS - 1].count, 2);
    close_to(c.ece, 0.5);
    close_to(metrics_loss(m), 3000);
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
    PredictionNames called = {.image = name_of, .context = room};
    Metrics *m = example();
    assert_int_equal(metrics_write_classes(m, names, test_path("classes.csv")), STATUS_OK);
    expect_file(
        test_path("classes.csv"),
        "class,name,train_images,test_images,correct,accuracy,confidence\n"
        "0,a,101,2,1,0.5,0.865529289\n1,\"b, c\",100,1,1,1,0.999999998\n"
        "2,\"say \"\"d\"\"\",20,2,0,0,0.635049985\n3,e,19,2,2,1,0.999999997\n"
        "4,f,1,1,0,0,0.665240954\n5,g,500,0,0,,\n6,h,0,1,1,1,0.999999997\n");
    assert_int_equal(metrics_write_confusion(m, names, test_path("confusion.csv")), STATUS_OK);
    expect_file(test_path("confusion.csv"),
                "true,predicted,images,true_name,predicted_name\n0,0,1,a,a\n0,1,1,a,\"b, c\"\n"
                "1,1,1,\"b, c\",\"b, c\"\n2,0,2,\"say \"\"d\"\"\",a\n3,3,2,e,e\n4,6,1,f,h\n"
                "6,6,1,h,h\n");
    assert_int_equal(metrics_write_confusion(m, NULL, test_path("confusion.csv")), STATUS_OK);
    expect_file(test_path("confusion.csv"),
                "true,predicted,images,true_name,predicted_name\n0,0,1,,\n0,1,1,,\n1,1,1,,\n"
                "2,0,2,,\n3,3,2,,\n4,6,1,,\n6,6,1,,\n");
    assert_int_equal(metrics_write_predictions(m, &called, test_path("p.csv")), STATUS_OK);
    char *text = test_read_text(test_path("p.csv"));
    assert_int_equal(strncmp(text, PREDICTIONS_HEADER, strlen(PREDICTIONS_HEADER)), 0);
    /* e^-k / (1 + 1/e + 1/e^2 + 1/e^3 + 1/e^4), k = 0 to 4; the sixth has e^-5 */
    assert_non_null(strstr(text, "\n\"img,3 \"\"x\"\"\",2,0,1,3,4,2,,,,,,,"
                                 "0.636409,0.234122,0.086129,0.031685,0.011656\n"));
    assert_non_null(strstr(text, "\n\"img,4 \"\"x\"\"\",2,0,1,3,4,5,,,,,,,"));
    assert_non_null(
        strstr(text, "\n\"img,9 \"\"x\"\"\",0,1,0,2,3,4,,,,,,,")); /* the last row: by image */
    assert_true(strstr(text, "img,8") < strstr(text, "img,9"));
    free(text);
    called.classes = names;
    assert_int_equal(metrics_write_predictions(m, &called, test_path("p.csv")), STATUS_OK);
    text = test_read_text(test_path("p.csv"));
    assert_non_null(strstr(text, "\",2,0,1,3,4,2,\"say \"\"d\"\"\",a,\"b, c\",e,f,"
                                 "\"say \"\"d\"\"\",0.636409,"));
    free(text);
    called.unlabelled = true;
    assert_int_equal(metrics_write_predictions(m, &called, test_path("p.csv")), STATUS_OK);
    text = test_read_text(test_path("p.csv"));
    assert_int_equal(strncmp(text, "image,top1,top2,top3,top4,top5,top1_name,", 41), 0);
    assert_non_null(strstr(text, "\n\"img,3 \"\"x\"\"\",0,1,3,4,2,a,\"b, c\",e,f,"));
    free(text);
    metrics_free(m);
}

static void json_report(void **state)
{
    (void)state;
    Arena arena = {0};
    Json *root;
    Metrics *m = example();
    ReportFacts facts = {.arch = "resnet20", .storage = DTYPE_BF16, .checkpoint = "a \"b\".pth",
                         .tta = "flip", .data = "list.txt",
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
    close_to(json_number(root, "balanced_accuracy", 0), json_number(root, "class_mean", 1));
    close_to(json_number(root, "nll", 0), metrics_loss(m));
    close_to(json_number(root, "ece", 0), metrics_calibration(m).ece);
    assert_string_equal(json_text(root, "tta", ""), "flip");
    const Json *bins = json_get(root, "ece_bins");
    assert_int_equal(bins->count, METRICS_BINS);
    assert_int_equal(json_get(bins->child, "confidence")->kind, JSON_NULL);
    int64_t images = 0;
    for (const Json *bin = bins->child; bin; bin = bin->next)
        images += (int64_t)json_number(bin, "count", 0);
    assert_int_equal(images, 9);
    const Json *accuracy = json_get(root, "class_accuracy");
    assert_int_equal(accuracy->count, 7);
    assert_int_equal(accuracy->child->next->next->next->next->next->kind, JSON_NULL);
    arena_free(&arena);
    metrics_free(m);
    m = metrics_new(2, NULL);
    facts = (ReportFacts){.arch = "resnet20", .data = "list.txt", .loss = NAN, .train_skipped = -1};
    assert_int_equal(metrics_write_report(m, &facts, test_path("report.json")), STATUS_OK);
    assert_int_equal(json_read(&arena, test_path("report.json"), &root), STATUS_OK);
    static const char *const unknown[] = {"top1", "loss", "nll", "ece", "checkpoint",
                                          "train_skipped"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(json_get(root, unknown[i])->kind, JSON_NULL);
    arena_free(&arena);
    metrics_free(m);
}

/* What a run says of itself. */
static void report_of_a_run(void **state)
{
    (void)state;
    Arena arena = {0};
    Json *root;
    Metrics *m = example();
    static char *const words[] = {"/bin/p o", "train", "--data=a'b", "", NULL};
    TrainProgram program = {"1.2", "abc", words};
    RunFacts run = {.program = &program, .seed = UINT64_MAX, .device = "d", .arithmetic = "d, 2 units", .processes = 3, .epochs = 9,
                    .steps = 12345678901, .starts = 2, .started = 1000000000, .ended = 1000000061, .seconds = 61.25, .training = 50.5,
                    .evaluation = 7.125};
    ReportFacts facts = {.arch = "resnet20", .loss = 0.1, .run = &run};
    setenv("TZ", "XXX-05:45", 1);
    tzset();
    assert_int_equal(metrics_write_report(m, &facts, test_path("report.json")), STATUS_OK);
    unsetenv("TZ");
    tzset();
    assert_int_equal(json_read(&arena, test_path("report.json"), &root), STATUS_OK);
    const Json *says = json_get(root, "run"), *final = json_get(root, "final");
    static const char *const texts[][2] = {{"version", "1.2"}, {"commit", "abc"}, {"command", "'/bin/p o' train '--data=a'\\''b' ''"},
                                           {"seed", "18446744073709551615"}, {"device", "d"}, {"arithmetic", "d, 2 units"},
                                           {"started", "2001-09-09T07:31:40+05:45"}, {"ended", "2001-09-09T07:32:41+05:45"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(json_text(says, texts[i][0], ""), texts[i][1]);
    assert_true(json_number(says, "processes", 0) == 3 && json_number(says, "epochs", 0) == 9 && json_number(says, "starts", 0) == 2);
    assert_true(json_number(says, "steps", 0) == 12345678901 && json_number(says, "seconds", 0) == 61.25);
    assert_true(json_number(says, "training_seconds", 0) == 50.5 && json_number(says, "evaluation_seconds", 0) == 7.125);
    assert_true(json_number(final, "epoch", 0) == 9 && json_number(final, "loss", 0) == 0.1);
    assert_true(json_number(final, "top1", 0) == json_number(root, "top1", 1) && json_number(final, "few", 0) == json_number(root, "few", 1));
    arena_free(&arena);
    metrics_free(m);
}

static void command_for_a_shell(void **state)
{
    (void)state;
    Arena arena = {0};
    static char *const words[] = {"paco", "a b", "it's", "", "$x", "--lr=0.1,2:/@%+_-", "a\nb'\\", "\xff\xfe", "\xc3\xa9", NULL};
    assert_string_equal(provenance_command(words, &arena),
                        "paco 'a b' 'it'\\''s' '' '$x' --lr=0.1,2:/@%+_- $'a\\x0ab\\'\\\\' $'\\xff\\xfe' '\xc3\xa9'");
    arena_free(&arena);
}

/* Rows of single steps: what is no number is empty, and what is to come again goes. */
static void record_of_steps(void **state)
{
    (void)state;
    static const char header[] = "step,epoch,lr,loss,top1,mean_loss,mean_top1,loss_scale\n";
    static const char rows[] = "99,1,0.1,2.5,0.25,2,0.5,\n101,2,0.1,,0.25,2,0.5,1024\n";
    const char *path = test_path("steps.csv");
    char expected[512];
    assert_int_equal(metrics_truncate_steps(path, 0), STATUS_OK); /* none yet */
    FILE *file = fopen(path, "a");
    metrics_put_step_header(file);
    StepRow row = {.step = 99, .epoch = 0, .lr = 0.1, .loss = 2.5, .top1 = 0.25, .mean_loss = 2, .mean_top1 = 0.5, .loss_scale = NAN};
    metrics_put_step(file, &row);
    fclose(file);
    file = fopen(path, "a");
    metrics_put_step_header(file); /* it has one */
    row.step = 101;
    row.epoch = 1;
    row.loss = NAN;
    row.loss_scale = 1024;
    metrics_put_step(file, &row);
    fputs("102,2,0.", file);
    fclose(file);
    assert_int_equal(metrics_truncate_steps(path, 200), STATUS_OK);
    snprintf(expected, sizeof expected, "%s%s", header, rows);
    expect_file(path, expected);
    assert_int_equal(metrics_truncate_steps(path, 100), STATUS_OK);
    snprintf(expected, sizeof expected, "%s%.*s", header, (int)strcspn(rows, "\n") + 1, rows);
    expect_file(path, expected);
    assert_int_equal(metrics_truncate_steps(test_write_text("broken.csv", "step,lr\n"), 1), STATUS_INPUT);
    snprintf(expected, sizeof expected, "%sx\n", header);
    assert_int_equal(metrics_truncate_steps(test_write_text("broken.csv", expected), 1), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "broken.csv: line 2: no step at its start"));
}

static void unwritable_places(void **state)
{
    (void)state;
    Metrics *m = example();
    mkdir(test_path("taken.csv"), 0777);
    assert_int_equal(metrics_write_confusion(m, NULL, test_path("taken.csv")), STATUS_IO);
    assert_int_equal(test_files_ending(test_folder(), ".tmp"), 0);
    char nowhere[4096]; /* in a folder that is never made */
    snprintf(nowhere, sizeof nowhere, "%s/no folder/c.csv", test_folder());
    assert_int_equal(metrics_write_confusion(m, NULL, nowhere), STATUS_IO);
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
                      .val_loss = 1.5,
                      .val_top1 = 0.75,
                      .val_top5 = 1,
                      .val_class_mean = 0.5,
                      .val_many = NAN,
                      .val_medium = NAN,
                      .val_few = NAN,
                      .images_per_second = 100,
                      .data_seconds = 0.5,
                      .seconds = 10,
                      .eval_seconds = 4};
}

static void run_record(void **state)
{
    (void)state;
    static const char header[] = "epoch,lr,loss,train_top1,train_top1_prior,test_loss,top1,top5,class_mean,"
                                 "many,medium,few,images_per_second,data_seconds,seconds,eval_seconds,"
                                 "val_loss,val_top1,val_top5,val_class_mean,val_many,val_medium,val_few\n";
    static const char tail[] = ",0.1,2.5,0.25,0.5,,,,,,,,100,0.5,10,4,1.5,0.75,1,0.5,,,\n";
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
    assert_int_equal(metrics_truncate(test_write_text("part.csv", "epoch,l\n1,2\n"), 1), STATUS_INPUT);
    snprintf(expected, sizeof expected, "%sx%s", header, tail);
    assert_int_equal(metrics_truncate(test_write_text("broken.csv", expected), 1), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "broken.csv: line 2: "));
}

/* An earlier version had not all columns yet: its rows go on with empty ones, also where none is dropped. */
static void record_of_an_earlier_version(void **state)
{
    (void)state;
    static const char older[] = "epoch,lr,loss,train_top1,train_top1_prior,test_loss,top1,top5,class_mean,"
                                "many,medium,few,images_per_second,data_seconds,seconds,eval_seconds";
    static const char behind[] = ",val_loss,val_top1,val_top5,val_class_mean,val_many,val_medium,val_few\n";
    static const char row[] = ",0.1,2.5,0.25,0.5,,,,,,,,100,0.5,10,4";
    char before[1024], expected[1024];
    snprintf(before, sizeof before, "%s\n1%s\n2%s\n3%s\n4,0.", older, row, row, row);
    for (int epoch = 0; epoch <= 3; epoch++) {
        const char *path = test_write_text("older.csv", before);
        int n = snprintf(expected, sizeof expected, "%s%s", older, behind);
        for (int e = 1; e <= epoch; e++)
            n += snprintf(expected + n, sizeof expected - (size_t)n, "%d%s,,,,,,,\n", e, row);
        assert_int_equal(metrics_truncate(path, epoch), STATUS_OK);
        expect_file(path, expected);
    }
    snprintf(before, sizeof before, "%s\n1%s\n", older, row);
    snprintf(expected, sizeof expected, "%s%s1%s,,,,,,,\n", older, behind, row);
    const char *path = test_write_text("older.csv", before);
    assert_int_equal(metrics_truncate(path, 7), STATUS_OK);
    expect_file(path, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cosine_schedule),
        cmocka_unit_test(cifar_schedule),
        cmocka_unit_test(accuracies),
        cmocka_unit_test(nothing_is_not_a_number),
        cmocka_unit_test(equal_logits_rank_by_class),
        cmocka_unit_test(calibration),
        cmocka_unit_test(certain_images),
        cmocka_unit_test(nan_logits_stop),
        cmocka_unit_test(csv_files),
        cmocka_unit_test(json_report),
        cmocka_unit_test(report_of_a_run), cmocka_unit_test(command_for_a_shell), cmocka_unit_test(record_of_steps),
        cmocka_unit_test(unwritable_places),
        cmocka_unit_test(run_record),
        cmocka_unit_test(record_of_an_earlier_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
