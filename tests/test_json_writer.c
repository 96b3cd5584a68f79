/* The JSON writer: what stands in the file byte for byte, and that our own strict reader gets back what was put,
 * whatever the text, the number and the locale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/json_writer.h"
#include "base/rng.h"

#include "support_aborts.h"
#include "support_files.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A document in memory. */
typedef struct Document {
    JsonWriter w;
    char *text;
    size_t length;
} Document;

static void document_begin(Document *d, int indent)
{
    *d = (Document){.w.indent = indent};
    d->w.file = open_memstream(&d->text, &d->length);
    assert_non_null(d->w.file);
}

static void document_is(Document *d, const char *expected)
{
    assert_int_equal(fclose(d->w.file), 0);
    assert_string_equal(d->text, expected);
    free(d->text);
}

static void layouts(void **state)
{
    (void)state;
    static const struct {
        JsonLayout outer, inner;
        const char *expected;
    } cases[] = {
        {JSON_LINE, JSON_LINE, "{\"a\": 1, \"list\": [1, {}, []], \"b\": \"x\", \"c\": null}"},
        {JSON_TIGHT, JSON_TIGHT, "{\"a\":1,\"list\":[1,{},[]],\"b\":\"x\",\"c\":null}"},
        {JSON_LINES, JSON_LINE,
         "{\n  \"a\": 1,\n  \"list\": [1, {}, []],\n  \"b\": \"x\",\n  \"c\": null\n}"},
        {JSON_LINES, JSON_LINES,
         "{\n  \"a\": 1,\n  \"list\": [\n    1,\n    {},\n    []\n  ],\n  \"b\": \"x\",\n  \"c\": null\n}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Document d;
        document_begin(&d, 2);
        json_begin_object(&d.w, NULL, cases[i].outer);
        json_put_integer(&d.w, "a", 1);
        json_begin_array(&d.w, "list", cases[i].inner);
        json_put_integer(&d.w, NULL, 1);
        json_begin_object(&d.w, NULL, JSON_LINES);
        json_end(&d.w);
        json_begin_array(&d.w, NULL, JSON_LINES);
        json_end(&d.w);
        json_end(&d.w);
        json_put_text(&d.w, "b", "x");
        json_put_text(&d.w, "c", NULL);
        json_end(&d.w);
        document_is(&d, cases[i].expected);
    }
}

static void numbers(void **state)
{
    (void)state;
    Document d;
    document_begin(&d, 0);
    json_begin_array(&d.w, NULL, JSON_LINE);
    json_put_integer(&d.w, NULL, INT64_MIN);
    json_put_integer(&d.w, NULL, INT64_MAX);
    json_put_number(&d.w, NULL, 0.1, 17);
    json_put_number(&d.w, NULL, 1.0 / 3, 9);
    json_put_number(&d.w, NULL, -1e-300, 17);
    json_put_number(&d.w, NULL, 2, 17);
    json_put_fixed(&d.w, NULL, 2.0625, 3);
    json_put_fixed(&d.w, NULL, -0.5, 0);
    json_put_number(&d.w, NULL, (double)NAN, 17);
    json_put_fixed(&d.w, NULL, -(double)NAN, 3);
    json_put_number(&d.w, NULL, (double)INFINITY, 17);
    json_put_fixed(&d.w, NULL, -(double)INFINITY, 3);
    json_end(&d.w);
    document_is(&d, "[-9223372036854775808, 9223372036854775807, 0.10000000000000001, 0.333333333, "
                    "-1e-300, 2, 2.062, -0, null, null, null, null]");
}

/* The longest text a number can have. */
static void long_number(void **state)
{
    (void)state;
    Document d;
    Arena arena = {0};
    Json *root;
    document_begin(&d, 0);
    json_put_fixed(&d.w, NULL, -DBL_MAX, 60);
    assert_int_equal(fclose(d.w.file), 0);
    assert_int_equal(d.length, 1 + 309 + 1 + 60);
    assert_int_equal(json_parse(&arena, "t", d.text, d.length, &root), STATUS_OK);
    assert_true(root->number == -DBL_MAX);
    arena_free(&arena);
    free(d.text);
}

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"", "\"\""},
        {"a \"b\" \\ / c", "\"a \\\"b\\\" \\\\ / c\""},
        {"\x01\t\n\r\x1f\x7f", "\"\\u0001\\u0009\\u000a\\u000d\\u001f\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", "\"\\ufffd\""},
        {"a\x80" "b\xc3", "\"a\\ufffdb\\ufffd\""},             /* alone, and cut short by the end */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                    /* overlong */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},         /* a surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond U+10FFFF */
        {"\xe2\x82" "\"", "\"\\ufffd\\ufffd\\\"\""},           /* a quote in the place of a third byte */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char both[160];
        Document d;
        document_begin(&d, 0);
        json_put_text(&d.w, NULL, cases[i].text);
        document_is(&d, cases[i].expected);
        document_begin(&d, 0);
        json_begin_object(&d.w, NULL, JSON_TIGHT); /* a name is no less escaped */
        json_put_text(&d.w, cases[i].text, cases[i].text);
        json_end(&d.w);
        snprintf(both, sizeof both, "{%s:%s}", cases[i].expected, cases[i].expected);
        document_is(&d, both);
    }
}

