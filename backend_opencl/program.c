/* Programs: kernel texts into built programs, kept in memory and as binaries in a folder on disk.
 *
 * A binary's file name is a hash of device, driver, all source texts and options. The file holds
 * that key in full and a checksum before the binary; one that does not match, or that the driver
 * refuses, is built anew and replaced. Files appear by rename: two processes may share the folder.
 */
#include "program.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/sha256.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CACHE_FILE_MAX = 256 << 20, SOURCES = 7 };

static const char cache_magic[8] = "pacocl2";

/* A program that was built for this device: one file with one set of options. */
struct Program {
    struct Program *next;
    char *file, *options;
    cl_program program;
};

/* First bytes of a cache file; then the key's text, then the binary. */
typedef struct CacheHeader {
    char magic[8];
    uint64_t key_bytes, binary_bytes;
    uint8_t sha256[SHA256_BYTES]; /* of key and binary */
} CacheHeader;


char *program_cache_folder(const char *chosen)
{
    char *folder = file_cache_folder(chosen);
    if (folder && file_make_cache(folder) != STATUS_OK) {
        log_warn("built kernels are not kept: %s", status_text());
        free(folder);
        folder = NULL;
    }
    return folder;
}

static const char *text_find(const char *name)
{
    for (const EmbeddedText *t = kernel_texts; t->name; t++)
        if (!strcmp(t->name, name))
            return t->text;
    return NULL;
}

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ b[i]) * 0x100000001b3u;
    return hash;
}

/* Everything a binary depends on, as text; malloc'd. */
static char *cache_key(const Device *device, const char *file, const char *options,
                       const char *const sources[SOURCES])
{
    uint64_t texts = 0xcbf29ce484222325u;
    for (int i = 0; i < SOURCES; i++)
        texts = hash_bytes(texts, sources[i], strlen(sources[i]) + 1);
    const DeviceInfo *d = &device->info;
    Arena arena = {0};
    char *key = mem_string(arena_printf(&arena, "%s|%s|%s|%s|%s|%u|%s|%s|%016llx", d->platform,
                                        d->name, d->vendor, d->driver, d->version, d->units, file,
                                        options, (unsigned long long)texts));
    arena_free(&arena);
    return key;
}

static char *cache_path(const Device *device, const char *file, const char *key)
{
    Arena arena = {0};
    /* With the format, so that two versions of the program do not replace each other's files. */
    char *name = arena_printf(&arena, "%s-%016llx.%s.clbin", file,
                              (unsigned long long)rng_hash(key), cache_magic);
    char *path = file_join(device->cache, name);
    arena_free(&arena);
    return path;
}

static void make_digest(CacheHeader *h, const void *key, const void *binary)
{
    Sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, key, h->key_bytes);
    sha256_add(&sha, binary, h->binary_bytes);
    sha256_end(&sha, h->sha256);
}

static bool has_digest(const CacheHeader *h, const uint8_t *bytes, size_t size)
{
    CacheHeader again = *h;
    make_digest(&again, bytes, bytes + h->key_bytes);
    return size == h->key_bytes + h->binary_bytes &&
           memcmp(again.sha256, h->sha256, sizeof h->sha256) == 0;
}

/* The binary part of a cache file, or NULL when the file does not hold this key intact. */
static const uint8_t *cache_check(const uint8_t *bytes, size_t size, const char *key,
                                  size_t *binary_size)
{
    CacheHeader h;
    if (size < sizeof h)
        return NULL;
    memcpy(&h, bytes, sizeof h);
    size_t rest = size - sizeof h;
    if (memcmp(h.magic, cache_magic, 8) || h.key_bytes != strlen(key) || h.key_bytes > rest ||
        h.binary_bytes != rest - h.key_bytes || memcmp(bytes + sizeof h, key, h.key_bytes) ||
        !has_digest(&h, bytes + sizeof h, rest))
        return NULL;
    *binary_size = h.binary_bytes;
    return bytes + sizeof h + h.key_bytes;
}

/* The program from the cache, or NULL. */
static cl_program cache_load(const Device *device, const char *path, const char *key,
                             const char *options)
{
    uint8_t *bytes;
    size_t size, binary_size;
    if (!file_exists(path) || file_read_own(path, CACHE_FILE_MAX, &bytes, &size) != STATUS_OK)
        return NULL;
    const uint8_t *binary = cache_check(bytes, size, key, &binary_size);
    cl_program program = NULL;
    if (binary) {
        cl_int code, loaded;
        program = clCreateProgramWithBinary(device->context, 1, &device->id, &binary_size, &binary,
                                            &loaded, &code);
        if (code == CL_SUCCESS && loaded == CL_SUCCESS)
            code = clBuildProgram(program, 1, &device->id, options, NULL, NULL);
        if (program && (code != CL_SUCCESS || loaded != CL_SUCCESS)) {
            clReleaseProgram(program);
            program = NULL;
        }
    }
    log_debug(3, "cached program %s: %s", file_name(path), program ? "used" : "not usable");
    free(bytes);
    return program;
}

/* Writes header, key and binary under another name and renames it. A full disk is no failure of the
 * run. */
