/* Support of the malformed-file tests: running one, building the sound files that are then
 * spoilt. */
#include "support_malformed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "support_uses.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int files;       /* malformed files tried */
static double slowest;  /* processor seconds of the slowest one */
static int most_memory; /* MiB */
const float ramp[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* ---- running one */

static int by_tensor(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)*(const StoredTensor *const *)a, y = (uintptr_t)*(const StoredTensor *const *)b;
    return (x > y) - (x < y);
}

static Status read_one(Checkpoint *c, const CheckpointTensor *t)
{
    ElementType type = t->tensor ? t->tensor->type : ELEMENT_FLOAT32;
    void *values = malloc(checkpoint_tensor_bytes(t, type) + 1);
    Status status = checkpoint_read(c, t, type, values);
    free(values);
    return status;
}

/* Each tensor once, under its first key; one that cannot be read fails at once. */
static Status read_all(Checkpoint *c)
{
    uint32_t count = checkpoint_count(c);
    const StoredTensor **seen = malloc((count + 1) * sizeof *seen);
    bool *done = calloc(count + 1, sizeof *done);
    for (uint32_t i = 0; i < count; i++)
        seen[i] = checkpoint_tensor(c, i)->tensor;
    qsort(seen, count, sizeof *seen, by_tensor);
    Status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const StoredTensor *t = checkpoint_tensor(c, i)->tensor;
        const StoredTensor **place = t ? bsearch(&t, seen, count, sizeof *seen, by_tensor) : NULL;
        if (place && done[place - seen])
            continue;
        if (place)
            done[place - seen] = true;
        status = read_one(c, checkpoint_tensor(c, i));
    }
    free(seen);
    free(done);
    return status == STATUS_OK ? checkpoint_verify(c) : status;
}

static void note_time(double seconds)
{
    slowest = seconds > slowest ? seconds : slowest;
}

/* What else is done with the file leaves the status and text of reading it. */
static void use(Checkpoint *c, Status status)
{
    char *text = mem_string(status_text());
    note_time(use_checkpoint(c));
    status_fail(status, "%s", text);
    free(text);
}

Status run(const char *name, const uint8_t *bytes, size_t size, const CheckpointOptions *options)
{
    Checkpoint *c;
    clock_t from = clock();
    status_fail(STATUS_OK, "nothing failed");
    CheckpointOptions quiet = {.quiet = true};
    Status status = checkpoint_open_memory(name, bytes, size, options ? options : &quiet, &c);
    bool opened = status == STATUS_OK;
    if (opened)
        status = read_all(c);
    note_time((double)(clock() - from) / CLOCKS_PER_SEC);
    if (opened)
        use(c, status);
    if (opened)
        checkpoint_close(c);
    files++;
    return status;
}

/* Large files again, from disk in a process of its own: at most 64 MiB above what it had. */
static void check_memory(const char *id, const Bytes *bytes)
{
    if (SANITIZED || bytes->size < 50000)
        return;
    char *folder = temporary_folder(), path[4096];
    int code;
    snprintf(path, sizeof path, "%s/large%s", folder,
             strstr(id, ".safetensors") ? ".safetensors" : ".pth");
    bytes_write(path, bytes->data, bytes->size);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "malformed", "load", path, (char *)NULL);
        _exit(255);
    }
    waitpid(child, &code, 0);
    remove_folder(folder);
    free(folder);
    if (!WIFEXITED(code) || WEXITSTATUS(code) > 64)
        fail_msg("%s: %d MiB more memory", id, WEXITSTATUS(code));
    most_memory = WEXITSTATUS(code) > most_memory ? WEXITSTATUS(code) : most_memory;
}

/* Runs the bytes (and frees them): the status, and every part in the message, which is one line. */
void expect(const char *id, Bytes bytes, Status wanted, const char *part, const char *other)
{
    Status status = run(id, bytes.data, bytes.size, NULL);
    const char *text = status_text();
    if (status != wanted || (part && !strstr(text, part)) || (other && !strstr(text, other)))
        fail_msg("%s: status %d (expected %d, '%s' '%s'): %s", id, status, wanted, part ? part : "",
                 other ? other : "", text);
    if (status != STATUS_OK) {
        if (strncmp(text, id, strlen(id)) != 0 || !strchr(text, '@') || strchr(text, '\n') ||
            strlen(text) > 1023)
            fail_msg("%s: message without file and offset: %s", id, text);
    }
    check_memory(id, &bytes);
    bytes_free(&bytes);
}

/* ---- building blocks */

void begin(Bytes *p)
{
    bytes_text(p, "\x80\x02");
}

/* {'w': float tensor of four elements, record 0}. */
Bytes good_pickle(bool legacy)
{
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}(");
    pickle_text(&p, "w");
    pickle_tensor(&p, "Float", "0", 4, 0, 1, (int64_t[]){4}, (int64_t[]){1}, legacy);
    bytes_text(&p, "u.");
    return p;
}

/* A zip around a pickle, which is freed, with data/0 of `size` bytes. */
Bytes zip_of(Bytes pickle, const void *data, size_t size)
{
    ZipBuild z = {0};
    zip_build_entry(&z, "a/data.pkl", pickle.data, pickle.size, NULL);
    if (data)
        zip_build_entry(&z, "a/data/0", data, size, NULL);
    zip_build_entry(&z, "a/version", "3\n", 2, NULL);
    zip_build_end(&z, "");
    bytes_free(&pickle);
    bytes_free(&z.central);
    return z.file;
}

Bytes good_zip(void)
{
    return zip_of(good_pickle(false), ramp, 16);
}

/* A zip whose pickle is these opcodes behind PROTO. */
Bytes zip_of_ops(const char *ops, size_t size)
{
    Bytes p = {0};
    begin(&p);
    bytes_add(&p, ops, size);
    return zip_of(p, NULL, 0);
}

void put(Bytes *b, size_t at, uint64_t value, int count)
{
    assert_true(at + (size_t)count <= b->size);
    for (int i = 0; i < count; i++)
        b->data[at + (size_t)i] = (uint8_t)(value >> 8 * i);
}

/* Peak resident KiB of this program; getrusage would count what ran in the process before it. */
static long peak_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

/* What check_memory runs: the MiB that opening and reading a file took. */
static int load(const char *path)
{
    Checkpoint *c;
    CheckpointOptions quiet = {.quiet = true};
    long before = peak_memory();
    if (checkpoint_open(path, &quiet, &c) == STATUS_OK) {
        read_all(c);
        use_checkpoint(c);
        checkpoint_close(c);
    }
    return (int)((peak_memory() - before) >> 10);
}

bool malformed_child(int argc, char **argv, int *code)
{
    if (argc != 3 || strcmp(argv[1], "load") != 0)
        return false;
    *code = load(argv[2]);
    return true;
}

int malformed_report(void **state)
{
    (void)state;
    print_message("%d malformed files, the slowest %.3f s, at most %d MiB\n", files, slowest,
                  most_memory);
    return slowest > 20; /* a hang, not a speed: what counts is the work, and that is memory */
}
