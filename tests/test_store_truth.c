/* The store publishes what is true. A run that is killed at any operation of any save (before it, after it, in the
 * middle of a write), and goes on, leaves the same folder to the byte as one that was never killed: checkpoints,
 * manifest, links. Flipped bits, swapped, lost and foreign files are found, or do no harm: what is gone on with has
 * what was saved under its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/rng.h"
#include "checkpoint/writer.h"
#include "state/store.h"
#include "support_checkpoint.h"
#include "support_files.h"
#include "train/records.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEEP = 2, VALUES = 64, FILES_MAX = 32 };

/* A run: what it saves, in order. */
typedef struct Save {
    int64_t step;
    StoreKind kind;
} Save;

static const Save saves[] = {{6, STORE_TRAINED},  {6, STORE_BEST_SO_FAR},  {12, STORE_TRAINED}, {12, STORE_PLAIN},
                             {18, STORE_TRAINED}, {18, STORE_BEST_SO_FAR}, {20, STORE_PLAIN},   {24, STORE_TRAINED},
                             {24, STORE_PLAIN}};

enum { SAVES = sizeof saves / sizeof *saves };

static const char *run_name = "run a";
static char folder[4096];

/* ------------------------------------------------------------------------------------ a run */

/* The checkpoint of save number *context. */
static Status write_save(Sink *sink, void *context)
{
    int index = *(int *)context;
    Arena arena = {0};
    float values[VALUES];
    Object *root = object_dict(&arena, false), *extra = object_dict(&arena, false);
    for (int i = 0; i < VALUES; i++)
        values[i] = (float)(index * 1000 + i) + (run_name[4] == 'a' ? 0 : 0.5f);
    object_set(&arena, extra, "index", object_int(&arena, index));
    object_set(&arena, extra, "step", object_int(&arena, saves[index].step));
    object_set(&arena, extra, "run", object_text(&arena, run_name));
    object_set(&arena, extra, "is_best", object_bool(&arena, saves[index].kind == STORE_BEST_SO_FAR));
    object_set(&arena, root, "openpaco", extra);
    object_set(&arena, root, "w", object_tensor(&arena, ELEMENT_FLOAT32, 1, (int64_t[]){VALUES}, values));
    Status status = torch_write(sink, root, NULL);
    arena_free(&arena);
    return status;
}

static int index_of(const char *path)
{
    Checkpoint *c;
    int64_t index = -1;
    if (!path)
        return -1;
    if (checkpoint_open(path, NULL, &c) != STATUS_OK || checkpoint_integer(c, "openpaco/index", &index) != STATUS_OK)
        fail_msg("%s", status_text());
    checkpoint_close(c);
    return (int)index;
}

/* Goes on from what the folder holds, up to `count` saves. */
static Status run(const FileOps *ops, int count)
{
    Store *store;
    char *path;
    StoreOptions options = {.keep = KEEP, .ops = ops};
    TRY(store_open(folder, &options, &store));
    Status status = store_resume(store, &path);
    for (int i = status == STATUS_OK ? index_of(path) + 1 : count; i < count && status == STATUS_OK; i++) {
        StoreSave save = {saves[i].step, saves[i].kind, run_name, write_save, &i};
        status = store_save(store, &save);
    }
    free(path);
    store_close(store);
    return status;
}

static void new_folder(const char *name)
{
    snprintf(folder, sizeof folder, "%s/%s", test_folder(), name);
    remove_folder(folder);
}

/* ------------------------------------------------------------------------------------ what a folder holds */

typedef struct Held {
    char *name, *bytes; /* of a link: its target */
    size_t size;
} Held;

typedef struct Holding {
    Held files[FILES_MAX];
    int count;
} Holding;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const Held *)a)->name, ((const Held *)b)->name);
}

