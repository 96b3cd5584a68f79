/* Options: values, presets, contradictions, help, and their text form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/loader.h"
#include "support_files.h"
#include "comm/comm.h"
#include "options/options_table.h"
#include "model/paco.h"
#include "options/presets.h"
#include "train/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 40 };

/* What the latest parse() said: the log, then the status. */
static char said[8192];

/* Parses a command line written with spaces between its words. */
static Status parse(Options *o, OptionVerb verb, const char *line)
{
    char *copy = mem_string(line), *words[WORDS_MAX], *at;
    int n = 0;
    for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at))
        words[n++] = word;
    test_stderr_begin();
    Status status = options_parse(o, verb, 1, n, words);
    char *log = test_stderr_end();
    snprintf(said, sizeof said, "%s%s\n", log, status == STATUS_OK ? "" : status_text());
    free(log);
    free(copy);
    return status;
}

static void defaults(void **state)
{
    (void)state;
    Options o;
    assert_int_equal(parse(&o, OPTION_TRAIN, "--dataset synthetic"), STATUS_OK);
    assert_string_equal(options_word(&o, OPTION_ID_arch), "resnet32");
    assert_int_equal(o.method, METHOD_PACO);
    assert_int_equal(o.batch, 128);
    assert_true(o.peer_timeout == COMM_TIMEOUT);
    assert_int_equal(o.ranks, 1);
    assert_true(o.moco_m == 0.999 && o.momentum == 0.9 && o.base_temperature == 0 && o.mlp &&
                o.long_tailed);
    assert_null(o.out);
    assert_string_equal(o.device, "auto");
    assert_true(o.given[OPTION_ID_dataset] && !o.given[OPTION_ID_batch]);
    assert_int_equal(o.on_corrupt, CORRUPT_FAIL); /* in training as in evaluation */
    options_free(&o);
}

static void ways_to_write_them(void **state)
{
    (void)state;
    Options o;
    assert_int_equal(parse(&o, OPTION_TRAIN,
                           "--dataset=synthetic --batch 64 --moco_t=0.07 --moco-k 77 --no-mlp "
                           "--long-tailed off --partial on --mean 0.1,0.2,0.3 --std .5 --seed "
                           "18446744073709551615 --lr 1e-3 --schedule cifar --warmup-epochs 3 "
                           "--out a=b --lr 2e-3"),
                     STATUS_OK);
    assert_int_equal(o.batch, 64);
    assert_int_equal(o.queue, 77);
    assert_true(o.temperature == 0.07 && !o.mlp && !o.long_tailed && o.partial);
    assert_true(o.mean[0] == 0.1 && o.mean[1] == 0.2 && o.mean[2] == 0.3 && o.std[0] == 0.5 &&
                o.std[2] == 0.5);
    assert_true(o.seed == UINT64_MAX && o.lr == 2e-3 && o.warmup == 3);
    assert_int_equal(o.schedule, SCHEDULE_CIFAR);
    assert_string_equal(o.out, "a=b");
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_BENCH, "step --partial"), STATUS_USAGE);
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_BENCH, "step --no-mlp --batch 8"), STATUS_OK);
    assert_int_equal(o.word_count, 1);
    assert_string_equal(o.words[0], "step");
    options_free(&o);
}