/* Random bytes, printable and not: always a document, and where they are well-formed the same text comes back. */
static void any_text_can_be_read(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\"", "\\", "\n", "\x01", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                         "a",  "/",  " ",  "\x7f", "\xc3",     "\xff",         "\xed\xa0\x80"};
    enum { GOOD = 11, ALL = sizeof pieces / sizeof *pieces };
    Rng rng = rng_stream(1, 0, 0, RNG_TEST);
    for (int round = 0; round < 4000; round++) {
        char text[64] = "";
        bool good = round % 2;
        for (uint32_t n = rng_below(&rng, 10); n > 0; n--)
            strcat(text, pieces[rng_below(&rng, good ? GOOD : ALL)]);
        Document d;
        Arena arena = {0};
        Json *root;
        document_begin(&d, 1);
        json_begin_object(&d.w, NULL, (JsonLayout)(round % 3));
        json_put_text(&d.w, text, text);
        json_put_number(&d.w, "number", ldexp(rng_uniform(&rng) - 0.5, (int)rng_below(&rng, 2000) - 1000), 17);
        json_end(&d.w);
        assert_int_equal(fclose(d.w.file), 0);
        assert_int_equal(json_parse(&arena, "t", d.text, d.length, &root), STATUS_OK);
        assert_int_equal(root->count, 2);
        if (good) {
            assert_string_equal(root->child->key, text);
            assert_string_equal(root->child->text, text);
        }
        arena_free(&arena);
        free(d.text);
    }
}

/* The numbers' part of a locale whose decimal point is the text, as glibc keeps it on disk: the number of the
 * format, six places, and what lies there: point, no thousands, no grouping, the two as wide characters, UTF-8. */
static void write_locale(const char *path, const char *point)
{
    char text[8] = "";
    size_t length = strlen(point) + 1;
    memcpy(text, point, length);
    uint32_t at = 32, thousands = at + (uint32_t)length, wide = (thousands + 2 + 3) / 4 * 4;
    uint32_t head[8] = {0x20031114, 6, at, thousands, thousands + 1, wide, wide + 4, wide + 8};
    uint8_t file[64] = {0};
    memcpy(file, head, sizeof head);
    memcpy(file + at, text, length);
    file[wide] = ',';
    memcpy(file + wide + 8, "UTF-8", 6);
    test_write(path, file, wide + 14);
}

static void any_locale(void **state)
{
    (void)state;
    static const char *const points[] = {",", "\xd9\xab"}; /* also ARABIC DECIMAL SEPARATOR, two bytes */
    write_locale("locales/one/LC_NUMERIC", points[0]);
    write_locale("locales/two/LC_NUMERIC", points[1]);
    setenv("LOCPATH", test_path("locales"), 1);
    for (int i = 0; i < 2; i++) {
        char seen[16], expected[16];
        Document d;
        if (!setlocale(LC_NUMERIC, i ? "two" : "one")) {
#ifdef __GLIBC__
            fail_msg("glibc does not take the locale that this test wrote");
#endif
            skip(); /* a C library that keeps its locales otherwise */
        }
        snprintf(expected, sizeof expected, "1%s5", points[i]);
        snprintf(seen, sizeof seen, "%.1f", 1.5);
        assert_string_equal(seen, expected);
        document_begin(&d, 0);
        json_begin_array(&d.w, NULL, JSON_LINE);
        json_put_fixed(&d.w, NULL, -1234567.25, 2);
        json_put_number(&d.w, NULL, 1.5e-30, 9);
        json_end(&d.w);
        document_is(&d, "[-1234567.25, 1.5e-30]");
    }
    setlocale(LC_NUMERIC, "C");
}

/* Each is a wrong use. */
static void end_of_nothing(void *context)
{
    json_end(context);
}

static void name_in_array(void *context)
{
    json_begin_array(context, NULL, JSON_LINE);
    json_put_integer(context, "a", 1);
}

static void no_name_in_object(void *context)
{
    json_begin_object(context, NULL, JSON_LINE);
    json_put_integer(context, NULL, 1);
}

static void name_outermost(void *context)
{
    json_put_null(context, "a");
}

static void too_deep(void *context)
{
    for (int i = 0; i <= JSON_WRITER_DEPTH; i++)
        json_begin_array(context, NULL, JSON_LINE);
}

static void as_deep_as_can_be(void *context)
{
    for (int i = 0; i < JSON_WRITER_DEPTH; i++)
        json_begin_array(context, NULL, JSON_LINE);
    for (int i = 0; i < JSON_WRITER_DEPTH; i++)
        json_end(context);
}

static void wrong_uses_abort(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/null", "w");
    assert_non_null(file);
    JsonWriter w = {.file = file};
    assert_aborts(end_of_nothing, &w, "base/json_writer.c", "writer->depth > 0");
    assert_aborts(name_in_array, &w, "base/json_writer.c", ".object == (key != NULL)");
    assert_aborts(no_name_in_object, &w, "base/json_writer.c", ".object == (key != NULL)");
    assert_aborts(name_outermost, &w, "base/json_writer.c", "!key");
    assert_aborts(too_deep, &w, "base/json_writer.c", "w->depth < JSON_WRITER_DEPTH");
    assert_aborts(as_deep_as_can_be, &w, "base/json_writer.c", NULL);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layouts),
        cmocka_unit_test(numbers),
        cmocka_unit_test(long_number),
        cmocka_unit_test(texts),
        cmocka_unit_test(any_text_can_be_read),
        cmocka_unit_test(any_locale),
        cmocka_unit_test(wrong_uses_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
