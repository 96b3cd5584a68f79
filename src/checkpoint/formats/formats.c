/* Recognition. What is no checkpoint is said to be what people most often hand over instead. */
#include "checkpoint/formats/formats.h"

#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/readers.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A page may begin with spaces or a byte order mark, and write its tags as it likes. */
static bool is_page(const char *bytes, size_t size)
{
    static const char *const tags[] = {"<!doctype html", "<html", "<head", "<body"};
    size_t at = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < size && isspace((unsigned char)bytes[at]))
        at++;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        size_t n = strlen(tags[i]);
        if (size - at >= n && strncasecmp(bytes + at, tags[i], n) == 0)
            return true;
    }
    return false;
}

/* What people hand over instead of a checkpoint, or NULL, by its first bytes. */
static const char *looks_like(const char *bytes, size_t size)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *name;
    } known[] = {
        {"\x1f\x8b", 2, "gzip data: unpack them first"},
        {"7z\xbc\xaf\x27\x1c", 6, "a 7z archive"},
        {"\xfd\x37zXZ", 5, "xz data: unpack them first"},
        {"BZh", 3, "bzip2 data: unpack them first"},
        {"\x28\xb5\x2f\xfd", 4, "zstd data: unpack them first"},
        {"Rar!", 4, "a RAR archive"},
        {"version https://git-lfs", 23, "a Git LFS pointer: fetch the file itself (git lfs pull)"},
        {"<?xml", 5, "an XML document"},
        {"\x89HDF", 4, "an HDF5 file"},
        {"\x93NUMPY", 6, "a NumPy array"},
        {"GGUF", 4, "a GGUF model"},
        {"\x89PNG", 4, "a PNG image"},
        {"\xff\xd8\xff", 3, "a JPEG image"},
        {"\x7f\x45LF", 4, "a program"},
        {"MZ", 2, "a Windows program"},
        {"#!", 2, "a script"},
        {"%PDF", 4, "a PDF document"},
        {"PK\5\6", 4, "an empty zip archive"},
        {"\x80\x02", 2, "a bare pickle"},
        {"\x80\x03", 2, "a bare pickle"},
        {"\x80\x04", 2, "a bare pickle"},
        {"\x80\x05", 2, "a bare pickle"},
        {"{", 1, "JSON text"},
    };
    if (is_page(bytes, size))
        return "an HTML page: the download went wrong";
    /* The first that fits: longer beginnings stand before shorter ones that they share. */
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (size >= known[i].length && memcmp(bytes, known[i].bytes, known[i].length) == 0)
            return known[i].name;
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The length in front must fit, and the header begins as JSON does. */
static bool may_be_safetensors(const Checkpoint *c, const uint8_t *head, size_t n)
{
    return n > 8 && little64(head) <= c->source.size - 8 && strchr("{ \t\r\n", head[8]) && head[8];
}

/* Archives before POSIX have no "ustar": a name that ends within its field, and the type of a
 * plain file, are what they have. */
static bool may_be_tar(const uint8_t *head, size_t n)
{
    return n == 512 && (memcmp(head + 257, "ustar", 5) == 0 ||
                        (head[0] > ' ' && head[99] == 0 && head[156] == '0' && head[155] == ' '));
}

/* A pickle, of protocol 2 to 5, of an integer of ten bytes, from protocol 4 on in a frame. */
static bool may_be_legacy(const uint8_t *head, size_t n)
{
    size_t at = n > 13 && head[1] >= 4 && head[2] == 0x95 ? 11 : 2;
    return n >= 4 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 && head[at] == 0x8a &&
           head[at + 1] == 10;
}

Status format_read(Checkpoint *c)
{
    /* A block of tar: the longest beginning that is looked at. */
    uint8_t head[512];
    size_t n = c->source.size < sizeof head ? (size_t)c->source.size : sizeof head;
    TRY(source_read(&c->source, 0, head, n));
    const char *other = looks_like((const char *)head, n);
    /* By name too: a damaged one should be called damaged, not unknown. The length in front may
     * look like the beginning of something else. */
    if (ends_with(c->path, ".safetensors") && (!other || may_be_safetensors(c, head, n)))
        return safetensors_read(c);
    if (n < 4)
        return status_fail(STATUS_INPUT, "%s: file@0: truncated, %zu bytes", c->path, n);
    /* From the surest sign to the weakest. */
    if (memcmp(head, "PK\3\4", 4) == 0)
        return torch_zip_read(c);
    if (may_be_legacy(head, n))
        return legacy_read(c);
    if (may_be_tar(head, n))
        return torch_tar_read(c);
    if (may_be_safetensors(c, head, n))
        return safetensors_read(c);
    return status_fail(STATUS_INPUT,
                       "%s: file@0: this is %s (expected a PyTorch checkpoint or safetensors)",
                       c->path, other ? other : "no checkpoint of a known format");
}