static void mistakes(void **state)
{
    (void)state;
    static const struct { OptionVerb verb; const char *line, *says;
    } bad[] = {
        {OPTION_TRAIN, "--bach 8", "--bach: unknown option. Did you mean --batch?"},
        {OPTION_TRAIN, "--tempratuer 8",
         "--tempratuer: unknown option. Did you mean --temperature?"},
        {OPTION_TRAIN, "--zzzzzzzz=8", "--zzzzzzzz: unknown option. --help lists them"},
        {OPTION_TRAIN, "--no-batch", "--no-batch: --batch is not on or off, it takes a value (N)"},
        {OPTION_TRAIN, "--no-arch", "--no-arch: --arch is not on or off, it takes a value (WORD)"},
        {OPTION_TRAIN, "--no-bach", "--no-bach: unknown option. --help lists them"},
        {OPTION_TRAIN, "--dataset synthetic --stop-after 3", "--stop-after: needs --out"},
        {OPTION_TRAIN, "-b", "--batch: value missing (N)"},
        {OPTION_TRAIN, "-b7x", "--batch: not a whole number ('7x')"},
        {OPTION_DATA, "-b 7", "-b: unknown option"},
        {OPTION_TRAIN, "--b 7", "--b: unknown option"},
        {OPTION_TRAIN, "-x", "-x: unknown option. --help lists them"},
        {OPTION_TRAIN, "-e runs/x", "-e: unknown option. `paco eval --checkpoint FILE` evaluates"},
        {OPTION_EVAL, "-e", "-e: unknown option. --help lists them"},
        {OPTION_TRAIN, "--opt sgd", "--opt: unknown option. The optimizer is SGD: --lr, --momentum, --wd"},
        {OPTION_TRAIN, "--imb_ratio 100", "--imb_ratio: unknown option. --lt-factor 0.01 is a ratio of 100"},
        {OPTION_TRAIN, "--pretrained", "--pretrained: unknown option. --init-from FILE"},
        {OPTION_AUGMENT, "--pretrained", "--pretrained: unknown option. --help lists them"},
        {OPTION_TRAIN, "step more", "more: unexpected argument"},
        {OPTION_TRAIN, "--batch", "--batch: value missing (N)"},
        {OPTION_TRAIN, "--batch --ranks 2", "--batch: value missing"},
        {OPTION_TRAIN, "--batch=", "--batch: not a whole number ('')"},
        {OPTION_TRAIN, "--batch 8x", "--batch: not a whole number ('8x')"},
        {OPTION_TRAIN, "--batch 1e3", "--batch: not a whole number"},
        {OPTION_TRAIN, "--batch 0", "--batch: out of range (0 vs 1 to 1048576)"},
        {OPTION_TRAIN, "--batch -5", "--batch: out of range (-5 vs"},
        {OPTION_TRAIN, "--batch 99999999999999999999", "--batch: out of range"},
        {OPTION_TRAIN, "--queue 0", "--queue: out of range (0 vs 1 to"},
        {OPTION_TRAIN, "--lr nan", "--lr: not a number ('nan')"},
        {OPTION_TRAIN, "--lr inf", "--lr: not a number"},
        {OPTION_TRAIN, "--lr 0x1p3", "--lr: not a number"},
        {OPTION_TRAIN, "--lr 1e999", "--lr: out of range (1e999 vs 0 to 1000)"},
        {OPTION_TRAIN, "--lr -0.1", "--lr: out of range"},
        {OPTION_TRAIN, "--temperature 0", "--temperature: out of range (0 vs 0.0001 to 100)"},
        {OPTION_TRAIN, "--seed -1", "--seed: not a whole number from 0 to"},
        {OPTION_TRAIN, "--seed 18446744073709551616", "--seed: not a whole number"},
        {OPTION_TRAIN, "--arch resnet33", "--arch: unknown value ('resnet33' vs resnet20|"},
        {OPTION_TRAIN, "--arch resnet", "--arch: unknown value"},
        {OPTION_TRAIN, "--mlp=maybe", "--mlp: unknown value ('maybe' vs on|off)"},
        {OPTION_TRAIN, "--no-mlp=on", "--no-mlp: takes no value"},
        {OPTION_TRAIN, "--mean 1,2,3", "--mean: out of range (2 vs 0 to 1)"},
        {OPTION_TRAIN, "--mean 0,1", "--mean: not three numbers"},
        {OPTION_TRAIN, "--mean 0,1,0,1", "--mean: not three numbers"},
        {OPTION_TRAIN, "--mean 0,,1", "--mean: not three numbers"},
        {OPTION_TRAIN, "--std 0", "--std: out of range"},
        {OPTION_TRAIN, "--out a\tb", "--out: not printable"},
        {OPTION_EVAL, "--epochs 3", "--epochs: means nothing to this command"},
        {OPTION_TRAIN, "--preset", "--preset: value missing"},
        {OPTION_TRAIN, "--preset imagnet_lt_r50",
         "unknown preset 'imagnet_lt_r50'. Did you mean imagenet_lt_r50?"},
        {OPTION_TRAIN, "--preset qqqqqqqqqqqqqqq", "`paco presets` lists them"},
        {OPTION_TRAIN, "--preset synthetic --preset synthetic", "--preset: given twice"},
        {OPTION_TRAIN, "--dataset synthetic --recipe cifar1000",
         "--recipe: unknown recipe 'cifar1000'. Did you mean cifar100?"},
        {OPTION_TRAIN, "--dataset synthetic --recipe=", "--recipe: empty (expected NAME)"},
        {OPTION_TRAIN, "--dataset synthetic --batch 10 --ranks 3",
         "--batch: not a multiple of --ranks (10 vs 3)"},
        {OPTION_BENCH, "step --batch 10 --ranks 3", "--batch: not a multiple of --ranks (10 vs 3)"},
        {OPTION_TRAIN, "--dataset synthetic --batch 4 --ranks 4",
         "two images per rank (4 images vs 4 ranks)"},
        {OPTION_TRAIN, "--dataset synthetic --warmup 11 --epochs 10",
         "--warmup: longer than the run (11 vs 10 epochs). A shorter run needs a shorter --warmup"},
        {OPTION_TRAIN, "--dataset synthetic --resume a --init-from b",
         "--init-from: contradicts --resume"},
        {OPTION_TRAIN, "--dataset synthetic --freeze convs_but_last_block",
         "Give --init-from FILE"},
        {OPTION_TRAIN, "--preset places_lt_r152 --train-list a --test-list b",
         "--freeze: without --init-from"},
        {OPTION_TRAIN, "", "--train-list FILE: missing"},
        {OPTION_TRAIN, "--train-list a", "--test-list FILE: missing"},
        {OPTION_EVAL, "--train-list a", "--list FILE: missing"},
        {OPTION_DATA, "", "--train-list FILE: missing; nothing to check"},
        {OPTION_TRAIN, "--dataset folder", "--data FOLDER: missing"},
        {OPTION_TRAIN, "--dataset folder --data a", "--test-data FOLDER: missing"},
        {OPTION_TRAIN, "--dataset cifar10", "--data FOLDER: missing"},
        {OPTION_TRAIN, "--dataset cifar10 --data a --classes 100",
         "--classes: does not fit the data set (100 vs 10)"},
        {OPTION_TRAIN, "--dataset cifar10 --data a --train-list b",
         "--train-list: contradicts --dataset"},
        {OPTION_TRAIN, "--dataset synthetic --data a", "--data: contradicts --dataset synthetic"},
        {OPTION_TRAIN, "--train-list a --test-list b --lt-factor 0.1", "--lt-factor: only for"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Options o;
        Status status = parse(&o, bad[i].verb, bad[i].line);
        if (status != STATUS_USAGE || !strstr(said, bad[i].says))
            fail_msg("%s: status %d, %s", bad[i].line, status, said);
        assert_null(strchr(status_text(), '\n'));
        options_free(&o);
    }
}

static void suggestions(void **state)
{
    (void)state;
    static const struct { const char *wrong, *right; /* "": none */
    } cases[] = {
        {"epoch", "epochs"}, {"rank", "ranks"}, {"wokers", "workers"}, {"batchsize", "batch-size"},
        {"lr_warmup_epoch", "lr-warmup-epochs"}, {"imgsize", "img-size"}, {"tempratuer", "temperature"},
        {"rl", "lr"}, {"lrr", "lr"}, {"savesteps", "save-steps"}, {"randaugn", "randaug-n"},
        /* near, but another thing */
        {"lr-scheduler", ""}, {"lr-t", ""}, {"warmup-lr", ""}, {"min-lr", ""}, {"opt", ""}, {"ema", ""},
        {"model-ema", ""}, {"mlp-dim", ""}, {"moco-x", ""}, {"test-only", ""}, {"train-split", ""},
        {"eval-metric", ""}, {"key-x", ""}, {"lt", ""}, {"data-dir", ""}, {"queue-size", ""}, {"wd-end", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Options o;
        char line[80], expected[160];
        snprintf(line, sizeof line, "--%s 1", cases[i].wrong);
        snprintf(expected, sizeof expected, "Did you mean --%s?", cases[i].right);
        assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_USAGE);
        if (*cases[i].right ? !strstr(said, expected) : strstr(said, "Did you mean") != NULL)
            fail_msg("%s: %s", line, said);
        options_free(&o);
    }
}

static void names_of_others(void **state)
{
    (void)state;
    Options o;
    assert_int_equal(parse(&o, OPTION_TRAIN,
                           "--dataset cifar10 --data d --model resnet20 --workers 3 --output o --batch-size 12 "
                           "--weight-decay 0.5 --learning-rate 0.25 --img_size 40 --num-classes 10 "
                           "--lr-warmup-epochs 4 --imb-factor 0.5 --imb-type step --initial-checkpoint c"),
                     STATUS_OK);
    assert_string_equal(options_word(&o, OPTION_ID_arch), "resnet20");
    assert_true(o.threads == 3 && o.batch == 12 && o.wd == 0.5 && o.lr == 0.25 && o.size == 40 && o.classes == 10);
    assert_true(o.warmup == 4 && o.lt_factor == 0.5 && o.lt_form == LONGTAIL_STEP);
    assert_string_equal(o.out, "o");
    assert_string_equal(o.init_from, "c");
    assert_true(o.given[OPTION_ID_arch] && o.given[OPTION_ID_threads]);
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_TRAIN, "--dataset synthetic -a resnet20 -j4 -b 16"), STATUS_OK);
    assert_string_equal(options_word(&o, OPTION_ID_arch), "resnet20");
    assert_true(o.threads == 4 && o.batch == 16);
    options_free(&o);
}

