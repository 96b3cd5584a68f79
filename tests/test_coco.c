/* Annotations in COCO's form, and the reader of JSON that keeps nothing: what is taken, what is refused and how it is
 * called, and how little memory a large file needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "data/dataset.h"

#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- json_read_elements */

typedef struct Heard {
    char text[256]; /* "member:value " of each */
    int stop;       /* fails at this element, counted from 1; 0: never */
    int count;
} Heard;

static Status hear(void *context, const char *member, const Json *element)
{
    Heard *h = context;
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof h->text - n, "%s:%lld/%d ", member ? member : "-",
             (long long)element->integer, element->count);
    h->count++;
    return h->count == h->stop ? status_fail(STATUS_LIMIT, "enough") : STATUS_OK;
}

static void elements_are(const char *json, const char *expected)
{
    Heard h = {.stop = 0};
    assert_int_equal(json_read_elements(test_write_text("a.json", json), hear, &h), STATUS_OK);
    assert_string_equal(h.text, expected);
}

static void elements(void **state)
{
    (void)state;
    elements_are("[1, 2, [3, [4]], {\"a\": [5]}]", "-:1/0 -:2/0 -:0/2 -:0/1 ");
    elements_are("{\"a\": [1], \"b\": {\"x\": [2, {\"a\": [3]}]}, \"c\": [[4], 5]}", "a:1/0 c:0/1 c:5/0 ");
    elements_are("{\"a\": [], \"b\": 7, \"\\u0061b\": [8]}", "ab:8/0 ");
    elements_are("{}", "");
    elements_are(" 3 ", "");
    Heard h = {.stop = 2};
    const char *path = test_write_text("a.json", "[1, 2, 3]");
    assert_int_equal(json_read_elements(path, hear, &h), STATUS_LIMIT);
    assert_string_equal(status_text(), "enough");
    assert_int_equal(h.count, 2);
}

static void elements_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",      "[1,]", "[1 2]", "{\"a\": [1], \"a\": [2]}", "[1] 2", "{\"a\": [1}", "[\"\xff\"]", "[\"a",
        "[{\"a\": 1, \"a\": 2}]", "{\"a\": [1, 2", "[01]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Heard h = {.stop = 0};
        assert_int_equal(json_read_elements(test_write_text("a.json", bad[i]), hear, &h), STATUS_INPUT);
        assert_non_null(strstr(status_text(), "a.json: json@"));
    }
}

/* A file whose middle is `times` copies of a text; returns its path. */
static const char *repeated(const char *begin, const char *middle, int times, const char *end)
{
    size_t n = strlen(middle), size = strlen(begin) + n * (size_t)times + strlen(end);
    char *text = malloc(size + 1), *to = stpcpy(text, begin);
    assert_non_null(text);
    for (int i = 0; i < times; i++)
        to = stpcpy(to, middle);
    strcpy(to, end);
    const char *path = test_write("large.json", text, size);
    free(text);
    return path;
}

/* One element may not grow with the file, whatever it is made of. */
static void large_elements(void **state)
{
    (void)state;
    enum { MANY = 400000 };
    Heard h = {.stop = 0};
    const struct {
        const char *begin, *middle, *end;
    } large[] = {
        {"[[", "1,", "1]]"},           {"[\"", "abcdefgh", "\"]"},         {"{\"a\": {\"x\": [", "{},", "1]}}"},
        {"[{\"a\": [", "[],", "1]}]"}, {"{\"a\": \"", "abcdefgh", "\"}"}, {"[{\"", "abcdefgh", "\": 1}]"},
    };
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        const char *path = repeated(large[i].begin, large[i].middle, MANY, large[i].end);
        assert_int_equal(json_read_elements(path, hear, &h), STATUS_INPUT);
        assert_non_null(strstr(status_text(), "larger than any that is expected"));
        assert_int_equal(h.count, 0);
    }
    /* As many small ones are read. */
    h = (Heard){.text = ""};
    const char *path = repeated("{\"a\": [", "{\"b\": [1, 2, \"three\"]},", MANY, "4]}");
    assert_int_equal(json_read_elements(path, hear, &h), STATUS_OK);
    assert_int_equal(h.count, MANY + 1);
}

/* ---- dataset_coco */

#define IMAGES "\"images\": [{\"id\": 7, \"file_name\": \"b.jpg\"}, {\"id\": 3, \"file_name\": \"a.jpg\"}]"
#define ANNOTATIONS \
    "\"annotations\": [{\"image_id\": 3, \"category_id\": 1}, {\"image_id\": 7, \"category_id\": 0}]"
#define CATEGORIES "\"categories\": [{\"id\": 1, \"name\": \"one\"}, {\"id\": 0, \"name\": \"null\"}]"

