/* Element types: tables from ELEMENT_LIST, half and bfloat16 expanded by hand. */
#include "checkpoint/objects/element.h"

#include "base/check.h"

#include <string.h>

typedef struct Row {
    const char *name, *storage, *safetensors;
    size_t bytes;
    char kind;
} Row;

static const Row rows[ELEMENT_TYPES] = {
#define X(id, torch, stem, file, size, class) {torch, stem, file, size, class},
    ELEMENT_LIST(X)
#undef X
};

size_t element_bytes(ElementType type) { return rows[type].bytes; }
const char *element_name(ElementType type) { return rows[type].name; }
const char *element_safetensors(ElementType type) { return rows[type].safetensors; }
const char *element_storage(ElementType type) { return rows[type].storage; }

bool element_from_storage(const char *stem, size_t length, ElementType *type)
{
    for (int i = 0; i < ELEMENT_TYPES; i++)
        if (length && strlen(rows[i].storage) == length && !memcmp(rows[i].storage, stem, length)) {
            *type = (ElementType)i;
            return true;
        }
    return false;
}

bool element_from_safetensors(const char *name, ElementType *type)
{
    for (int i = 0; i < ELEMENT_TYPES; i++)
        if (strcmp(rows[i].safetensors, name) == 0) {
            *type = (ElementType)i;
            return true;
        }
    return false;
}

bool element_from_name(const char *name, ElementType *type)
{
    for (int i = 0; i < ELEMENT_TYPES; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *type = (ElementType)i;
            return true;
        }
    return false;
}

/* Floats never become integers, and what only passes through (class N) becomes nothing else. */
bool element_converts(ElementType from, ElementType into)
{
    char kind = rows[from].kind;
    if (from == into)
        return true;
    if (kind == 'N')
        return false;
    return into == ELEMENT_FLOAT32 || into == ELEMENT_FLOAT64 ||
           (into == ELEMENT_INT64 && kind != 'F');
}

/* IEEE half, subnormals and infinities included, is exact in float. */
static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023,
             bits;
    /* Below 2^-14: so many times 2^-24, zero included. */
    if (exponent == 0) {
        float tiny = (float)mantissa * 0x1p-24f;
        return sign ? -tiny : tiny;
    }
    /* 127 - 15 = 112 more on the exponent; infinity and NaN have all ones in both. */
    bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | mantissa << 13;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float from_bfloat(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Loops over unaligned input: memcpy per element, which compilers turn into plain loads. */
#define LOOP(In, Out, expression)                                      \
    for (size_t i = 0; i < count; i++) {                               \
        In v;                                                          \
        memcpy(&v, (const char *)values + i * sizeof v, sizeof v);     \
        Out o = (Out)(expression);                                     \
        memcpy((char *)out + i * sizeof o, &o, sizeof o);              \
    }                                                                  \
    break

#define CONVERT_TO(Out)                                \
    switch (from) {                                    \
    case ELEMENT_FLOAT64: LOOP(double, Out, v);        \
    case ELEMENT_FLOAT32: LOOP(float, Out, v);         \
    case ELEMENT_FLOAT16: LOOP(uint16_t, Out, from_half(v)); \
    case ELEMENT_BFLOAT16: LOOP(uint16_t, Out, from_bfloat(v)); \
    case ELEMENT_INT64: LOOP(int64_t, Out, v);         \
    case ELEMENT_INT32: LOOP(int32_t, Out, v);         \
    case ELEMENT_INT16: LOOP(int16_t, Out, v);         \
    case ELEMENT_INT8: LOOP(int8_t, Out, v);           \
    case ELEMENT_UINT8: LOOP(uint8_t, Out, v);         \
    case ELEMENT_BOOL: LOOP(uint8_t, Out, v != 0);     \
    default: CHECK(false);                             \
    }

/* Integers and bool only: element_converts keeps floats out. */
static void convert_int64(ElementType from, const void *values, void *out, size_t count)
{
    switch (from) {
    case ELEMENT_INT32: LOOP(int32_t, int64_t, v);
    case ELEMENT_INT16: LOOP(int16_t, int64_t, v);
    case ELEMENT_INT8: LOOP(int8_t, int64_t, v);
    case ELEMENT_UINT8: LOOP(uint8_t, int64_t, v);
    case ELEMENT_BOOL: LOOP(uint8_t, int64_t, v != 0);
    default: CHECK(false);
    }
}

void element_convert(ElementType from, const void *values, ElementType into, void *out,
                     size_t count)
{
    CHECK(element_converts(from, into));
    /* A file may hold other bytes than 0 and 1 for a bool; nothing behind this does. */
    if (from == into && from == ELEMENT_BOOL)
        for (size_t i = 0; i < count; i++)
            ((uint8_t *)out)[i] = ((const uint8_t *)values)[i] != 0;
    else if (from == into && count)
        memcpy(out, values, count * rows[from].bytes);
    else if (into == ELEMENT_FLOAT32)
        CONVERT_TO(float)
    else if (into == ELEMENT_FLOAT64)
        CONVERT_TO(double)
    else if (into == ELEMENT_INT64)
        convert_int64(from, values, out, count);
}

void element_swap(ElementType type, void *values, size_t count)
{
    size_t n = rows[type].bytes;
    uint8_t *v = values;
    for (size_t i = 0; i < count; i++, v += n)
        for (size_t a = 0, b = n - 1; a < b; a++, b--) {
            uint8_t t = v[a];
            v[a] = v[b];
            v[b] = t;
        }
}