static void contradictions_at_once(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "--batch: not a multiple of --ranks (9 vs 2)", "--recipe: unknown recipe 'no'",
        "--warmup: longer than the run (3 vs 2 epochs)", "--resume auto: needs --out", "--stop-after: needs --out",
        "--init-from: contradicts --resume", "--data: contradicts --dataset synthetic", "--lt-factor: only for",
        "--classes: does not fit"};
    const char *at = said;
    Options o;
    assert_int_equal(parse(&o, OPTION_TRAIN,
                           "--dataset synthetic --batch 9 --ranks 2 --recipe no --warmup 3 --epochs 2 --resume auto "
                           "--stop-after 1 --init-from x --data d --lt-factor 0.5 --classes 3"),
                     STATUS_USAGE);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *found = strstr(at, lines[i]);
        if (!found)
            fail_msg("no '%s' behind the others in: %s", lines[i], said);
        at = found;
    }
    int count = 0;
    for (const char *c = said; *c; c++)
        count += *c == '\n';
    assert_int_equal(count, sizeof lines / sizeof *lines);
    assert_int_equal(strncmp(status_text(), "--classes", 9), 0);
    options_free(&o);
}

static void warmup_of_short_runs(void **state)
{
    (void)state;
    static const struct { const char *line; int warmup; const char *says; /* NULL: nothing */
    } cases[] = {
        {"--preset imagenet_lt_r50 --train-list a --test-list b --epochs 4", 2,
         "preset imagenet_lt_r50: a warm-up of 10 epochs is too long for a run of 4. It takes 2"},
        {"--preset imagenet_lt_r50 --train-list a --test-list b --epochs 20", 10, NULL},
        {"--preset imagenet_lt_r50 --train-list a --test-list b --epochs 19", 9, "It takes 9"},
        {"--preset synthetic --epochs 1", 0, "It takes 0"},
        {"--dataset synthetic --epochs 5", 2, "--epochs: a warm-up of 10 epochs is too long for a run of 5"},
        {"--preset synthetic --epochs 3 --warmup 3", 3, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Options o;
        assert_int_equal(parse(&o, OPTION_TRAIN, cases[i].line), STATUS_OK);
        assert_int_equal(o.warmup, cases[i].warmup);
        if (cases[i].says ? !strstr(said, cases[i].says) : strcmp(said, "\n") != 0)
            fail_msg("%s: %s", cases[i].line, said);
        options_free(&o);
    }
    Options o;
    assert_int_equal(parse(&o, OPTION_EVAL, "--preset synthetic"), STATUS_OK);
    assert_int_equal(o.warmup, 2);
    options_free(&o);
}

/* The command that `paco presets NAME` prints. */
static void command_of(const Preset *preset, char *line, size_t room)
{
    size_t used = (size_t)snprintf(line, room, "--preset %s", preset->name);
    for (const SourceFile *f = source_at(preset->data)->files; f->name; f++)
        if (*f->value)
            used += (size_t)snprintf(line + used, room - used, " --%s %s",
                                     option_rows[f->option].name, f->value);
    assert_true(used < room);
}

static void presets_are_consistent(void **state)
{
    (void)state;
    for (int i = 0; preset_at(i); i++) {
        char line[512];
        Options o;
        command_of(preset_at(i), line, sizeof line);
        if (parse(&o, OPTION_TRAIN, line) != STATUS_OK)
            fail_msg("%s: %s", preset_at(i)->name, status_text());
        assert_string_equal(o.preset, preset_at(i)->name);
        assert_ptr_equal(preset_find(preset_at(i)->name), preset_at(i));
        assert_int_equal(o.batch / o.ranks, strncmp(o.preset, "imagenet_r", 10) == 0 ? 64
                                            : o.ranks == 4 ? 32 : o.batch);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(preset_at(i)->name, preset_at(j)->name);
        options_free(&o);
    }
    assert_null(preset_find("nothing"));
    assert_null(preset_at(-1));
}

/* One published row. */
typedef struct Published {
    const char *name, *dataset, *arch, *recipe, *schedule, *freeze, *colours;
    int batch, ranks, epochs, warmup, queue, dim, classes, n, m, long_tailed;
    double lr, wd, alpha, temperature, lt_factor, accuracy;
    const char *source, *script, *precision;
} Published;

/* Every published row, typed in again here; classes 0: as the data says. */
static const Published PUBLISHED[] = {
#define LARGE(name, data, arch, recipe, freeze, colours, batch, epochs, warmup, classes, n, m, lt, \
              lr, wd, temperature, accuracy, script, precision)                                   \
    {name, data, arch, recipe, "cosine", freeze, colours, batch, 4, epochs, warmup, 8192, 128,    \
     classes, n, m, lt, lr, wd, 0.05, temperature, 1, accuracy, "README", script, precision}
#define CIFAR(name, data, factor, accuracy, source, script)                                       \
    {name, data, "resnet32", "cifar100", "cifar", "none", "CIFAR", 128, 1, 400, 10, 1024, 32, 0,  \
     2, 10, 1, 0.05, 5e-4, 0.01, 0.05, factor, accuracy, source, script, "fp32"}
    LARGE("imagenet_lt_r50", "list", "resnet50", "randcls_sim", "none", "ImageNet",
          128, 400, 10, 1000, 2, 10, 1, 0.02, 5e-4, 0.2, 57.0, "published", "fp32"),
    LARGE("imagenet_lt_x50", "list", "resnext50_32x4d", "randclsstack_sim", "none", "ImageNet",
          128, 400, 10, 1000, 2, 10, 1, 0.02, 5e-4, 0.07, 58.2, "published", "fp32"),
    LARGE("imagenet_lt_x101", "list", "resnext101_32x4d", "randclsstack_sim", "none", "ImageNet",
          128, 400, 10, 1000, 3, 10, 1, 0.03, 5e-4, 0.2, 60.0, "published", "fp32"),
    LARGE("inat_r50", "list", "resnet50", "randcls_sim", "none", "iNaturalist",
          128, 400, 10, 8142, 2, 10, 1, 0.02, 1e-4, 0.2, 73.2, "published", "fp32"),
    LARGE("inat_r152", "list", "resnet152", "randcls_sim", "none", "iNaturalist",
          128, 400, 10, 8142, 2, 10, 1, 0.02, 1e-4, 0.2, 75.2, "none: as inat_r50", "fp32"),
    LARGE("places_lt_r152", "list", "resnet152", "sim_sim", "convs_but_last_block", "ImageNet",
          128, 30, 5, 365, 2, 10, 1, 0.02, 5e-4, 0.2, 41.2, "published", "fp16"),
    LARGE("imagenet_r50", "folder", "resnet50", "randcls_sim", "none", "ImageNet",
          256, 400, 10, 1000, 2, 10, 0, 0.04, 1e-4, 0.2, 79.3, "published", "fp32"),
    LARGE("imagenet_r101", "folder", "resnet101", "randcls_sim", "none", "ImageNet",
          256, 400, 10, 1000, 2, 10, 0, 0.04, 1e-4, 0.2, 80.9, "published", "fp32"),
    LARGE("imagenet_r200", "folder", "resnet200", "randclsstack_sim", "none", "ImageNet",
          256, 400, 10, 1000, 3, 12, 0, 0.04, 1e-4, 0.2, 81.8, "published", "fp16"),
    CIFAR("cifar100_lt_100", "cifar100", 0.01, 52.0, "paper", "published"),
    CIFAR("cifar100_lt_50", "cifar100", 0.02, 56.0, "paper", "published"),
    CIFAR("cifar100_lt_10", "cifar100", 0.1, 64.2, "paper", "published"),
    CIFAR("cifar10_lt_100", "cifar10", 0.01, 85.1, "later papers", "none: as cifar100_lt_100"),
    CIFAR("cifar10_lt_50", "cifar10", 0.02, 87.1, "later papers", "none: as cifar100_lt_50"),
    CIFAR("cifar10_lt_10", "cifar10", 0.1, 90.8, "later papers", "none: as cifar100_lt_10"),
#undef LARGE
#undef CIFAR
};
enum { PUBLISHED_COUNT = sizeof PUBLISHED / sizeof *PUBLISHED };

