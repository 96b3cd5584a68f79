/* Forms of list files: tables of spreadsheets, pandas and MXNet, further columns, names as labels, labels from 1 on,
 * UTF-16, paths of Windows. What is expected is what Python's csv, codecs and split make of the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/dataset.h"
#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Form {
    const char *text;     /* of the file */
    const char *expected; /* "path=label|...", or the part of the message where it is refused */
    int classes, first_label;
    Status status;
} Form;

#define REFUSED STATUS_INPUT

static const Form forms[] = {
    /* tables with commas */
    {"path,label\na.jpg,0\nb.jpg,1\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"a.jpg,0\r\nb.jpg,1\r\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"a.jpg, 0\nb c.jpg, 1\n", "a.jpg=0|b c.jpg=1", 0, 0, 0},
    {"label,filename\n1,x/a.jpg\n0,x/b.jpg\n", "x/a.jpg=1|x/b.jpg=0", 0, 0, 0},
    {"1,x/a.jpg\n0,x/b.jpg\n", "x/a.jpg=1|x/b.jpg=0", 0, 0, 0},
    {",path,label\n0,a.jpg,1\n1,b.jpg,0\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"0,a.jpg,1\n1,b.jpg,0\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"\"a, or b.jpg\",0\n\"say \"\"c\"\".jpg\",1\n", "a, or b.jpg=0|say \"c\".jpg=1", 0, 0, 0},
    {"image_id,label\nISIC_1,0\nISIC_2,1\n", "ISIC_1=0|ISIC_2=1", 0, 0, 0},
    {"filename,width,class\na.jpg,224,1\nb.jpg,224,0\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"a.jpg,0,extra,7\nb.jpg,1,,\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"path;label\na,b.jpg;0\nc.jpg;1\n", "a,b.jpg=0|c.jpg=1", 0, 0, 0},
    {"\"a.jpg\";\"bee, red\"\nb,c.jpg;ant\n", "a.jpg=1|b,c.jpg=0", 0, 0, 0},
    {"0;x, y.jpg\n1;c.jpg\n", "x, y.jpg=0|c.jpg=1", 0, 0, 0},
    {"a,b.jpg;0\nc.jpg;1\n", "a,b.jpg=0|c.jpg=1", 0, 0, 0},
    {"Filename;Width;ClassId\na.jpg;29;1\nb.jpg;30;0\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"img_name,category\na.jpg,0\nb.jpg,1\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"photo,kind\na.jpg,0\nb.jpg,1\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"photo,kind\na.jpg,cat\nb.jpg,ant\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"kind,photo\n0,a.jpg\n1,b.jpg\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"photo,kind\nISIC_1,0\nISIC_2,1\n", "ISIC_1=0|ISIC_2=1", 0, 0, 0},
    {"0,1\na.jpg,0\nb.jpg,1\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"id,photo,label\n7,a.jpg,1\n8,b.jpg,0\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"mask,image,label\na.png,b.jpg,1\nc.png,d.jpg,0\n", "b.jpg=1|d.jpg=0", 0, 0, 0},
    {"\"Class Name\",\"Image Path\"\nbee,a.jpg\nant,b.jpg\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"img,kind,place\na.jpg,cat,7\n",
     "line 1: no column of this header is known as that of the labels", 0, 0, REFUSED},
    {"what,label,place\nISIC_1,0,7\n",
     "line 1: no column of this header is known as that of the paths", 0, 0, REFUSED},
    {"\"a\"b.jpg,0\nb.jpg,1\n", "line 1: characters behind a closing quote", 0, 0, REFUSED},
    {"path,label\na.jpg,0\n\"b\nc.jpg\",1\n", "line 3: a quote without its end ('\"b')", 0, 0,
     REFUSED},
    {"a.jpg,0\rb.jpg,1\r", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"\"a.jpg,0\nb.jpg,1\n", "line 1: a quote without its end", 0, 0, REFUSED},
    {"path,label\na.jpg,0\nb.jpg\n",
     "line 3: path or label missing ('b.jpg'). Expected `path,label`", 0, 0, REFUSED},
    {"path,label\na.jpg,0\nb.jpg,x\n",
     "line 3: label is no whole number ('x'). Expected `path,label`", 0, 0, REFUSED},
    {"path,label\n", "no lines", 0, 0, REFUSED},
    /* with tabs */
    {"path\tlabel\na b.jpg\t0\nc.jpg\t1\n", "a b.jpg=0|c.jpg=1", 0, 0, 0},
    {"0\t1.000000\tn01/a.jpg\n1\t0.000000\tn02/b.jpg\n", "n01/a.jpg=1|n02/b.jpg=0", 0, 0, 0},
    {"7\t1\t0.5\tn01/a.jpg\n9\t0\t0.1\tn02/b.jpg\n", "n01/a.jpg=1|n02/b.jpg=0", 0, 0, 0},
    {"a\tb.jpg 0\nc.jpg 1\n", "a\tb.jpg=0|c.jpg=1", 0, 0, 0},
    {"a.jpg\t0\nb.jpg 1\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    /* words */
    {"a.jpg 0 0\nb c.jpg 1 5 x\n", "a.jpg=0|b c.jpg=1", 0, 0, 0},
    {"a,b.jpg 0\nc;d.jpg 1\n", "a,b.jpg=0|c;d.jpg=1", 0, 0, 0},
    {"a.jpg/b 0\nx.png y.png 1\n", "a.jpg/b=0|x.png y.png=1", 0, 0, 0},
    {"a.jpg 0 mask.png\nb.jpg 1 mask.png\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"path label\na.jpg 0\nb.jpg 1\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"id 0\nlabel 1\n", "id=0|label=1", 0, 0, 0},
    {"a.jpg 0\rb c.jpg 1", "a.jpg=0|b c.jpg=1", 0, 0, 0},
    {"0 a.jpg\n1 b.jpg\n", "line 1: label is no whole number ('a.jpg')", 0, 0, REFUSED},
    /* names */
    {"a.jpg cat\nb.jpg ant\nc.jpg cat\n", "a.jpg=1|b.jpg=0|c.jpg=1", 0, 0, 0},
    {"a.jpg sports car\nb.jpg cab\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"x/a,b.jpg cat\ny/c,d.jpg ant\n", "x/a,b.jpg=1|y/c,d.jpg=0", 0, 0, 0},
    {"a.jpg sports car, red\nb;c.jpg cab\n", "a.jpg=1|b;c.jpg=0", 0, 0, 0},
    {"a.jpg cat\nb c.jpg\n", "line 2: path or label missing ('b c.jpg')", 0, 0, REFUSED},
    {"a.jpg,cat\nb.jpg,7\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"ISIC_1,cat\nISIC_2,ant\n", "ISIC_1=1|ISIC_2=0", 0, 0, 0},
    {"0\tcat\ta.jpg\n1\tant\tb.jpg\n", "a.jpg=1|b.jpg=0", 0, 0, 0},
    {"path,label\na.jpg,\"ant, red\"\nb.jpg,bee\n", "a.jpg=0|b.jpg=1", 0, 0, 0},
    {"a.jpg 0x\nb.jpg 1\nc.jpg 2\n",
     "line 1: label is no whole number ('0x'). Expected `path label`", 0, 0, REFUSED},
    {"a.jpg cat\nb.jpg ant\n", "labels are names, of 2 classes (there must be 3)", 3, 0, REFUSED},
    /* labels from 1 on */
    {"a.jpg 1\nb.jpg 2\n", "labels run from 1 to 2, they must begin at 0. --first-label 1", 0, 0,
     REFUSED},
    {"a.jpg 1\nb.jpg 2\n", "labels run from 1 to 2", 2, 0, REFUSED},
    {"a.jpg 1\nb.jpg 2\n", "a.jpg=0|b.jpg=1", 0, 1, 0},
    {"a.jpg 0\nb.jpg 1\n", "line 1: label out of range (0 vs 1 to 2)", 2, 1, REFUSED},
    {"a.jpg 1\nb.jpg 2\n", "a.jpg=1|b.jpg=2", 4, 0, 0},
    {"a.jpg 1\nb.jpg 3\n", "labels run from 1 to 3", 0, 0, REFUSED},
    /* Windows */
    {"x\\a.jpg 0\ny\\z\\b.jpg 1\n", "x/a.jpg=0|y/z/b.jpg=1", 0, 0, 0},
};

static char *describe(const Dataset *d)
{
    static char text[4096];
    size_t used = 0;
    for (int64_t i = 0; i < d->count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s=%d", i ? "|" : "", d->names[i], d->labels[i]);
    return text;
}

/* Opens a list of the file; whether it is as expected. */
static void compare(const char *path, const Form *form, const char *what)
{
    Dataset *d = NULL;
    DatasetSpec spec = {.kind = DATASET_LIST, .list = path, .classes = form->classes, .first_label = form->first_label};
    test_stderr_begin();
    Status status = dataset_open(&spec, &d);
    free(test_stderr_end());
    if (status != form->status)
        fail_msg("%s: '%s': status %d: %s", what, form->text, status, status_text());
    if (status == STATUS_OK && strcmp(describe(d), form->expected) != 0)
        fail_msg("%s: '%s': %s instead of %s", what, form->text, describe(d), form->expected);
    if (status != STATUS_OK && !strstr(status_text(), form->expected))
        fail_msg("%s: '%s': %s", what, form->text, status_text());
    if (d)
        dataset_close(d);
}

static void forms_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        compare(test_write_text("form.txt", forms[i].text), &forms[i], "UTF-8");
}

/* The same texts in UTF-16 of both orders, with and without a mark; only ASCII is widened here. */
static void forms_are_read_in_utf16(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (int kind = 0; kind < 4; kind++) {
            char wide[1024];
            size_t n = 0;
            int high = kind & 1;
            if (kind & 2) {
                wide[n++] = (char)(high ? 0xfe : 0xff);
                wide[n++] = (char)(high ? 0xff : 0xfe);
            }
            for (const char *at = forms[i].text; *at; at++) {
                wide[n + (size_t)high] = *at;
                wide[n + (size_t)!high] = 0;
                n += 2;
            }
            compare(test_write("wide.txt", wide, n), &forms[i], "UTF-16");
        }
}

static void characters_beyond_ascii(void **state)
{
    (void)state;
    static const char text[] = "\xff\xfe" "h\0\xf8\0.\0j\0p\0g\0 \0" "0\0\n\0" "\x3d\xd8\x00\xde.\0j\0p\0g\0 \0" "1\0";
    static const char cut[] = "\xff\xfe" "h\0\xf8\0.\0j\0p\0g\0 \0" "0\0\n\0" "\x3d\xd8.\0j\0p\0g\0 \0" "1\0";
    Form form = {"wide", "h\xc3\xb8.jpg=0|\xf0\x9f\x98\x80.jpg=1", 0, 0, 0};
    compare(test_write("wide.txt", text, sizeof text - 1), &form, "surrogates");
    form = (Form){"cut", "malformed UTF-16 (character 10)", 0, 0, REFUSED};
    compare(test_write("cut.txt", cut, sizeof cut - 1), &form, "half a pair");
}

/* Names in an order of their own. */
static void known_names_decide(void **state)
{
    (void)state;
    Arena arena = {0};
    DatasetSpec spec = {.kind = DATASET_LIST};
    Dataset *d;
    assert_int_equal(
        class_names_read(test_write_text("names.txt", "zebra \r\n\tant\n \nsports car\n"), &arena,
                         &spec.known),
        STATUS_OK);
    spec.list = test_write_text("named.txt", "a.jpg ant\nb.jpg sports car\nc.jpg zebra\n");
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_string_equal(describe(d), "a.jpg=1|b.jpg=2|c.jpg=0");
    assert_string_equal(d->class_names[2], "sports car");
    dataset_close(d);
    spec.list = test_write_text("named.txt", "a.jpg ant\nb.jpg bee\nc.jpg zebra\n");
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "line 2: class 'bee' is not among the 3 classes of"));
    spec.classes = 4;
    assert_int_equal(dataset_open(&spec, &d), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "another number of class names than of classes (3 vs 4)"));
    assert_int_equal(class_names_read(test_write("nul.txt", "a\0b\nc\n", 6), &arena, &spec.known),
                     STATUS_INPUT);
    assert_non_null(strstr(status_text(), "nul.txt: NUL byte"));
    char ends[4096] = "a"; /* more ends of lines than lines */
    memset(ends + 1, '\r', sizeof ends - 4);
    strcpy(ends + sizeof ends - 4, "b\n");
    assert_int_equal(class_names_read(test_write_text("ends.txt", ends), &arena, &spec.known),
                     STATUS_OK);
    assert_int_equal(spec.known.count, 1);
    assert_int_equal(
        class_names_read(test_write_text("ends.txt", "a\rb\r c \r"), &arena, &spec.known),
        STATUS_OK);
    assert_int_equal(spec.known.count, 3);
    assert_string_equal(spec.known.list[2], "c");
    assert_int_equal(class_names_read(test_write_text("twice.txt", "a\nb\na\n"), &arena, &spec.known), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "'a' stands there twice"));
    assert_int_equal(class_names_read(test_write_text("empty.txt", "\n"), &arena, &spec.known), STATUS_INPUT);
    arena_free(&arena);
}

