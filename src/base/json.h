/* JSON (RFC 8259): a strict reader into an arena, for golden files, safetensors headers and the
 * program's own records. Duplicate keys are an error; nesting is limited to 64. What writes JSON:
 * json_writer.h. */
#ifndef PACO_BASE_JSON_H
#define PACO_BASE_JSON_H

#include "base/arena.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum JsonKind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
} JsonKind;

typedef struct Json Json;
struct Json {
    JsonKind kind;
    bool integral;    /* the number was written without fraction or exponent and fits `integer` */
    int64_t integer;  /* JSON_NUMBER that is integral; JSON_BOOL: 0 or 1 */
    double number;    /* JSON_NUMBER */
    const char *text; /* JSON_STRING, UTF-8, zero-terminated; an embedded \u0000 is refused */
    const char *key;  /* name within the parent object, else NULL */
    Json *child;      /* first element of an array or member of an object */
    Json *next;       /* next sibling */
    int count;        /* elements or members */
};

/* Parses all `size` bytes. `name` is the file's name for messages. STATUS_INPUT when malformed. */
Status json_parse(Arena *arena, const char *name, const char *bytes, size_t size, Json **root);
/* Reads and parses a file of at most 256 MiB. */
Status json_read(Arena *arena, const char *path, Json **root);
/* One element of an array: `member` is the array's name in the outermost object, NULL where the
 * array is the outermost value. It is gone when the call returns. */
typedef Status JsonTake(void *context, const char *member, const Json *element);
/* Most memory for one element of json_read_elements. */
enum { JSON_ELEMENT_MAX = 1 << 20 };
/* Reads a file of at most 512 MiB that is an array, or an object with arrays, without keeping it:
 * hands over their elements in the order of the file, and ends at the first call that fails. All of
 * the file is parsed as strictly; an element beyond JSON_ELEMENT_MAX is STATUS_INPUT, too. */
Status json_read_elements(const char *path, JsonTake *take, void *context);
/* A member of an object, or NULL (also for a NULL or other kind of value). */
const Json *json_get(const Json *object, const char *key);
/* A number member, or `otherwise` when it is absent, null or no number. */
double json_number(const Json *object, const char *key, double otherwise);
/* A string member, or `otherwise`. */
const char *json_text(const Json *object, const char *key, const char *otherwise);

#endif
