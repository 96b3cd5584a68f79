/* Tar reading: blocks of 512 bytes, a header in front of each member, zeros behind the last. */
#include "checkpoint/bytes/tar.h"

#include "checkpoint/bytes/place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 512,
    /* offsets within a header */
    AT_SIZE = 124,
    AT_SUM = 148,
    AT_TYPE = 156,
    AT_MAGIC = 257,
    AT_PREFIX = 345,
};

typedef struct Archive {
    const Source *source;
    TarMember *members; /* [count] */
    int count;
} Archive;

/* Fails at an offset of `source`, which is in scope. */
#define FAIL_AT(at, ...)                                                                           \
    do {                                                                                           \
        Place place_ = {source->path, "tar", (at), NULL};                                          \
        return place_fail(STATUS_INPUT, &place_, __VA_ARGS__);                                     \
    } while (0)

/* An octal number that fills its field; false when it is anything else (base 256, signs). */
static bool octal(const uint8_t *field, size_t length, uint64_t *value)
{
    /* Old writers pad with blanks in front, all end with blanks or zeros; a field of 12 digits
     * fits 36 bits. */
    size_t i = 0;
    *value = 0;
    while (i < length && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0');
    bool digits = i > first;
    while (i < length && (field[i] == ' ' || field[i] == 0))
        i++;
    return digits && i == length && length <= 12;
}

static bool checksum_fits(const uint8_t *header)
{
    /* The sum is taken with its own field blank. */
    uint64_t wanted, sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= AT_SUM && i < AT_SUM + 8 ? ' ' : header[i];
    return octal(header + AT_SUM, 8, &wanted) && wanted == sum;
}

/* A PAX header may carry times and owners; one that renames or resizes what follows is refused. */
static Status check_pax(const Source *source, uint64_t at, uint64_t size)
{
    char text[4096];
    if (size >= sizeof text)
        FAIL_AT(at, "PAX header of %llu bytes (limit %zu)", (unsigned long long)size,
                sizeof text - 1);
    TRY(source_read(source, at, text, (size_t)size));
    text[size] = 0;
    /* "LENGTH KEY=VALUE\n", LENGTH being that of the whole record; the shortest one is "5 a=\n". */
    for (size_t from = 0; from < size;) {
        char *after;
        unsigned long n =
            text[from] >= '0' && text[from] <= '9' ? strtoul(text + from, &after, 10) : 0;
        if (n < 5 || n > size - from || *after != ' ' || text[from + n - 1] != '\n')
            FAIL_AT(at + from, "PAX record with a wrong length");
        static const char *const harmless[] = {
            "mtime=", "atime=", "ctime=", "uid=", "gid=", "uname=", "gname=", "comment="};
        bool fine = false;
        for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
            fine = fine || strncmp(after + 1, harmless[i], strlen(harmless[i])) == 0;
        if (!fine)
            FAIL_AT(at + from, "PAX record '%.*s' is not supported", (int)strcspn(after + 1, "=\n"),
                    after + 1);
        from += n;
    }
    return STATUS_OK;
}

static Status add_member(const Archive *a, const uint8_t *header, uint64_t at, uint64_t data,
                         uint64_t size)
{
    const Source *source = a->source;
    char name[101] = {0};
    memcpy(name, header, 100);
    if (header[AT_TYPE] != '0' && header[AT_TYPE] != 0)
        FAIL_AT(at, "member '%s' of type 0x%02x (only plain files are read)", name,
                header[AT_TYPE]);
    /* A prefix would make another path of the name; old headers have no such field. */
    if (header[AT_PREFIX] && memcmp(header + AT_MAGIC, "ustar", 5) == 0)
        FAIL_AT(at, "member '%s' with a path prefix", name);
    for (TarMember *m = a->members; m < a->members + a->count; m++) {
        if (strcmp(name, m->name) != 0)
            continue;
        if (m->offset)
            FAIL_AT(at, "two members '%s'", name);
        m->offset = data;
        m->size = size;
        return STATUS_OK;
    }
    FAIL_AT(at, "unexpected member '%s'", name);
}

/* Behind the two empty blocks only zeros may follow, as many as fill tar's records. */
static Status check_end(const Source *source, uint64_t at)
{
    uint64_t left = source->size - at;
    uint8_t rest[64 * BLOCK];
    if (left < BLOCK || left > sizeof rest)
        FAIL_AT(at, "archive ends with %llu bytes of filling", (unsigned long long)left);
    TRY(source_read(source, at, rest, (size_t)left));
    for (uint64_t i = 0; i < left; i++)
        if (rest[i])
            FAIL_AT(at + i, "bytes behind the end of the archive");
    return STATUS_OK;
}

/* One header and the bytes behind it; *at moves to the next one. */
static Status read_member(const Archive *a, const uint8_t *header, uint64_t *at)
{
    const Source *source = a->source;
    uint64_t size, data = *at + BLOCK;
    if (!checksum_fits(header))
        FAIL_AT(*at, "header with a wrong checksum");
    if (!octal(header + AT_SIZE, 12, &size))
        FAIL_AT(*at, "header with a malformed size");
    if (size > source->size - data)
        FAIL_AT(*at, "member of %llu bytes reaches over the end of the file (%llu left)",
                (unsigned long long)size, (unsigned long long)(source->size - data));
    /* x: for the next member, g: for all that follow. Neither may say anything that matters
     * here. */
    bool pax = header[AT_TYPE] == 'x' || header[AT_TYPE] == 'g';
    TRY(pax ? check_pax(source, data, size) : add_member(a, header, *at, data, size));
    uint64_t padded = (size + BLOCK - 1) / BLOCK * BLOCK;
    if (padded > source->size - data)
        FAIL_AT(*at, "archive ends within a block");
    *at = data + padded;
    return STATUS_OK;
}

Status tar_find(const Source *source, TarMember *members, int count)
{
    Archive archive = {source, members, count};
    uint8_t header[BLOCK];
    uint64_t at = 0;
    for (;;) {
        if (source->size - at < BLOCK)
            FAIL_AT(at, "archive ends without its end blocks");
        TRY(source_read(source, at, header, BLOCK));
        /* A member has a name: an empty one is the first of the two empty blocks. */
        if (header[0] == 0)
            break;
        TRY(read_member(&archive, header, &at));
    }
    TRY(check_end(source, at));
    for (int i = 0; i < count; i++)
        if (!members[i].offset)
            FAIL_AT(at, "member '%s' is missing", members[i].name);
    return STATUS_OK;
}