/* Paths of other places, which --data has no part in. */
static void missing_paths_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
        bool root;
    } rows[] = {
        {"x/a.jpg 0\n", "/x/a.jpg: listed by", true},
        {"x/a.jpg 0\n", "Is --data the folder", true},
        {"x/a.jpg 0\n", "x/a.jpg: listed by", false},
        {"/x/a.jpg 0\n", "The path is absolute: --data has no part in it", true},
        {"/x/a.jpg 0\n", "The path is absolute: --data has no part in it", false},
        {"/there.jpg 0\n", "in it, but there is ", true},
        {"C:\\x\\a.jpg 0\n", "C:/x/a.jpg: listed by", true},
        {"d:/a.jpg 0\n", "The path begins with a drive of Windows", true},
        {"\\\\server\\a.jpg 0\n", "//server/a.jpg: listed by", true},
        {"x\033[31m/a.jpg 0\n", "x\\x1b[31m/a.jpg: listed by", false},
    };
    test_write("there.jpg", "x", 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Dataset *d;
        DatasetSpec spec = {.kind = DATASET_LIST, .root = rows[i].root ? test_folder() : NULL};
        spec.list = test_write_text("missing.txt", rows[i].line);
        assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
        assert_int_equal(dataset_look(d, 0), STATUS_IO);
        if (!strstr(status_text(), rows[i].says))
            fail_msg("row %zu: %s", i, status_text());
        dataset_close(d);
    }
}

/* A backslash that is part of a file's name stays. */
static void backslashes_of_files_stay(void **state)
{
    (void)state;
    Dataset *d;
    test_write("odd\\name.jpg", "x", 1);
    DatasetSpec spec = {.kind = DATASET_LIST, .root = test_folder()};
    spec.list = test_write_text("odd.txt", "odd\\name.jpg 0\n");
    assert_int_equal(dataset_open(&spec, &d), STATUS_OK);
    assert_string_equal(describe(d), "odd\\name.jpg=0");
    dataset_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_are_read),
        cmocka_unit_test(forms_are_read_in_utf16),
        cmocka_unit_test(characters_beyond_ascii),
        cmocka_unit_test(known_names_decide),
        cmocka_unit_test(missing_paths_are_explained),
        cmocka_unit_test(backslashes_of_files_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