static Holding look(const char *at)
{
    Holding h = {0};
    DIR *dir = opendir(at);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (e->d_name[0] == '.' || !strcmp(e->d_name, "lock"))
            continue;
        char *path = file_join(at, e->d_name), target[256];
        ssize_t n = readlink(path, target, sizeof target);
        Held *held = &h.files[h.count++];
        uint8_t *bytes = NULL;
        held->name = mem_string(e->d_name);
        if (n >= 0) {
            held->size = (size_t)n;
            held->bytes = malloc((size_t)n + 1);
            memcpy(held->bytes, target, (size_t)n);
        } else if (file_read(path, 1 << 24, &bytes, &held->size) == STATUS_OK) {
            held->bytes = (char *)bytes;
        }
        free(path);
    }
    if (dir)
        closedir(dir);
    qsort(h.files, (size_t)h.count, sizeof *h.files, by_name);
    return h;
}

static void let_go(Holding *h)
{
    for (int i = 0; i < h->count; i++) {
        free(h->files[i].name);
        free(h->files[i].bytes);
    }
}

static void assert_same(const Holding *expected, const char *what, int n)
{
    Holding have = look(folder);
    for (int i = 0; i < have.count || i < expected->count; i++) {
        const Held *a = i < have.count ? &have.files[i] : NULL, *b = i < expected->count ? &expected->files[i] : NULL;
        if (!a || !b || strcmp(a->name, b->name) != 0 || a->size != b->size || memcmp(a->bytes, b->bytes, a->size) != 0)
            fail_msg("%s %d: %s (%.40s) instead of %s (%.40s)", what, n, a ? a->name : "nothing", a ? a->bytes : "",
                     b ? b->name : "nothing", b ? b->bytes : "");
    }
    let_go(&have);
}

static Holding reference(void)
{
    new_folder("reference");
    if (run(NULL, SAVES) != STATUS_OK)
        fail_msg("%s", status_text());
    return look(folder);
}

/* ------------------------------------------------------------------------------------ kills */

/* The operation at which this process ends, and where: before it, behind it, or behind half of a write. */
typedef enum When { BEFORE, BEHIND, HALF, WHENS } When;
static int calls, kill_at;
static When when;

static bool here(When now)
{
    if (now == BEFORE)
        calls++;
    if (calls == kill_at && now == when)
        _exit(9);
    return calls == kill_at && when == HALF;
}

#define KILLED(type, call)       \
    here(BEFORE);                \
    type result = (call);        \
    here(BEHIND);                \
    return result

static int killed_create(const char *path) { KILLED(int, file_ops_system.create(path)); }
static int killed_sync(int fd) { KILLED(int, file_ops_system.sync(fd)); }
static int killed_close(int fd) { KILLED(int, close(fd)); }
static int killed_rename(const char *a, const char *b) { KILLED(int, rename(a, b)); }
static int killed_remove(const char *path) { KILLED(int, unlink(path)); }
static int killed_symlink(const char *a, const char *b) { KILLED(int, symlink(a, b)); }
static int killed_folder(const char *path) { KILLED(int, file_ops_system.sync_folder(path)); }
static ssize_t killed_write(int fd, const void *bytes, size_t size)
{
    if (here(BEFORE) && write(fd, bytes, size / 2) >= 0)
        _exit(9);
    ssize_t result = write(fd, bytes, size);
    here(BEHIND);
    return result;
}

static const FileOps killed = {killed_create, killed_write,  killed_sync,    killed_close,
                               killed_rename, killed_remove, killed_symlink, killed_folder};

/* Runs in a process that is killed at operation n; false when there are fewer. */
static bool run_killed(int n, When at)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        calls = 0;
        kill_at = n;
        when = at;
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        _exit(run(&killed, SAVES) == STATUS_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0));
    return WEXITSTATUS(status) == 9;
}

static void go_on(const Holding *expected, const char *what, int n)
{
    test_stderr_begin();
    Status status = run(NULL, SAVES);
    free(test_stderr_end());
    if (status != STATUS_OK)
        fail_msg("%s %d: %s", what, n, status_text());
    assert_same(expected, what, n);
}

