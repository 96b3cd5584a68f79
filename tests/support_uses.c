/* Uses of a checkpoint: results go nowhere. */
#include "support_uses.h"

#include "base/check.h"
#include "state/convert.h"
#include "state/inspect.h"
#include "state/network.h"
#include "data/dataset.h"

#include <time.h>
#include <unistd.h>

/* A file system that takes everything and keeps nothing. */
static int null_create(const char *path) { (void)path; return 0; }
static ssize_t null_write(int fd, const void *bytes, size_t size) { (void)fd, (void)bytes; return (ssize_t)size; }
static int null_fd(int fd) { (void)fd; return 0; }
static int null_rename(const char *from, const char *to) { (void)to; return unlink(from); } /* the reserved name */
static int null_symlink(const char *target, const char *path) { (void)target, (void)path; return 0; }
static int null_folder(const char *path) { (void)path; return 0; }
static const FileOps null_ops = {null_create, null_write, null_fd, null_fd, null_rename, unlink,
                                 null_symlink, null_folder};

static double seconds_since(clock_t from)
{
    return (double)(clock() - from) / CLOCKS_PER_SEC;
}

static void find_network(Checkpoint *c)
{
    StateDict dict;
    Recognised found;
    if (state_dict_open(c, &dict) != STATUS_OK)
        return;
    if (network_find(&dict, &found) == STATUS_OK)
        CHECK(found.classes >= 0 && found.classes <= DATASET_CLASSES_MAX);
    state_dict_free(&dict);
}

static void inspect(Checkpoint *c)
{
    InspectOptions options = {.open.quiet = true};
    FILE *out = fopen("/dev/null", "w");
    CHECK(out);
    inspect_checkpoint(c, &options, out);
    fclose(out);
}

double use_checkpoint(Checkpoint *c)
{
    static const CheckpointFormat formats[] = {CHECKPOINT_ZIP, CHECKPOINT_LEGACY, CHECKPOINT_SAFETENSORS};
    clock_t from = clock();
    find_network(c);
    inspect(c);
    double slowest = seconds_since(from);
    for (int i = 0; i < 6; i++) {
        ConvertOptions options = {.format = formats[i / 2], .bare = i % 2, .open.quiet = true};
        from = clock();
        convert_checkpoint(c, "/tmp/paco_null", &options, &null_ops);
        slowest = seconds_since(from) > slowest ? seconds_since(from) : slowest;
    }
    return slowest;
}