/* Mean and deviation of the pixels. */
static void assert_colours(const Options *o, const char *whose)
{
    static const struct {
        const char *whose;
        double mean[3], std[3];
    } colours[] = {
        {"ImageNet", {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}},
        {"iNaturalist", {0.466, 0.471, 0.380}, {0.195, 0.194, 0.192}},
        {"CIFAR", {0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}},
    };
    int i = 0;
    while (strcmp(colours[i].whose, whose) != 0)
        i++;
    assert_memory_equal(o->mean, colours[i].mean, sizeof o->mean);
    assert_memory_equal(o->std, colours[i].std, sizeof o->std);
}

static void assert_published(Options *o, const Published *row)
{
    assert_string_equal(options_word(o, OPTION_ID_dataset), row->dataset);
    assert_string_equal(options_word(o, OPTION_ID_arch), row->arch);
    assert_string_equal(options_word(o, OPTION_ID_schedule), row->schedule);
    assert_string_equal(options_word(o, OPTION_ID_freeze), row->freeze);
    assert_string_equal(options_word(o, OPTION_ID_method), "paco");
    assert_string_equal(options_word(o, OPTION_ID_lt_form), "exp");
    assert_string_equal(o->recipe, row->recipe);
    assert_colours(o, row->colours);
    assert_int_equal(o->batch, row->batch);
    assert_int_equal(o->ranks, row->ranks);
    assert_int_equal(o->epochs, row->epochs);
    assert_int_equal(o->warmup, row->warmup);
    assert_int_equal(o->queue, row->queue);
    assert_int_equal(o->dim, row->dim);
    assert_int_equal(o->classes, row->classes);
    assert_int_equal(o->randaug_n, row->n);
    assert_int_equal(o->long_tailed, row->long_tailed);
    assert_int_equal(o->partial, strcmp(row->freeze, "none") != 0); /* backbone from elsewhere */
    assert_true(o->mlp);
    assert_true(o->randaug_m == row->m && o->lr == row->lr && o->wd == row->wd);
    assert_true(o->alpha == row->alpha && o->temperature == row->temperature);
    assert_true(o->lt_factor == row->lt_factor);
    assert_true(o->beta == 1 && o->gamma == 1 && o->supt == 1 && o->base_temperature == 0);
    assert_true(o->moco_m == 0.999 && o->momentum == 0.9);
}

/* MD5 and 32 digits, git's name and 40, or what PyTorch has in a file's name. */
static void assert_sum(const SourceFile *file)
{
    static const struct { const char *begin; size_t digits;
    } forms[] = {{"MD5 ", 32}, {"git hash-object ", 40}, {"SHA-256 begins with ", 8}};
    int i = 0;
    while (strncmp(file->sum, forms[i].begin, strlen(forms[i].begin)) != 0)
        assert_true(++i < 3);
    const char *sum = file->sum + strlen(forms[i].begin);
    assert_true(strspn(sum, "0123456789abcdef") == forms[i].digits && !sum[forms[i].digits]);
    assert_true(forms[i].digits > 8 || strstr(file->name, sum));
}

/* Of every preset's data: classes and images, and sums of the form that they claim. */
static void presets_have_their_data(void **state)
{
    (void)state;
    static const struct { const char *preset; int classes; int64_t train, test;
    } known[] = {
        {"imagenet_lt_r50", 1000, 115846, 50000}, {"imagenet_r200", 1000, 1281167, 50000},
        {"inat_r152", 8142, 437513, 24426},       {"places_lt_r152", 365, 62500, 7300},
        {"cifar100_lt_100", 100, 10847, 10000},   {"cifar100_lt_10", 100, 19573, 10000},
        {"cifar10_lt_100", 10, 12406, 10000},     {"synthetic", 10, 1517, 500},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const Preset *preset = preset_find(known[i].preset);
        const Source *source = source_at(preset->data);
        Options o;
        options_init(&o);
        assert_int_equal(options_preset(&o, preset->name), STATUS_OK);
        assert_int_equal(source->size->classes, known[i].classes);
        assert_true(source_images(source, &o) == known[i].train && source->size->images[source->judged] == known[i].test);
        assert_true(!o.classes || o.classes == source->size->classes);
        for (const SourceFile *f = source->files; f->name; f++)
            assert_sum(f);
        options_free(&o);
    }
}

static void presets_are_the_published_ones(void **state)
{
    (void)state;
    for (int i = 0; i < PUBLISHED_COUNT; i++) {
        const Preset *preset = preset_find(PUBLISHED[i].name);
        char line[128];
        Options o;
        print_message("%s\n", PUBLISHED[i].name);
        assert_non_null(preset);
        snprintf(line, sizeof line, "--preset %s --data a --test-data c", PUBLISHED[i].name);
        parse(&o, OPTION_TRAIN, line); /* lists may be missing: the values are there all the same */
        assert_published(&o, &PUBLISHED[i]);
        assert_true(preset->accuracy == PUBLISHED[i].accuracy);
        assert_string_equal(preset->source, PUBLISHED[i].source);
        assert_string_equal(preset->script, PUBLISHED[i].script);
        assert_string_equal(preset->precision, PUBLISHED[i].precision);
        options_free(&o);
    }
    int claimed = 0;
    for (int i = 0; preset_at(i); i++)
        claimed += preset_at(i)->accuracy > 0;
    assert_int_equal(claimed, PUBLISHED_COUNT);
}

