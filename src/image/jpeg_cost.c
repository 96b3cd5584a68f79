/* A file of several scans (progressive, or one for each component) is kept as coefficients, 128
 * bytes a block, and each scan passes over its components' blocks. A scan of nothing takes few
 * bytes of the file: what it costs is bounded here by what an honest file of that size would cost.
 */
#include "image/jpeg_cost.h"

#include <stdbool.h>
#include <string.h>

enum {
    BLOCK_BYTES = 128,
    MEMORY_PER_MB = 300 << 20, /* of coefficients, for each begun MB of the file */
    VISITS_PER_MB = 40000000,  /* of blocks by scans, likewise: about a second */
    CHEAP_PIXELS = 1 << 24,    /* so many cost little, whatever the file holds */
    BLOCKS_PER_BYTE = 4,       /* a block takes two bits at least, */
    SCANNED_PER_BYTE = 8,      /* in scans of its own one, for its mean value */
};

typedef struct Scans {
    uint64_t visits;   /* blocks times scans */
    uint32_t with_dc;  /* bit i: component i has its DC */
    int count;
} Scans;

static uint64_t blocks_of(const jpeg_component_info *c)
{
    return (uint64_t)c->width_in_blocks * c->height_in_blocks;
}

/* A scan's header: its components, and which coefficients it brings. */
static void take_scan(const struct jpeg_decompress_struct *info, const uint8_t *at, size_t left,
                      Scans *scans)
{
    size_t n = left > 2 ? at[2] : 0;
    if (left < 6 + 2 * n)
        return;
    bool dc = at[3 + 2 * n] == 0 && at[5 + 2 * n] >> 4 == 0;
    scans->count++;
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < info->num_components; i++)
            if (info->comp_info[i].component_id == at[3 + 2 * k]) {
                scans->visits += blocks_of(&info->comp_info[i]);
                scans->with_dc |= dc ? 1u << i : 0;
            }
}

/* Every scan of the file, by its markers. What stands between them is jumped over by its length, or
 * is data, in which 0xff stands before 0 or a restart. */
static Scans find_scans(const struct jpeg_decompress_struct *info, const uint8_t *b, size_t size)
{
    Scans scans = {0};
    for (size_t at = 2; at + 4 <= size;) {
        const uint8_t *mark = memchr(b + at, 0xff, size - at - 3);
        if (!mark)
            break;
        at = (size_t)(mark - b) + 1;
        uint8_t kind = b[at];
        if (kind == 0 || kind == 0xff || (kind >= 0xd0 && kind <= 0xd8) || kind == 1)
            continue;
        if (kind == 0xd9)
            break;
        size_t length = (size_t)b[at + 1] << 8 | b[at + 2];
        if (kind == 0xda)
            take_scan(info, b + at + 1, size - at - 1, &scans);
        at += 1 + (length < 2 || length > size - at - 1 ? 2 : length);
    }
    return scans;
}

Status jpeg_cost(const struct jpeg_decompress_struct *info, const DecodeJob *job, size_t *beside)
{
    uint64_t blocks = 0, megabytes = (job->size >> 20) + 1;
    *beside = 0;
    for (int i = 0; i < info->num_components; i++)
        blocks += blocks_of(&info->comp_info[i]);
    Scans scans = find_scans(info, job->bytes, job->size);
    bool once = !info->progressive_mode &&
                !jpeg_has_multiple_scans((j_decompress_ptr)(uintptr_t)info);
    uint64_t most = (once ? BLOCKS_PER_BYTE : SCANNED_PER_BYTE) * (uint64_t)job->size;
    if (blocks > most && (uint64_t)info->image_width * info->image_height > CHEAP_PIXELS)
        return status_fail(STATUS_LIMIT, "%s: JPEG: %u x %u pixels from %zu bytes", job->name,
                           info->image_width, info->image_height, job->size);
    if (once)
        return STATUS_OK;
    if (info->progressive_mode && scans.with_dc != (1u << info->num_components) - 1)
        return status_fail(STATUS_INPUT, "%s: JPEG: a component without its DC scan", job->name);
    *beside = (size_t)(blocks * BLOCK_BYTES);
    if (*beside > MEMORY_PER_MB * megabytes)
        return status_fail(STATUS_LIMIT, "%s: JPEG: %u x %u pixels in %d scans, of %zu bytes",
                           job->name, info->image_width, info->image_height, scans.count,
                           job->size);
    if (scans.visits > VISITS_PER_MB * megabytes)
        return status_fail(STATUS_LIMIT,
                           "%s: JPEG: %d scans of %u x %u pixels are too many for %zu bytes",
                           job->name, scans.count, info->image_width, info->image_height,
                           job->size);
    return STATUS_OK;
}