static void killed_at_every_operation(void **state)
{
    (void)state;
    static const char *const names[WHENS] = {"killed before operation", "killed behind operation",
                                             "killed half way through write"};
    Holding expected = reference();
    int kills = 0, each = getenv("PACO_SHORT") ? 4 : 1;
    new_folder("killed");
    for (int at = 0; at < WHENS; at++)
        for (int n = 1 + at % each;; n += each) {
            remove_folder(folder);
            bool reached = run_killed(n, (When)at);
            go_on(&expected, names[at], n);
            kills += reached;
            if (!reached && at != HALF)
                break;
            if (n > 1000)
                break;
        }
    assert_true(kills > 300 / each);
    printf("%d kills\n", kills);
    let_go(&expected);
}

/* Lives that end one after another, until one completes the run. */
static void killed_again_and_again(void **state)
{
    (void)state;
    Holding expected = reference();
    int chains = getenv("PACO_FULL") ? 1000 : getenv("PACO_SHORT") ? 15 : 60;
    new_folder("chain");
    for (int i = 0; i < chains; i++) {
        Rng rng = rng_stream(3, 0, (uint64_t)i, RNG_TEST);
        remove_folder(folder);
        while (run_killed(1 + (int)rng_below(&rng, 120), (When)rng_below(&rng, WHENS)))
            ;
        go_on(&expected, "chain", i);
    }
    let_go(&expected);
}

/* ------------------------------------------------------------------------------------ damage */

static void write_all(const Holding *h)
{
    remove_folder(folder);
    mkdir(folder, 0777);
    for (int i = 0; i < h->count; i++) {
        const Held *f = &h->files[i];
        char *path = file_join(folder, f->name), target[256];
        if (!strcmp(f->name, "last.pth.tar") || !strcmp(f->name, "best.pth.tar")) {
            snprintf(target, sizeof target, "%.*s", (int)f->size, f->bytes);
            assert_true(symlink(target, path) == 0 || !*target);
        } else {
            FILE *out = fopen(path, "wb");
            assert_non_null(out);
            assert_int_equal(fwrite(f->bytes, 1, f->size, out), f->size);
            fclose(out);
        }
        free(path);
    }
}

/* Some damage to what the folder will hold. */
static void damage(Holding *h, Rng *rng)
{
    Held *a = &h->files[rng_below(rng, (uint32_t)h->count)], *b = &h->files[rng_below(rng, (uint32_t)h->count)];
    switch (rng_below(rng, 8)) {
    case 0: { /* two files change places */
        char *bytes = a->bytes;
        size_t size = a->size;
        a->bytes = b->bytes;
        a->size = b->size;
        b->bytes = bytes;
        b->size = size;
        break;
    }
    case 1: /* one is gone */
        free(a->name);
        free(a->bytes);
        *a = h->files[--h->count];
        break;
    case 2: /* or cut */
        a->size = rng_below(rng, (uint32_t)a->size + 1);
        break;
    default: /* bits of one flip */
        if (a->size)
            a->bytes[rng_below(rng, (uint32_t)a->size)] ^= (char)(1 << rng_below(rng, 8));
        break;
    }
}

static Holding copy_of(const Holding *h)
{
    Holding c = *h;
    for (int i = 0; i < h->count; i++) {
        c.files[i].name = mem_string(h->files[i].name);
        c.files[i].bytes = malloc(h->files[i].size + 1);
        memcpy(c.files[i].bytes, h->files[i].bytes, h->files[i].size);
    }
    return c;
}

/* What is gone on with holds what was saved under its name; a flipped bit that nothing reads is no harm. */
static void assert_original(const char *path, int round)
{
    Checkpoint *c;
    int64_t index = -1, step = strtoll(file_name(path) + 5, NULL, 10);
    float have[VALUES];
    if (checkpoint_open(path, NULL, &c) != STATUS_OK ||
        checkpoint_integer(c, "openpaco/index", &index) != STATUS_OK ||
        checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_FLOAT32, have) != STATUS_OK)
        fail_msg("round %d: %s", round, status_text());
    if (index < 0 || index >= SAVES || saves[index].step != step)
        fail_msg("round %d: %s is save %d", round, path, (int)index);
    for (int i = 0; i < VALUES; i++)
        if (have[i] != (float)(index * 1000 + i))
            fail_msg("round %d: %s: element %d", round, path, i);
    checkpoint_close(c);
}

