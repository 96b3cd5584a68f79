/* Every value goes through `member`, which writes what stands before it: comma, line, name. */
#include "base/json_writer.h"

#include "base/check.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

/* The text as a JSON string with its quotes. */
static void put_string(FILE *file, const char *text)
{
    fputc('"', file);
    while (*text) {
        unsigned char first = (unsigned char)*text;
        size_t bytes = utf8_sequence(text, strnlen(text, 4)); /* 0: none begins here */
        if (first == '"' || first == '\\')
            fprintf(file, "\\%c", first);
        else if (first < 0x20)
            fprintf(file, "\\u%04x", first);
        else if (bytes == 0)
            fputs("\\ufffd", file);
        else
            fwrite(text, 1, bytes, file);
        text += bytes ? bytes : 1;
    }
    fputc('"', file);
}

/* A line's end, and the indentation of what is open now. */
static void new_line(const JsonWriter *w)
{
    fprintf(w->file, "\n%*s", w->indent * w->depth, "");
}

/* What stands before a value, here and now. Outermost there is nothing before it, nor a name. */
static void member(JsonWriter *w, const char *key)
{
    if (w->depth == 0) {
        CHECK(!key);
        return;
    }
    JsonLayout layout = w->open[w->depth - 1].layout;
    bool first = w->open[w->depth - 1].members++ == 0;
    CHECK(w->open[w->depth - 1].object == (key != NULL));
    if (!first)
        fputs(layout == JSON_LINE ? ", " : ",", w->file);
    if (layout == JSON_LINES)
        new_line(w);
    if (key) {
        put_string(w->file, key);
        fputs(layout == JSON_TIGHT ? ":" : ": ", w->file);
    }
}

static void begin(JsonWriter *w, const char *key, JsonLayout layout, bool object)
{
    member(w, key);
    CHECK(w->depth < JSON_WRITER_DEPTH);
    w->open[w->depth].layout = layout;
    w->open[w->depth].object = object;
    w->open[w->depth++].members = 0;
    fputc(object ? '{' : '[', w->file);
}

void json_begin_object(JsonWriter *writer, const char *key, JsonLayout layout)
{
    begin(writer, key, layout, true);
}

void json_begin_array(JsonWriter *writer, const char *key, JsonLayout layout)
{
    begin(writer, key, layout, false);
}

void json_end(JsonWriter *writer)
{
    CHECK(writer->depth > 0);
    writer->depth--;
    if (writer->open[writer->depth].layout == JSON_LINES && writer->open[writer->depth].members > 0)
        new_line(writer);
    fputc(writer->open[writer->depth].object ? '}' : ']', writer->file);
}

void json_put_text(JsonWriter *writer, const char *key, const char *text)
{
    if (!text) {
        json_put_null(writer, key);
        return;
    }
    member(writer, key);
    put_string(writer->file, text);
}

void json_put_integer(JsonWriter *writer, const char *key, int64_t value)
{
    member(writer, key);
    fprintf(writer->file, "%lld", (long long)value);
}

/* What printf made of a number: all but digits, signs and the exponent is the decimal point of the
 * locale, of one byte or several. */
static void put_decimal(FILE *file, const char *text)
{
    static const char plain[] = "0123456789+-e";
    while (*text) {
        size_t kept = strspn(text, plain), point = strcspn(text + kept, plain);
        fwrite(text, 1, kept, file);
        if (point)
            fputc('.', file);
        text += kept + point;
    }
}

/* A number as printf writes it, or null: JSON has neither NaN nor infinities. */
static void put_real(JsonWriter *w, const char *key, const char *format, int precision,
                     double value)
{
    char text[400]; /* DBL_MAX has 309 digits before the point */
    if (!isfinite(value)) {
        json_put_null(w, key);
        return;
    }
    CHECK(precision >= 0 && precision <= 60); /* so that text has room */
    member(w, key);
    snprintf(text, sizeof text, format, precision, value);
    put_decimal(w->file, text);
}

void json_put_number(JsonWriter *writer, const char *key, double value, int digits)
{
    put_real(writer, key, "%.*g", digits, value);
}

void json_put_fixed(JsonWriter *writer, const char *key, double value, int decimals)
{
    put_real(writer, key, "%.*f", decimals, value);
}

void json_put_null(JsonWriter *writer, const char *key)
{
    member(writer, key);
    fputs("null", writer->file);
}
