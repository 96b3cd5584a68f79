/* JSON in a fixed form, so that its last line can hold a hash of all before it. What does not read
 * as this program writes it is damaged: there is no half of a manifest. */
#include "state/manifest.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The manifest's last line: the SHA-256 of all bytes before it. With it a damaged manifest is not
 * taken for damaged checkpoints. Format 1 had none. */
#define SEAL ",\n \"sha256\": \""
#define SEAL_END "\"\n}\n"

enum {
    MANIFEST_FORMAT = 2,
    SEALED_FORMAT = 2,
    MANIFEST_MOST = 256 << 20,
    SEAL_BYTES = sizeof SEAL - 1 + SHA256_TEXT - 1 + sizeof SEAL_END - 1,
};

/* One entry of the manifest; false when it is not what we write. */
static bool take_entry(const Json *json, Generation *g)
{
    const Json *bytes = json_get(json, "bytes");
    const char *name = json_text(json, "file", ""), *sha = json_text(json, "sha256", "");
    /* Names that are not ours are not taken: what is listed may be removed one day. */
    if (!generation_parse(name, g) || strlen(sha) != SHA256_TEXT - 1 || !bytes ||
        !bytes->integral)
        return false;
    snprintf(g->sum.sha, sizeof g->sum.sha, "%s", sha);
    g->sum.bytes = (uint64_t)bytes->integer;
    return true;
}

static bool take_manifest(const Json *root, Listing *l)
{
    const Json *list = json_get(root, "checkpoints");
    Generation of_best;
    if (json_number(root, "format", 0) < 1 || !list || list->kind != JSON_ARRAY)
        return false;
    for (const Json *entry = list->child; entry; entry = entry->next) {
        Generation g = {0};
        /* Twice in the list: no save writes that. */
        if (!take_entry(entry, &g) || listing_find(l, g.name) >= 0)
            return false;
        listing_add(l, &g, l->count);
    }
    const char *best = json_text(root, "best", ""), *run = json_text(root, "run", "");
    if ((*best && !generation_parse(best, &of_best)) || strlen(run) >= sizeof l->run)
        return false;
    snprintf(l->best, sizeof l->best, "%s", best);
    snprintf(l->run, sizeof l->run, "%s", run);
    return true;
}

static void make_seal(const char *text, size_t size, char seal[SEAL_BYTES + 1])
{
    char hash[SHA256_TEXT];
    uint8_t digest[SHA256_BYTES];
    Sha256 sha;
    sha256_begin(&sha);
    sha256_add(&sha, text, size);
    sha256_end(&sha, digest);
    sha256_text(digest, hash);
    snprintf(seal, SEAL_BYTES + 1, SEAL "%s" SEAL_END, hash);
}

static bool has_seal(const char *text, size_t size)
{
    return size > SEAL_BYTES && memcmp(text + size - SEAL_BYTES, SEAL, sizeof SEAL - 1) == 0;
}

static bool seal_is_right(const char *text, size_t size)
{
    char seal[SEAL_BYTES + 1];
    make_seal(text, size - SEAL_BYTES, seal);
    return memcmp(text + size - SEAL_BYTES, seal, SEAL_BYTES) == 0;
}

static Status judge_manifest(const char *path, const char *text, size_t size, Listing *l,
                             bool *damaged)
{
    Arena arena = {0};
    Json *root;
    bool readable = json_parse(&arena, path, text, size, &root) == STATUS_OK;
    double format = readable ? json_number(root, "format", 0) : 0;
    /* A newer program's manifest may be sealed in another way; a damaged one may look as if it
     * were newer. */
    bool sealed = has_seal(text, size),
         whole = sealed ? seal_is_right(text, size) : format < SEALED_FORMAT;
    Status status = STATUS_OK;
    if (format > MANIFEST_FORMAT && (whole || !sealed))
        status =
            status_fail(STATUS_INPUT, "%s: format: written by a newer program (%g vs at most %d)",
                        path, format, MANIFEST_FORMAT);
    else
        *damaged = !readable || !whole || !take_manifest(root, l);
    arena_free(&arena);
    return status;
}

Status manifest_read(const char *folder, Listing *l, bool *damaged)
{
    char *path = file_join(folder, MANIFEST_NAME);
    uint8_t *text = NULL;
    size_t size;
    *l = (Listing){0};
    *damaged = false;
    Status status = file_read(path, MANIFEST_MOST, &text, &size);
    if (status == STATUS_OK)
        status = judge_manifest(path, (const char *)text, size, l, damaged);
    /* Not there is a fresh folder, or one whose manifest was lost. */
    else if (status == STATUS_IO && store_file_absent(path))
        status = STATUS_OK;
    if (*damaged) {
        log_warn("%s: the manifest is damaged: checkpoints are judged by their own CRCs", path);
        l->count = 0;
        l->best[0] = l->run[0] = 0;
    }
    free(text);
    free(path);
    return status;
}

/* All of the manifest, malloc'd. */
static char *make_manifest(const Listing *l, size_t *size)
{
    char *text = NULL, seal[SEAL_BYTES + 1];
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    CHECK(out);
    JsonWriter w = {.file = out, .indent = 1};
    json_begin_object(&w, NULL, JSON_LINES);
    json_put_integer(&w, "format", MANIFEST_FORMAT);
    json_begin_array(&w, "checkpoints", JSON_LINES);
    for (int i = 0; i < l->count; i++) {
        const Generation *g = &l->items[i];
        json_begin_object(&w, NULL, JSON_LINE);
        json_put_text(&w, "file", g->name);
        json_put_integer(&w, "step", g->step);
        json_put_integer(&w, "bytes", (int64_t)g->sum.bytes);
        json_put_text(&w, "sha256", g->sum.sha);
        json_end(&w);
    }
    json_end(&w);
    json_put_text(&w, "last", l->count ? listing_newest(l)->name : "");
    if (l->best[0])
        json_put_text(&w, "best", l->best);
    if (l->run[0])
        json_put_text(&w, "run", l->run);
    fclose(out); /* the object stays open: the seal is its last member */
    make_seal(text, length, seal);
    *size = length + SEAL_BYTES;
    text = mem_grow(text, *size + 1);
    memcpy(text + length, seal, SEAL_BYTES + 1);
    return text;
}

Status manifest_write(Sink *sink, void *listing)
{
    size_t size;
    char *text = make_manifest(listing, &size);
    Status status = sink_write(sink, text, size);
    free(text);
    return status;
}

bool manifest_says(const char *folder, const Listing *l)
{
    char *path = file_join(folder, MANIFEST_NAME);
    uint8_t *have = NULL;
    size_t size = 0, length;
    char *text = make_manifest(l, &length);
    bool same = file_read(path, MANIFEST_MOST, &have, &size) == STATUS_OK && size == length &&
                memcmp(have, text, size) == 0;
    free(have);
    free(text);
    free(path);
    return same;
}