static void damage_is_found(void **state)
{
    (void)state;
    Holding original = reference();
    int rounds = getenv("PACO_FULL") ? 20000 : getenv("PACO_SHORT") ? 250 : 1000, refused = 0, taken = 0;
    new_folder("damaged");
    for (int round = 0; round < rounds; round++) {
        Rng rng = rng_stream(4, 0, (uint64_t)round, RNG_TEST);
        Holding h = copy_of(&original);
        Store *store;
        StoreOptions options = {.keep = KEEP};
        for (uint32_t k = 1 + rng_below(&rng, 2); k > 0; k--)
            damage(&h, &rng);
        write_all(&h);
        let_go(&h);
        test_stderr_begin();
        char *path = NULL, *best = NULL;
        Status status = store_open(folder, &options, &store);
        if (status == STATUS_OK) {
            status = store_resume(store, &path);
            store_close(store);
        }
        Status of_best = store_best(folder, &best);
        free(test_stderr_end());
        assert_true(status == STATUS_OK || status == STATUS_INPUT || status == STATUS_IO);
        taken += path != NULL;
        refused += status != STATUS_OK;
        if (path)
            assert_original(path, round);
        if (of_best == STATUS_OK && best)
            assert_original(best, round);
        free(path);
        free(best);
    }
    assert_true(taken > rounds / 2);
    printf("%d rounds: %d went on, %d were refused\n", rounds, taken, refused);
    let_go(&original);
}

/* ------------------------------------------------------------------------------------ other runs */

/* Files of another run beside the manifest of this one are passed over; without a manifest nobody can tell. */
static void files_of_another_run(void **state)
{
    (void)state;
    char other[4096], *path, command[9000];
    new_folder("b");
    run_name = "run b";
    assert_int_equal(run(NULL, SAVES), STATUS_OK);
    run_name = "run a";
    snprintf(other, sizeof other, "%s", folder);
    new_folder("a");
    assert_int_equal(run(NULL, 4), STATUS_OK);
    snprintf(command, sizeof command, "cp '%s'/step-000000000024.pth.tar '%s'", other, folder);
    assert_int_equal(system(command), 0);
    test_stderr_begin();
    assert_int_equal(store_last(folder, &path), STATUS_OK);
    char *said = test_stderr_end();
    assert_non_null(strstr(said, "step-000000000024.pth.tar: passed over: it belongs to another run"));
    assert_string_equal(file_name(path), "step-000000000012.pth.tar");
    free(said);
    free(path);
    snprintf(command, sizeof command, "%s/manifest.json", folder);
    unlink(command);
    assert_int_equal(store_last(folder, &path), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "checkpoints of different runs"));
    /* Renamed, without a manifest: it says itself which step it is. */
    snprintf(command, sizeof command,
             "cd '%s' && rm step-000000000024.pth.tar && mv step-000000000006.pth.tar step-000000000099.pth.tar", folder);
    assert_int_equal(system(command), 0);
    test_stderr_begin();
    assert_int_equal(store_last(folder, &path), STATUS_OK);
    said = test_stderr_end();
    assert_non_null(strstr(said, "passed over: it was saved under another name"));
    assert_string_equal(file_name(path), "step-000000000012.pth.tar");
    free(said);
    free(path);
}

/* ------------------------------------------------------------------------------------ systems without */

static int without;

static int no_symlink(const char *a, const char *b)
{
    (void)a;
    (void)b;
    errno = without;
    return -1;
}

static int no_folder_sync(const char *path)
{
    (void)path;
    errno = without;
    return -1;
}