static void ranks_scale_a_preset(void **state)
{
    (void)state;
    static const char data[] = "--preset imagenet_lt_r50 --train-list a --test-list b ";
    static const struct { const char *more; int batch; double lr;
    } cases[] = {
        {"", 128, 0.02},
        {"--ranks 8", 256, 0.04},
        {"--ranks 1", 32, 0.005},
        {"--ranks 4", 128, 0.02},
        {"--ranks 8 --lr 0.1", 256, 0.1},
        {"--ranks 8 --batch 128", 128, 0.04},
        {"--batch 64", 64, 0.02},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[256];
        Options o;
        snprintf(line, sizeof line, "%s %s%s", cases[i].more, data, "");
        assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK);
        assert_int_equal(o.batch, cases[i].batch);
        assert_true(o.lr == cases[i].lr);
        options_free(&o);
    }
}

static void dump_reads_back(void **state)
{
    (void)state;
    Options a, b;
    Arena arena = {0};
    assert_int_equal(
        parse(&a, OPTION_TRAIN,
              "--preset cifar100_lt_50 --data some/where --lr 0.1234567890123456 "
              "--no-mlp --seed 9007199254740993 --std 0.3333333333333333 --ranks 2 --out x=y --supt 1e-4 "
              "--gamma 99.99999999999999"),
        STATUS_OK);
    char *text = options_dump(&a, &arena);
    assert_non_null(strstr(text, "preset=cifar100_lt_50\n"));
    assert_non_null(strstr(text, "\nwd=0.0005\n"));
    assert_non_null(strstr(text, "\nrandaug-m=10\n")); /* not 1e+01 */
    assert_non_null(strstr(text, "\nbase-temperature=0\n"));
    assert_non_null(strstr(text, "\nmean=0.4914,0.4822,0.4465\n"));
    assert_non_null(strstr(text, "\ntrain-list=\n"));
    options_init(&b);
    assert_int_equal(options_read(&b, "checkpoint", text), STATUS_OK);
    assert_string_equal(options_dump(&b, &arena), text);
    assert_true(b.lr == a.lr && b.seed == a.seed && b.std[1] == a.std[1] && b.batch == 256 && !b.mlp);
    assert_true(b.supt == a.supt && b.gamma == a.gamma);
    assert_string_equal(b.out, "x=y");
    assert_string_equal(b.preset, "cifar100_lt_50");
    assert_int_equal(options_read(&b, "c.pth", "# a comment\n\nbatch=24\n"), STATUS_OK);
    assert_int_equal(b.batch, 24);
    assert_int_equal(options_read(&b, "c.pth", "batch=8\nnovel=1\n"), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "c.pth: option line 2: unknown option 'novel'"));
    assert_int_equal(options_read(&b, "c.pth", "batch=0\n"), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "c.pth: option line 1: --batch: out of range"));
    assert_int_equal(options_read(&b, "c.pth", "batch\n"), STATUS_INPUT);
    options_free(&a);
    options_free(&b);
    arena_free(&arena);
}

/* Parses a line in which CONFIG stands for a file of this text. */
static Status parse_config(Options *o, OptionVerb verb, const char *text, const char *line)
{
    char words[512];
    test_write_text("my.toml", text);
    const char *at = strstr(line, "CONFIG");
    assert_non_null(at);
    snprintf(words, sizeof words, "%.*s%s%s", (int)(at - line), line, test_path("my.toml"), at + strlen("CONFIG"));
    return parse(o, verb, words);
}

static void config_file(void **state)
{
    (void)state;
    Options o, again;
    Arena arena = {0};
    const char *text = "# a run\n\n  preset = cifar100_lt_50 \r\n\tlr=0.25\nbatch-size = 32\n#lr=9\nout = a folder \n"
                       "data=d\nmlp=off\nmean=\n";
    assert_int_equal(parse_config(&o, OPTION_TRAIN, text, "--lr 0.5 --config CONFIG --epochs 3"), STATUS_OK);
    assert_string_equal(o.preset, "cifar100_lt_50");
    assert_true(o.lr == 0.5 && o.batch == 32 && !o.mlp && o.epochs == 3 && o.lt_factor == 0.02 && isnan(o.mean[0]));
    assert_string_equal(o.out, "a folder");
    assert_true(o.given[OPTION_ID_batch] && o.given[OPTION_ID_lr] && !o.given[OPTION_ID_alpha]);
    options_free(&o);
    /* The command line's preset is the one; the file's lines go over it. */
    assert_int_equal(parse_config(&o, OPTION_TRAIN, text, "--preset cifar100_lt_10 --config=CONFIG"), STATUS_OK);
    assert_string_equal(o.preset, "cifar100_lt_10");
    assert_true(o.lr == 0.25 && o.lt_factor == 0.1);
    options_free(&o);
    /* A warm-up that the file has with the length of its run is one that somebody asked for; with another length it is not. */
    assert_int_equal(parse_config(&o, OPTION_TRAIN, "dataset=synthetic\nepochs=5\nwarmup=10\n", "--config CONFIG"), STATUS_USAGE);
    options_free(&o);
    assert_int_equal(parse_config(&o, OPTION_TRAIN, "dataset=synthetic\nepochs=20\nwarmup=10\n", "--config CONFIG --epochs 5"), STATUS_OK);
    assert_int_equal(o.warmup, 2);
    options_free(&o);
    /* One folder is enough for an evaluation. */
    assert_int_equal(parse(&o, OPTION_EVAL, "--checkpoint c --dataset folder --data f"), STATUS_OK);
    assert_string_equal(o.test_data, "f");
    assert_null(o.data);
    options_free(&o);
    /* What means nothing to the verb is passed over; what says what would be anyway is not given. */
    assert_int_equal(parse_config(&o, OPTION_EVAL, "epochs=3\ntest-list=t\narch=resnet32\nclasses=0\n", "--config CONFIG"), STATUS_OK);
    assert_string_equal(o.test_list, "t");
    assert_true(!o.given[OPTION_ID_arch] && !o.given[OPTION_ID_classes] && o.given[OPTION_ID_test_list]);
    options_free(&o);
    /* Numbers of the file are not scaled to --ranks. */
    assert_int_equal(parse_config(&o, OPTION_TRAIN, "preset=imagenet_lt_r50\nbatch=128\ntrain-list=a\ntest-list=b\n",
                                  "--config CONFIG --ranks 8"), STATUS_OK);
    assert_true(o.batch == 128 && o.lr == 0.04);
    options_free(&o);
    /* All options of a run are a file for it. */
    assert_int_equal(parse(&o, OPTION_TRAIN, "--preset synthetic --lr 0.1234567890123456 --seed 9007199254740993 --no-mlp "
                                             "--ranks 2 --epochs 4 --out x=y"), STATUS_OK);
    const char *dump = options_dump(&o, &arena);
    assert_int_equal(parse_config(&again, OPTION_TRAIN, dump, "--config CONFIG"), STATUS_OK);
    assert_string_equal(options_dump(&again, &arena), dump);
    options_free(&again);
    options_free(&o);
    arena_free(&arena);
}

