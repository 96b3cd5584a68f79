/* The words of DeviceOptions.kernels, which stand between commas and are not zero-terminated. */
#ifndef PACO_DEVICE_WORDS_H
#define PACO_DEVICE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool word_is(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

/* NAME of a word "OP=NAME" about this operation, and its length; NULL: another, or none. */
static inline const char *word_value(const char *word, size_t length, const char *op, size_t *rest)
{
    size_t before = strlen(op) + 1;
    if (length <= before || !word_is(word, before - 1, op) || word[before - 1] != '=')
        return NULL;
    *rest = length - before;
    return word + before;
}

#endif