/* No symbolic links and no sync of folders: copies lead on, and what is there is the same. */
static void systems_without_links(void **state)
{
    (void)state;
    static const int errors[] = {EPERM, EOPNOTSUPP, ENOSYS, EINVAL};
    FileOps ops = file_ops_system;
    Holding expected = reference();
    ops.symlink = no_symlink;
    for (int i = 0; i < 4; i++) {
        char *path;
        new_folder("plain");
        without = errors[i];
        ops.sync_folder = errors[i] == EPERM ? file_ops_system.sync_folder : no_folder_sync;
        test_stderr_begin();
        Status status = run(&ops, SAVES);
        char *said = test_stderr_end();
        if (status != STATUS_OK)
            fail_msg("%s: %s", strerror(errors[i]), status_text());
        assert_true(i > 0 || strstr(said, "symbolic links cannot be made here"));
        free(said);
        Holding have = look(folder);
        assert_int_equal(have.count, expected.count);
        assert_int_equal(store_best(folder, &path), STATUS_OK);
        assert_string_equal(file_name(path), "step-000000000018.pth.tar");
        free(path);
        path = file_join(folder, "best.pth.tar");
        assert_int_equal(index_of(path), 5);
        free(path);
        path = file_join(folder, "last.pth.tar");
        assert_int_equal(index_of(path), SAVES - 1);
        free(path);
        let_go(&have);
    }
    let_go(&expected);
}

/* ------------------------------------------------------------------------------------ records */

/* Whatever is in a record of this name in the folder, a run goes on. */
static void expect_set_aside(const char *name)
{
    Options options = {.out = folder, .log_every = 1};
    Progress at = {.epoch = 2, .done = 2};
    char *path = file_join(folder, name);
    uint8_t *bytes;
    size_t size;
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size), STATUS_OK);
    int aside = 0;
    for (int round = 0; round < 400; round++) {
        Rng rng = rng_stream(5, 0, (uint64_t)round, RNG_TEST);
        uint32_t place = rng_below(&rng, (uint32_t)size), cut = rng_below(&rng, 4) ? (uint32_t)size : place;
        Records records;
        FILE *out = fopen(path, "wb");
        bytes[place] ^= (uint8_t)(1 << round % 8);
        fwrite(bytes, 1, cut, out);
        fclose(out);
        bytes[place] ^= (uint8_t)(1 << round % 8);
        test_stderr_begin();
        Status status = records_open(&records, &options, &at);
        char *said = test_stderr_end();
        if (status != STATUS_OK)
            fail_msg("round %d: %s", round, status_text());
        aside += strstr(said, "It is kept as ") != NULL && strstr(said, ".csv.damaged") != NULL;
        free(said);
        records_close(&records, STATUS_OK);
    }
    assert_true(aside > 20);
    free(bytes);
    free(path);
}

static void damaged_records_stop_nothing(void **state)
{
    (void)state;
    new_folder("records");
    mkdir(folder, 0777);
    char *epochs = file_join(folder, "metrics.csv"), *steps = file_join(folder, "steps.csv");
    FILE *out = fopen(steps, "w");
    metrics_put_step_header(out);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(metrics_append_epoch(epochs, &(EpochRow){.epoch = i, .lr = 0.1, .loss = 2}), STATUS_OK);
        metrics_put_step(out, &(StepRow){.step = i + 1, .epoch = i, .lr = 0.1, .loss = 2});
    }
    fclose(out);
    expect_set_aside("metrics.csv");
    assert_int_equal(test_files_ending(folder, ".damaged"), 1);
    expect_set_aside("steps.csv");
    assert_int_equal(test_files_ending(folder, ".damaged"), 2);
    free(epochs);
    free(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_every_operation), cmocka_unit_test(killed_again_and_again),
        cmocka_unit_test(damage_is_found),           cmocka_unit_test(files_of_another_run),
        cmocka_unit_test(systems_without_links),     cmocka_unit_test(damaged_records_stop_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