static void config_mistakes(void **state)
{
    (void)state;
    static const struct { const char *text, *says; Status status;
    } cases[] = {
        {"lr=0.1\n\nbach=3\n", "my.toml: line 3: --bach: unknown option. Did you mean --batch?", STATUS_INPUT},
        {"# x\nlr 0.1\n", "my.toml: line 2: no '=' ('lr 0.1')", STATUS_INPUT},
        {"lr=fast\n", "my.toml: line 1: --lr: not a number ('fast')", STATUS_INPUT},
        {"lr=0.1\npreset=cifar100_lt_5\n", "my.toml: line 2: unknown preset 'cifar100_lt_5'. Did you mean", STATUS_INPUT},
        {"dataset=synthetic\nbatch=9\nranks=2\n", "--batch: not a multiple of --ranks (9 vs 2)", STATUS_USAGE},
    };
    Options o;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse_config(&o, OPTION_TRAIN, cases[i].text, "--config CONFIG"), cases[i].status);
        if (!strstr(said, cases[i].says))
            fail_msg("%s: %s", cases[i].text, said);
        options_free(&o);
    }
    assert_int_equal(parse(&o, OPTION_TRAIN, "--config no/such/file"), STATUS_IO);
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_TRAIN, "--config"), STATUS_USAGE);
    assert_non_null(strstr(said, "--config: value missing (FILE)"));
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_BENCH, "step --config x"), STATUS_USAGE);
    assert_non_null(strstr(said, "--config: means nothing to this command"));
    options_free(&o);
}

/* Lines as TOML has them are read as such; a section is no option. */
static void toml_lines(void **state)
{
    (void)state;
    Options o;
    static const char text[] = "# TOML\narch = \"resnet20\"   # the network\nqueue = 8_192\nlr = 2_0.5e-1\nmlp = false\n"
                               "fuse = true # as ever\ndata = '/a \"b\" #c'\nclass-names = \"d \\\"e\\\" \\\\ f\"#g\n"
                               "mean = [ 0.1, 0.2 ,0.3 ]\nstd = [0.5]\nseed = 9_007\ntrain-list = h#i\ntest-list = j # k\nkey = ''\n";
    assert_int_equal(parse_config(&o, OPTION_TRAIN, text, "--config CONFIG"), STATUS_OK);
    assert_string_equal(options_word(&o, OPTION_ID_arch), "resnet20");
    assert_true(o.queue == 8192 && o.lr == 2.05 && !o.mlp && o.fuse && o.seed == 9007 && !o.key);
    assert_true(o.mean[0] == 0.1 && o.mean[1] == 0.2 && o.mean[2] == 0.3 && o.std[0] == 0.5 && o.std[2] == 0.5);
    assert_string_equal(o.data, "/a \"b\" #c");
    assert_string_equal(o.class_names, "d \"e\" \\ f");
    assert_string_equal(o.train_list, "h#i");
    assert_string_equal(o.test_list, "j");
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_TRAIN, "--dataset synthetic --mlp false --fuse=true"), STATUS_OK);
    assert_true(!o.mlp && o.fuse);
    options_free(&o);
    static const struct { const char *text, *says;
    } wrong[] = {
        {"lr=0.1\n[train]\nlr=0.2\n", "line 2: a section; options stand without one ('[train]')"},
        {"[[run]]\n", "line 1: a section;"},
        {"arch = \"resnet20\n", "line 1: a quote without its end ('arch')"},
        {"arch = 'resnet20' 'resnet32'\n", "line 1: text behind the quotes ('arch')"},
        {"data = \"a\\tb\"\n", "line 1: an escape other than \\\" and \\\\ ('data')"},
        {"data = \"a\\", "line 1: an escape other than"},
        {"data = \"\"\"a\n", "line 1: text behind the quotes ('data')"},
        {"queue = 8__192\n", "line 1: --queue: not a whole number ('8__192')"},
        {"queue = 8192_\n", "line 1: --queue: not a whole number ('8192_')"},
        {"lr = _1\n", "line 1: --lr: not a number ('_1')"},
        {"mlp = True\n", "line 1: --mlp: unknown value ('True' vs on|off)"},
        {"mean = [0.1, 0.2]\n", "line 1: --mean: not three numbers"},
        {"mean = [0.1, 0.2, 0.3\n", "line 1: --mean: not three numbers"},
        {"mean = 0.1, 0.2, 0.3]\n", "line 1: --mean: not three numbers"},
        {"mean = [0.1, 0.2, 0.3] 0.4\n", "line 1: --mean: not three numbers"},
        {"mean = [0.1 0.2 0.3]\n", "line 1: --mean: not three numbers"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(parse_config(&o, OPTION_TRAIN, wrong[i].text, "--config CONFIG"), STATUS_INPUT);
        if (!strstr(said, wrong[i].says))
            fail_msg("%s: %s", wrong[i].text, said);
        options_free(&o);
    }
}

/* Whatever text an option is, a dump brings it back, and it is no change. */
static void texts_in_a_dump(void **state)
{
    (void)state;
    static const char *const texts[] = {"a b", "#a", "a #b", "a#b", " a", "a ", "\"a\"", "'a'", "a\\ \"b", "=", "[a]", "a = 'b'",
                                        "\\ #\\"};
    Arena arena = {0};
    OptionChange changes[OPTION_COUNT];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Options a, b;
        options_init(&a);
        options_init(&b);
        assert_int_equal(options_set(&a, "data", texts[i]), STATUS_OK);
        const char *dump = options_dump(&a, &arena);
        assert_int_equal(options_read(&b, "dump", dump), STATUS_OK);
        assert_string_equal(b.data, texts[i]);
        assert_int_equal(options_changes(&a, dump, RESUME_FREE, &arena, changes), 0);
        options_free(&a);
        options_free(&b);
    }
    arena_free(&arena);
}

