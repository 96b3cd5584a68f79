/* Published lists: each has its count, and a path of every layout is read as what it
 * was written from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/published.h"
#include "options/sources.h"

#include <string.h>

/* A list has images where it has a file; what a result was published for has some, and classes. */
static void counts_agree(void **state)
{
    (void)state;
    for (const PathLayout *l = path_layouts; l->set; l++) {
        const Published *set;
        assert_int_equal(published_find(l->set, &set), STATUS_OK);
        for (int s = 0; s < SPLIT_COUNT; s++)
            assert_int_equal(set->size->images[s] > 0, *set->files[s] != 0);
    }
    for (int id = 0; id < SET_COUNT; id++) {
        const Source *source = source_at((SourceId)id);
        assert_true(source->size->images[source->judged] >= source->size->classes);
        assert_true(source->size->images[SPLIT_TRAIN] > source->size->images[source->judged]);
    }
}

static void paths_come_back(void **state)
{
    (void)state;
    for (const PathLayout *l = path_layouts; l->set; l++) {
        const Published *set;
        PathParts parts;
        char path[PATH_LAYOUT_MAX], again[PATH_LAYOUT_MAX];
        const char *name = strcmp(l->set, "imagenet_lt") == 0 ? "n01440764" : "apartment_building/outdoor";
        assert_int_equal(published_find(l->set, &set), STATUS_OK);
        assert_true(path_layout_put(l, name, "a.jpg", path));
        const PathLayout *found = path_layout_of(set, path, &parts);
        assert_non_null(found);
        assert_int_equal(found->images, l->images);
        assert_true(path_layout_put(found, name, "a.jpg", again));
        assert_string_equal(path, again);
        assert_string_equal(parts.file, "a.jpg");
        assert_string_equal(parts.class_name, l->form == PATH_FLAT ? "" : name);
        assert_int_equal(path_layout_put(l, "", "a.jpg", path), l->form == PATH_FLAT);
    }
}

static void long_paths_are_refused(void **state)
{
    (void)state;
    char name[PATH_LAYOUT_MAX], path[PATH_LAYOUT_MAX];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (const PathLayout *l = path_layouts; l->set; l++)
        assert_false(path_layout_put(l, name, name, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_agree),
        cmocka_unit_test(paths_come_back),
        cmocka_unit_test(long_paths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