static void cache_write(const char *path, const char *key, const uint8_t *binary, size_t size)
{
    Arena arena = {0};
    char *temporary = arena_printf(&arena, "%s.%ld", path, (long)getpid());
    CacheHeader h = {.key_bytes = strlen(key), .binary_bytes = size};
    memcpy(h.magic, cache_magic, 8);
    make_digest(&h, key, binary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    bool good = file && fwrite(&h, sizeof h, 1, file) == 1 &&
                fwrite(key, 1, h.key_bytes, file) == h.key_bytes &&
                fwrite(binary, 1, size, file) == size;
    if (file)
        good = fclose(file) == 0 && good;
    if (!good || rename(temporary, path) != 0) {
        log_debug(1, "built kernel not kept: %s cannot be written", path);
        remove(temporary);
    }
    arena_free(&arena);
}

static void cache_store(cl_program program, const char *path, const char *key)
{
    size_t size = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        !size)
        return;
    uint8_t *binary = mem_alloc(size);
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        cache_write(path, key, binary, size);
    free(binary);
}

/* Shows the compiler's log and fails with its first line of error. */
static Status build_fail(const Device *device, cl_program program, const char *file,
                         const char *options, cl_int code)
{
    size_t size = 0;
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    char *log = mem_zero(size + 1, 1);
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    log_warn("build log of %s.cl on %s:", file, device->info.name);
    for (const char *line = log; *line; line += strspn(line, "\r\n")) {
        int n = (int)strcspn(line, "\r\n");
        log_info("  %.*s", n, line);
        line += n;
    }
    const char *error = strstr(log, "error");
    Status status = status_fail(
        STATUS_DEVICE, "opencl: %s.cl: kernels do not build (code %d): %.300s%s", file, code,
        error ? error : log,
        strstr(options, "SUBGROUPS") ? ". Without sub-groups: --kernels teams=local" : "");
    free(log);
    return status;
}

static Status program_build(const Device *device, const char *file, const char *options,
                            const char *const sources[SOURCES], bool trial, cl_program *program)
{
    cl_int code;
    double start = clock_seconds();
    *program =
        clCreateProgramWithSource(device->context, SOURCES, (const char **)sources, NULL, &code);
    CL_TRY(code, "clCreateProgramWithSource");
    code = clBuildProgram(*program, 1, &device->id, options, NULL, NULL);
    if (code != CL_SUCCESS) {
        Status status = trial ? STATUS_DEVICE : build_fail(device, *program, file, options, code);
        clReleaseProgram(*program);
        return status;
    }
    log_debug(2, "built %s.cl [%s] in %.2f s", file, options, clock_seconds() - start);
    return STATUS_OK;
}

/* Loads from disk or builds and stores. A trial may fail without a word. */
static Status program_make(const Device *device, const char *file, const char *options, bool trial,
                           cl_program *program)
{
    char name[64], line[96], own[96], common[96];
    int family = (int)strcspn(file, "_"); /* conv_cpu: conv_args.h, conv_common.h */
    snprintf(name, sizeof name, "%s.cl", file);
    snprintf(line, sizeof line, "#line 1 \"%s\"\n", name);
    snprintf(own, sizeof own, "%.*s_args.h", family, file);
    snprintf(common, sizeof common, "%.*s_common.h", family, file);
    const char *body = text_find(name), *dialect = text_find("dialect.h"),
               *team = text_find("team.h");
    const char *args = text_find("kernel_args.h"), *own_args = text_find(own),
               *own_common = text_find(common);
    if (!body || !dialect || !team || !args)
        return status_fail(STATUS_DEVICE, "opencl: %s: no such kernel file in this module", name);
    const char *sources[SOURCES] = {
        dialect, team, args, own_args ? own_args : "", own_common ? own_common : "", line, body};
    char *key = cache_key(device, file, options, sources);
    char *path = device->cache ? cache_path(device, file, key) : NULL;
    Status status = STATUS_OK;
    *program = path ? cache_load(device, path, key, options) : NULL;
    if (!*program) {
        status = program_build(device, file, options, sources, trial, program);
        if (status == STATUS_OK && path)
            cache_store(*program, path, key);
    }
    free(path);
    free(key);
    return status;
}

const char *program_stored(DType type)
{
    return type == DTYPE_F16 ? " -DSTORED_F16" : type == DTYPE_BF16 ? " -DSTORED_BF16" : "";
}

static Status program_find(Device *device, const char *file, const char *options, bool trial,
                           cl_program *program)
{
    for (Program *p = device->programs; p; p = p->next)
        if (!strcmp(p->file, file) && !strcmp(p->options, options)) {
            *program = p->program;
            return STATUS_OK;
        }
    TRY(program_make(device, file, options, trial, program));
    Program *p = mem_zero(1, sizeof *p);
    *p = (Program){device->programs, mem_string(file), mem_string(options), *program};
    device->programs = p;
    return STATUS_OK;
}

Status program_get(Device *device, const char *file, const char *options, cl_program *program)
{
    return program_find(device, file, options, false, program);
}

bool program_builds(Device *device, const char *file, const char *options)
{
    cl_program program;
    return program_find(device, file, options, true, &program) == STATUS_OK;
}

void program_release_all(Device *device)
{
    while (device->programs) {
        Program *p = device->programs;
        device->programs = p->next;
        clReleaseProgram(p->program);
        free(p->file);
        free(p->options);
        free(p);
    }
}