/* A run's options lie below presets and files that are named, but for those of one start. */
static void options_of_a_run(void **state)
{
    (void)state;
    char line[512];
    Options o;
    test_write_text("options.txt", "preset=synthetic\nlr=0.25\nwarmup=3\nepochs=4\nqueue=99\nout=lost\nresume=lost\nstop-after=7\n"
                                   "init-from=w\n# history\n");
    snprintf(line, sizeof line, "--out %s --resume auto", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK);
    assert_string_equal(said, "\n");
    assert_string_equal(o.out, test_folder());
    assert_string_equal(o.preset, "synthetic");
    assert_string_equal(o.taken, test_path("options.txt"));
    assert_string_equal(o.resume, "auto");
    assert_string_equal(o.init_from, "w");
    assert_true(o.lr == 0.25 && o.warmup == 3 && o.epochs == 4 && o.queue == 99 && o.batch == 64 && o.stop_after == 0);
    options_free(&o);
    snprintf(line, sizeof line, "--resume %s/x.pth --epochs 5 --queue 7", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK);
    assert_true(!o.out && o.lr == 0.25 && o.epochs == 5 && o.queue == 7);
    options_free(&o);
    snprintf(line, sizeof line, "--preset cifar10_lt_10 --data d --out %s --resume auto", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK); /* of the preset all that it says */
    assert_string_equal(o.preset, "cifar10_lt_10");
    assert_true(o.lr == 0.05 && o.warmup == 10 && o.epochs == 400 && o.queue == 1024 && o.batch == 128);
    options_free(&o);
    snprintf(line, sizeof line, "--dataset synthetic --out %s", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK); /* it does not go on */
    assert_true(o.lr == 0.05 && !o.taken);
    options_free(&o);
    snprintf(line, sizeof line, "--dataset synthetic --out %s/none --resume auto", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK);
    assert_true(o.lr == 0.05 && !o.taken);
    options_free(&o);
    snprintf(line, sizeof line, "--config %s --train-list a --test-list b", test_path("options.txt"));
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK); /* another run with its options */
    assert_true(o.lr == 0.25 && !o.resume && o.stop_after == 0);
    assert_string_equal(o.out, "lost");
    assert_string_equal(o.init_from, "w");
    options_free(&o);
    /* A warm-up of the defaults that was asked for stays; one that no longer fits is shortened. */
    test_write_text("options.txt", "dataset=synthetic\nwarmup=10\nepochs=12\n");
    snprintf(line, sizeof line, "--out %s --resume auto", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK);
    assert_int_equal(o.warmup, 10);
    options_free(&o);
    snprintf(line, sizeof line, "--out %s --resume auto --epochs 8", test_folder());
    assert_int_equal(parse(&o, OPTION_TRAIN, line), STATUS_OK);
    assert_int_equal(o.warmup, 4);
    options_free(&o);
    remove(test_path("options.txt"));
}

/* What a dump says of the options of one kind, as "name: now vs then; ...". */
static void expect_changes(const Options *o, const char *dump, OptionResume resume, const char *expected)
{
    OptionChange changes[OPTION_COUNT];
    Arena arena = {0};
    int count = options_changes(o, dump, resume, &arena, changes);
    const char *text = "";
    for (int i = 0; i < count; i++)
        text = arena_printf(&arena, "%s%s: %s vs %s; ", text, changes[i].name, changes[i].now, changes[i].then);
    assert_string_equal(text, expected);
    arena_free(&arena);
}

static void changes_since_a_dump(void **state)
{
    (void)state;
    Options o;
    Arena arena = {0};
    assert_int_equal(parse(&o, OPTION_TRAIN, "--dataset synthetic --seed 9007199254740993 --randaug-m 10"),
                     STATUS_OK);
    const char *same = options_dump(&o, &arena);
    for (int kind = RESUME_SAME; kind <= RESUME_ONCE; kind++)
        expect_changes(&o, same, (OptionResume)kind, "");
    const char *dump = "preset=gone\nrandaug-m=1e+01\nlr=1e-1\ndata=there\nrecompute=off\nnovel=1\n"
                       "arch=resnet20\nbatch=64\nseed=9007199254740992\nranks=none\nmean=0.5,0.50,0.5\n"
                       "test-list=t";
    expect_changes(&o, dump, RESUME_SAME,
                   "arch: resnet32 vs resnet20; batch: 128 vs 64; ranks: 1 vs none; "
                   "seed: 9007199254740993 vs 9007199254740992; ");
    expect_changes(&o, dump, RESUME_TELL, "lr: 0.05 vs 0.1; test-list:  vs t; mean:  vs 0.5,0.5,0.5; ");
    expect_changes(&o, dump, RESUME_FREE, "data:  vs there; recompute: on vs off; ");
    options_free(&o);
    arena_free(&arena);
}

static void help_lists_what_applies(void **state)
{
    (void)state;
    static const OptionVerb verbs[] = {OPTION_TRAIN, OPTION_EVAL, OPTION_BENCH, OPTION_DATA, OPTION_AUGMENT};
    static const struct { const char *line; bool shown[5];
    } lines[] = {
        {"--epochs N", {true, false, false, false, false}},
        {"--batch N", {true, true, true, false, false}},
        {"--repeats N", {false, false, true, false, false}},
        {"--train-list FILE", {true, true, false, true, false}},
        {"--[no-]mlp", {true, false, true, false, false}},
        {"--preset NAME", {true, true, true, true, true}},
        {"--config FILE", {true, true, false, false, false}},
        {"  also --model, -a\n", {true, true, true, false, false}},
        {"  also --batch-size, -b\n", {true, true, true, false, false}},
        {"--randaug-m X", {true, false, false, false, true}},
        {"resnet20, resnet32, ", {true, true, true, false, false}},
        {"more than 1 % of the images of one list (one epoch of it", {true, true, false, false, false}},
    };
    for (int v = 0; v < 5; v++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        options_help(out, verbs[v]);
        fclose(out);
        assert_true(strncmp(text, "  --preset NAME ", 16) == 0);
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
            assert_int_equal(strstr(text, lines[i].line) != NULL, lines[i].shown[v]);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
            if (strncmp(line, "     ", 5) != 0)
                assert_true(strlen(line) <= 110);
        free(text);
    }
}

static void what_others_get(void **state)
{
    (void)state;
    Options o;
    RecipeOptions views;
    assert_int_equal(parse(&o, OPTION_TRAIN,
                           "--dataset cifar100 --data d --lt-factor 0.02 --lt-form step "
                           "--epochs 7 --lr 3 --warmup 2 --schedule cifar --size 48 --randaug-n 3"),
                     STATUS_OK);
    DatasetSpec train = options_dataset(&o, true), test = options_dataset(&o, false);
    assert_true(train.train && train.tail.form == LONGTAIL_STEP && train.tail.factor == 0.02);
    assert_true(!test.train && test.tail.factor == 0 && strcmp(test.root, "d") == 0);
    Schedule s = schedule_of(&o);
    assert_true(s.kind == SCHEDULE_CIFAR && s.epochs == 7 && s.warmup == 2 && s.lr == 3);
    options_default_recipe(&o);
    assert_non_null(options_recipe(&o, &views));
    assert_int_equal(views.size, 48);
    assert_int_equal(views.eval_resize, 48);
    assert_int_equal(views.randaugment_n, 3);
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_EVAL, "--size 224 --test-list b --data c --test-data d"),
                     STATUS_OK);
    options_default_recipe(&o);
    assert_string_equal(o.recipe, "cifar100"); /* of --arch resnet32 */
    options_recipe(&o, &views);
    assert_int_equal(views.eval_resize, 256);
    test = options_dataset(&o, false);
    assert_string_equal(test.root, "d");
    assert_string_equal(test.list, "b");
    options_free(&o);
}

