/* Byte orders. A text of UTF-16 without a mark is known by its zeros: the characters of a path are
 * mostly ASCII. */
#include "data/list_text.h"

#include "base/arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef enum Encoding { UTF8, UTF16_LITTLE, UTF16_BIG } Encoding;

/* Most of the first characters have a zero on the same side. */
static Encoding encoding_of_zeros(const uint8_t *b, size_t size)
{
    enum { LOOKED_AT = 64 };
    size_t n = size / 2 < LOOKED_AT ? size / 2 : LOOKED_AT, even = 0, odd = 0;
    for (size_t i = 0; i < n; i++) {
        even += b[2 * i] == 0;
        odd += b[2 * i + 1] == 0;
    }
    if (n < 2 || size % 2 || 2 * (even > odd ? even : odd) <= n || (even && odd))
        return UTF8;
    return odd ? UTF16_LITTLE : UTF16_BIG;
}

static Encoding encoding_of(const uint8_t *b, size_t size, size_t *mark)
{
    *mark = 2;
    if (size >= 2 && b[0] == 0xff && b[1] == 0xfe)
        return UTF16_LITTLE;
    if (size >= 2 && b[0] == 0xfe && b[1] == 0xff)
        return UTF16_BIG;
    *mark = size >= 3 && memcmp(b, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    return *mark ? UTF8 : encoding_of_zeros(b, size);
}

static uint32_t unit(const uint8_t *b, Encoding encoding)
{
    return encoding == UTF16_LITTLE ? b[0] | (uint32_t)b[1] << 8 : b[1] | (uint32_t)b[0] << 8;
}

static size_t put(uint8_t *to, uint32_t c)
{
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t first[] = {0, 0xc0, 0xe0, 0xf0};
    to[0] = (uint8_t)(first[more] | c >> 6 * more);
    for (int i = 1; i <= more; i++)
        to[i] = (uint8_t)(0x80 | (c >> 6 * (more - i) & 0x3f));
    return (size_t)more + 1;
}

/* One character, of one unit or a pair of surrogates; 0 units where it is none. */
static size_t take(const uint8_t *b, size_t units, Encoding encoding, uint32_t *c)
{
    *c = unit(b, encoding);
    if (*c < 0xd800 || *c > 0xdfff)
        return 1;
    uint32_t low = units > 1 && *c < 0xdc00 ? unit(b + 2, encoding) : 0;
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
    return 2;
}

static Status from_utf16(const char *path, const uint8_t *b, size_t size, Encoding encoding,
                         uint8_t *to, size_t *length)
{
    size_t units = size / 2, at = 0, n;
    *length = 0;
    for (uint32_t c; at < units; at += n, *length += put(to + *length, c))
        if ((n = take(b + 2 * at, units - at, encoding, &c)) == 0)
            break;
    if (at < units || size % 2)
        return status_fail(STATUS_INPUT, "%s: malformed UTF-16 (character %zu). Save it as UTF-8",
                           path, at + 1);
    return STATUS_OK;
}

/* Where there is no LF at all, CR ends a line. */
static void end_lines(uint8_t *text, size_t size)
{
    if (size == 0 || memchr(text, '\n', size))
        return;
    for (uint8_t *at = text; (at = memchr(at, '\r', size - (size_t)(at - text)));)
        *at++ = '\n';
}

static Status to_utf8(const char *path, uint8_t **bytes, size_t *size)
{
    size_t mark, length = 0;
    Encoding encoding = encoding_of(*bytes, *size, &mark);
    if (encoding == UTF8) {
        *size -= mark;
        memmove(*bytes, *bytes + mark, *size + 1);
        return STATUS_OK;
    }
    /* Three bytes for a unit at most. */
    uint8_t *text = mem_alloc(*size / 2 * 3 + 1);
    Status status =
        from_utf16(path, *bytes + mark, *size - mark, encoding, text, &length);
    free(*bytes);
    text[length] = 0;
    *bytes = text;
    *size = length;
    return status;
}

Status list_text(const char *path, uint8_t **bytes, size_t *size)
{
    TRY(to_utf8(path, bytes, size));
    end_lines(*bytes, *size);
    return STATUS_OK;
}
