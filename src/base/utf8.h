/* UTF-8 (RFC 3629). */
#ifndef PACO_BASE_UTF8_H
#define PACO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed sequence that begins at s, of which `left` >= 1 bytes may be read; 0
 * when it is malformed. */
size_t utf8_sequence(const char *s, size_t left);
/* Whether a byte goes on with a character: as many others as a text has, so many characters. */
static inline bool utf8_continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}
/* Whether `length` bytes are well-formed UTF-8, without surrogates. */
static inline bool utf8_valid(const char *text, size_t length)
{
    for (size_t at = 0, n; at < length; at += n)
        if ((n = utf8_sequence(text + at, length - at)) == 0)
            return false;
    return true;
}
/* Copies as much of a text as fits `room` >= 1 bytes, its end included. Controls, also those of two
 * bytes, and bytes that are no well-formed UTF-8 arrive as \xNN: text of files may be shown to a
 * terminal so. Returns `to`. */
char *utf8_clean(char *to, size_t room, const char *from);

#endif