static void normalisation_of_the_data(void **state)
{
    (void)state;
    static const struct { const char *line; int classes; const char *text;
    } cases[] = {
        {"--dataset cifar10 --data d", 10, "CIFAR, mean 0.4914 0.4822 0.4465, deviation 0.2023 0.1994 0.201"},
        {"--dataset cifar100 --data d", 100, "CIFAR, mean 0.4914"},
        {"--list a", 10, "ImageNet, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225"},
        {"--list a", 8142, "iNaturalist, mean 0.466 0.471 0.38, deviation 0.195 0.194 0.192"},
        {"--dataset folder --test-data d", 8142, "ImageNet,"},
        {"--dataset cifar10 --data d --mean 0.1,0.2,0.3", 10, "given, mean 0.1 0.2 0.3, deviation 0.2023"},
        {"--list a --std 0.5", 10, "given, mean 0.485 0.456 0.406, deviation 0.5 0.5 0.5"},
        {"--preset cifar10_lt_100 --list a", 10, "CIFAR, mean 0.4914"}, /* the preset's, as its lists' images are */
        {"--preset cifar10_lt_100 --list a --mean= --std=", 10, "ImageNet,"},
        {"--preset inat_r50 --list a", 8142, "iNaturalist,"},
        {"--preset places_lt_r152 --list a", 365, "ImageNet,"},
        {"--preset imagenet_r50 --test-data d", 1000, "ImageNet,"},
        {"--preset synthetic", 10, "given, mean 0.5 0.5 0.5, deviation 0.25 0.25 0.25"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Options o;
        char text[160];
        assert_int_equal(parse(&o, OPTION_EVAL, cases[i].line), STATUS_OK);
        options_normalise(&o, cases[i].classes);
        options_normalisation(&o, text);
        if (strncmp(text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: %s", cases[i].line, text);
        options_free(&o);
    }
}

static void lists_replace_a_presets_data(void **state)
{
    (void)state;
    Options o;
    assert_int_equal(parse(&o, OPTION_EVAL, "--preset cifar10_lt_100 --list a --data d"), STATUS_OK);
    assert_true(o.dataset == DATASET_LIST && o.lt_factor == 1);
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_TRAIN, "--preset imagenet_r50 --train-list a"), STATUS_USAGE);
    assert_non_null(strstr(status_text(), "--test-list FILE: missing"));
    options_free(&o);
    assert_int_equal(parse(&o, OPTION_EVAL, "--preset cifar10_lt_100 --dataset cifar10 --list a --data d"),
                     STATUS_USAGE);
    assert_non_null(strstr(said, "--test-list: contradicts --dataset"));
    options_free(&o);
}

static Status open_both(const char *line, Dataset **train, Dataset **test)
{
    Options o;
    Status status = parse(&o, OPTION_DATA, line);
    if (status == STATUS_OK) {
        test_stderr_begin();
        status = options_open_data(&o, 0, NULL, train, test);
        free(test_stderr_end());
    }
    options_free(&o);
    return status;
}

static void both_halves_agree(void **state)
{
    (void)state;
    static const char *const files[] = {"tr/a/1.jpg",  "tr/b/1.jpg",  "te/a/1.jpg", "te/b/1.jpg",
                                        "odd/a/1.jpg", "odd/c/1.jpg", "one/a/1.jpg"};
    char line[1024];
    const char *in = test_folder();
    Dataset *train, *test;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        test_write_text(files[i], "x");
    test_write_text("three.txt", "a 0\nb 1\nc 2\n");
    test_write_text("one.txt", "a 1\n");
    test_write_text("four.txt", "a 3\n");
    snprintf(line, sizeof line, "--train-list %s/three.txt --test-list %s/one.txt", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_OK);
    assert_int_equal(test->classes, 3);
    dataset_close(train);
    dataset_close(test);
    snprintf(line, sizeof line, "--train-list %s/three.txt --test-list %s/four.txt", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_INPUT);
    assert_null(train);
    test_write_text("names.csv", "path,label\na.jpg,ant\nb.jpg,bee\nc.jpg,cat\n");
    test_write_text("last.csv", "path,label\nc.jpg,cat\n");
    test_write_text("order.txt", "cat\nant\nbee\n");
    snprintf(line, sizeof line, "--train-list %s/names.csv --test-list %s/last.csv", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_OK);
    assert_int_equal(test->labels[0], 2);
    dataset_close(train);
    dataset_close(test);
    snprintf(line, sizeof line, "--train-list %s/three.txt --test-list %s/names.csv", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "names.csv: labels are names, those of "));
    snprintf(line, sizeof line, "--train-list %s/names.csv --test-list %s/three.txt", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "three.txt: labels are numbers, those of "));
    snprintf(line, sizeof line, "--train-list %s/three.txt --test-list %s/last.csv --class-names %s/order.txt", in, in,
             in);
    assert_int_equal(open_both(line, &train, &test), STATUS_OK);
    assert_int_equal(test->labels[0], 0);
    assert_string_equal(train->class_names[0], "cat");
    dataset_close(train);
    dataset_close(test);
    snprintf(line, sizeof line, "--test-list %s/one.txt --classes 2", in);
    assert_int_equal(open_both(line, &train, &test), STATUS_OK);
    assert_null(train);
    assert_int_equal(test->classes, 2);
    dataset_close(test);
    snprintf(line, sizeof line, "--dataset folder --data %s/tr --test-data %s/te", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_OK);
    dataset_close(train);
    dataset_close(test);
    snprintf(line, sizeof line, "--dataset folder --data %s/tr --test-data %s/odd", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "('c' vs 'b')"));
    snprintf(line, sizeof line, "--dataset folder --data %s/tr --test-data %s/one", in, in);
    assert_int_equal(open_both(line, &train, &test), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "(1 vs 2 class folders)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(ways_to_write_them),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(suggestions),
        cmocka_unit_test(names_of_others),
        cmocka_unit_test(contradictions_at_once),
        cmocka_unit_test(warmup_of_short_runs),
        cmocka_unit_test(presets_are_consistent),
        cmocka_unit_test(presets_are_the_published_ones),
        cmocka_unit_test(presets_have_their_data),
        cmocka_unit_test(ranks_scale_a_preset),
        cmocka_unit_test(dump_reads_back),
        cmocka_unit_test(config_file),
        cmocka_unit_test(toml_lines), cmocka_unit_test(texts_in_a_dump), cmocka_unit_test(options_of_a_run),
        cmocka_unit_test(config_mistakes),
        cmocka_unit_test(changes_since_a_dump),
        cmocka_unit_test(help_lists_what_applies),
        cmocka_unit_test(what_others_get),
        cmocka_unit_test(normalisation_of_the_data),
        cmocka_unit_test(lists_replace_a_presets_data),
        cmocka_unit_test(both_halves_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
