/* Published lists: the counts agree with those of the presets' sources, and a path of every layout is read as what it
 * was written from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data/published.h"
#include "options/sources.h"

#include <string.h>

static void counts_agree(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        SourceId source;
    } sets[] = {{"imagenet_lt", SOURCE_imagenet_lt},
                {"places_lt", SOURCE_places_lt},
                {"inaturalist", SOURCE_inaturalist}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const Published *set;
        const Source *source = source_at(sets[i].source);
        assert_int_equal(published_find(sets[i].name, &set), STATUS_OK);
        assert_string_equal(set->title, source->title);
        assert_int_equal(set->classes, source->classes);
        assert_int_equal(set->lists[ROLE_TRAIN].images, source->train);
        assert_true(set->lists[ROLE_TEST].images == source->test || set->lists[ROLE_VAL].images == source->test);
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
