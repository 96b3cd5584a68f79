/* events.out.tfevents.TIME.HOST.PID.NUMBER, as TensorFlow and PyTorch call them. */
#include "train/event_file.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef PACO_TENSORBOARD /* built without protobuf-c: options_check refuses --tensorboard */
#define event_pack NULL
#endif
static EventPack *const pack = event_pack;

static const char prefix[] = "events.out.tfevents.";
enum { PREFIX = sizeof prefix - 1 };

/* The time that the newest of a folder's event files says; 0: there are none. */
static long long newest(const char *folder)
{
    long long latest = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        bool is = strncmp(e->d_name, prefix, PREFIX) == 0;
        long long at = is ? strtoll(e->d_name + PREFIX, NULL, 10) : 0;
        latest = at > latest ? at : latest;
    }
    if (dir)
        closedir(dir);
    return latest;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

Status event_file_open(const char *folder, EventFile *out)
{
    CHECK(pack);
    Arena arena = {0};
    char host[256] = "host";
    long long before = newest(folder), at = (long long)now();
    gethostname(host, sizeof host - 1);
    const char *name = arena_printf(&arena, "%s%010lld.%s.%ld.0", prefix,
                                    at > before ? at : before + 1, host, (long)getpid());
    *out = (EventFile){.path = file_join(folder, name), .first = before == 0};
    out->file = fopen(out->path, "wb");
    arena_free(&arena);
    if (!out->file)
        return status_fail(STATUS_IO, "%s: cannot write: %s", out->path, strerror(errno));
    event_file_add(out, (EventMessage){.version = "brain.Event:2"});
    return STATUS_OK;
}

static void put_little(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

/* A CRC of bytes that hold CRCs would say little: it is turned and shifted. */
static uint32_t masked_crc(const void *bytes, size_t size)
{
    uint32_t crc = crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

void event_file_add(EventFile *f, EventMessage event)
{
    size_t size;
    uint8_t head[12], tail[4];
    event.wall_time = now();
    uint8_t *bytes = pack(&event, &size);
    put_little(head, size, 8);
    put_little(head + 8, masked_crc(head, 8), 4);
    put_little(tail, masked_crc(bytes, size), 4);
    fwrite(head, 1, sizeof head, f->file);
    fwrite(bytes, 1, size, f->file);
    fwrite(tail, 1, sizeof tail, f->file);
    free(bytes);
}

Status event_file_flush(EventFile *f)
{
    errno = 0;
    if (fflush(f->file) == 0 && !ferror(f->file) && fsync(fileno(f->file)) == 0)
        return STATUS_OK;
    return status_fail(STATUS_IO, "%s: cannot write: %s", f->path,
                       errno ? strerror(errno) : "an earlier write failed");
}

void event_file_close(EventFile *f)
{
    if (f->file)
        fclose(f->file);
    free(f->path);
    *f = (EventFile){0};
}