static void coco_opens(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{" IMAGES ", " ANNOTATIONS ", " CATEGORIES "}",
        "{" CATEGORIES ", " ANNOTATIONS ", \"x\": [null], " IMAGES "}",
        "{" ANNOTATIONS ", " IMAGES "}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Dataset *d;
        const char *path = test_write_text("coco.json", texts[i]);
        assert_int_equal(dataset_coco(path, 0, &d), STATUS_OK);
        assert_int_equal(d->count, 2);
        assert_int_equal(d->classes, 2);
        assert_string_equal(d->names[0], "b.jpg");
        assert_string_equal(d->names[1], "a.jpg");
        assert_int_equal(d->labels[0], 0);
        assert_int_equal(d->labels[1], 1);
        assert_int_equal(d->counts[0], 1);
        if (i < 2)
            assert_string_equal(d->class_names[1], "one");
        else
            assert_null(d->class_names);
        dataset_close(d);
    }
}

static void coco_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"[1]", "a list, no object with `images`"},
        {"{}", "0 `images`"},
        {"{" ANNOTATIONS "}", "0 `images`"},
        {"{\"images\": {}}", "0 `images`"},
        {"{" IMAGES "}", "images: element 1: no annotation says its class"},
        {"{\"images\": [3]}", "images: element 0: no whole number 'id'"},
        {"{\"images\": [{\"id\": 1.5, \"file_name\": \"a\"}]}", "no whole number 'id'"},
        {"{\"images\": [{\"id\": \"1\", \"file_name\": \"a\"}]}", "no whole number 'id'"},
        {"{\"images\": [{\"id\": -1, \"file_name\": \"a\"}]}", "no whole number 'id'"},
        {"{\"images\": [{\"id\": 99999999999999999999, \"file_name\": \"a\"}]}", "no whole number 'id'"},
        {"{\"images\": [{\"id\": 1}]}", "images: element 0: no text 'file_name'"},
        {"{\"images\": [{\"id\": 1, \"file_name\": null}]}", "no text 'file_name'"},
        {"{\"images\": [{\"id\": 1, \"file_name\": \"a\\u0000b\"}]}", "json@"},
        {"{\"images\": [{\"id\": 1, \"file_name\": \"a\"}, {\"id\": 1, \"file_name\": \"b\"}]}", "images: two with id 1"},
        {"{" IMAGES ", \"annotations\": [{\"category_id\": 0}]}", "annotations: element 0: no whole number 'image_id'"},
        {"{" IMAGES ", \"annotations\": [{\"image_id\": 3}]}", "no whole number 'category_id'"},
        {"{" IMAGES ", \"annotations\": [{\"image_id\": 3, \"category_id\": -2}]}", "no whole number 'category_id'"},
        {"{" IMAGES ", \"annotations\": [{\"image_id\": 3, \"category_id\": 1000000}]}", "'category_id' out of range"},
        {"{" IMAGES ", \"annotations\": [{\"image_id\": 4, \"category_id\": 0}]}", "element 0: 'image_id' of no image"},
        {"{" IMAGES ", \"annotations\": [{\"image_id\": 3, \"category_id\": 0}, {\"image_id\": 3, \"category_id\": 0}]}",
         "annotations: element 1: of an image that has one already"},
        {"{" IMAGES ", " ANNOTATIONS ", \"categories\": [{\"id\": 0, \"name\": \"a\"}]}", "out of range (1 vs 0 to 0)"},
        {"{" IMAGES ", " ANNOTATIONS ", \"categories\": [{\"id\": 0, \"name\": \"a\"}, {\"id\": 2, \"name\": \"b\"}]}",
         "categories: none has id 1 (there are 2)"},
        {"{" IMAGES ", " ANNOTATIONS ", \"categories\": [{\"id\": 0, \"name\": \"a\"}, {\"id\": 0, \"name\": \"b\"}]}",
         "an 'id' that another has, too"},
        {"{" IMAGES ", " ANNOTATIONS ", \"categories\": [{\"id\": 0}]}", "categories: element 0: no text 'name'"},
        {"{" IMAGES ", " ANNOTATIONS ", \"categories\": [{\"id\": 1000000, \"name\": \"a\"}]}", "no whole number 'id' in range"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Dataset *d;
        assert_int_equal(dataset_coco(test_write_text("coco.json", cases[i].text), 0, &d), STATUS_INPUT);
        if (!strstr(status_text(), cases[i].expected))
            fail_msg("case %zu: '%s' without '%s'", i, status_text(), cases[i].expected);
    }
    Dataset *d;
    const char *path = test_write_text("coco.json", "{" IMAGES ", " ANNOTATIONS ", " CATEGORIES "}");
    assert_int_equal(dataset_coco(path, 3, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "categories: 2 of them (there must be 3)"));
    assert_int_equal(dataset_coco(test_path("none.json"), 0, &d), STATUS_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements),     cmocka_unit_test(elements_refused),
        cmocka_unit_test(large_elements), cmocka_unit_test(coco_opens),
        cmocka_unit_test(coco_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
