/* Writing JSON (RFC 8259): what benchmarks, reports, manifests and safetensors headers are made of.
 *
 * Whatever text arrives, the document is well-formed: quotes, backslashes and controls are escaped,
 * each byte that is no well-formed UTF-8 arrives as U+FFFD, a number that is NaN or infinite as
 * null, and the decimal point is one whatever the locale. Whether the text reached the file is the
 * caller's to ask (ferror). Wrong nesting is a CHECK. */
#ifndef PACO_BASE_JSON_WRITER_H
#define PACO_BASE_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How the members of an object or array are set. */
typedef enum JsonLayout {
    JSON_LINE,  /* all on one line: {"a": 1, "b": 2} */
    JSON_LINES, /* each on a line of its own, indented */
    JSON_TIGHT, /* all on one line without a space: {"a":1,"b":2} */
} JsonLayout;

enum { JSON_WRITER_DEPTH = 8 };

/* Begins as {.file = F}; holds nothing that is to be freed. */
typedef struct JsonWriter {
    FILE *file;
    int indent; /* spaces a level, for JSON_LINES */
    int depth;  /* objects and arrays that are open */
    struct {
        JsonLayout layout;
        bool object;
        int64_t members; /* written so far */
    } open[JSON_WRITER_DEPTH];
} JsonWriter;

/* Opens an object or array. Here and below, `key` is the name within an object, and NULL in an
 * array and outermost. */
void json_begin_object(JsonWriter *writer, const char *key, JsonLayout layout);
void json_begin_array(JsonWriter *writer, const char *key, JsonLayout layout);
/* Closes what was opened last. Behind the outermost nothing is written, no end of line either. */
void json_end(JsonWriter *writer);

/* A string; null where the text is NULL. */
void json_put_text(JsonWriter *writer, const char *key, const char *text);
void json_put_integer(JsonWriter *writer, const char *key, int64_t value);
/* A number with as many significant digits (as %g; 17 give every bit back). */
void json_put_number(JsonWriter *writer, const char *key, double value, int digits);
/* A number with as many decimals (as %f). */
void json_put_fixed(JsonWriter *writer, const char *key, double value, int decimals);
void json_put_null(JsonWriter *writer, const char *key);

#endif
