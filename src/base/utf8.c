/* Well-formed UTF-8: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first byte tells the length. c0, c1 and f5 to ff begin nothing: overlong, or too large. */
size_t utf8_sequence(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80                     ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    if (n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if (!utf8_continues(text[i]))
            return 0;
    /* Overlong three bytes and surrogates; overlong four bytes and what is beyond U+10FFFF. */
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)))
        return 0;
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
        return 0;
    return n;
}

/* What turns the direction of the text around it, so that it reads as another: U+061C, 200E, 200F,
 * 202A to 202E and 2066 to 2069. */
static bool turns(const unsigned char *u)
{
    if (u[0] == 0xd8)
        return u[1] == 0x9c;
    if (u[0] != 0xe2 || (u[1] != 0x80 && u[1] != 0x81))
        return false;
    return u[1] == 0x81 ? u[2] >= 0xa6 && u[2] <= 0xa9
                        : u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xaa && u[2] <= 0xae);
}

/* Bytes of a character that a terminal may be shown; 0: a control, or no character. */
static size_t printable(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    bool control = u[0] < 0x20 || u[0] == 0x7f || (u[0] == 0xc2 && u[1] < 0xa0) || turns(u);
    return control ? 0 : utf8_sequence(s, strnlen(s, 4));
}

char *utf8_clean(char *to, size_t room, const char *from)
{
    size_t at = 0;
    while (*from && at + 5 <= room) { /* the longest that one step writes: \xNN and the end */
        size_t n = printable(from);
        if (n > 0) {
            memcpy(to + at, from, n);
            at += n;
            from += n;
        } else {
            at += (size_t)snprintf(to + at, room - at, "\\x%02x", (unsigned char)*from++);
        }
    }
    to[at] = 0;
    return to;
}
