/* Base: Philox and CRC-32C against their published vectors, unbiased draws, JSON, status texts, arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/status.h"

#include "support_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Known answers of the Random123 distribution (kat_vectors, philox4x32 10). */
static void philox_known_answers(void **state)
{
    (void)state;
    uint32_t out[4];
    rng_philox((uint32_t[4]){0}, (uint32_t[2]){0}, out);
    assert_int_equal(out[0], 0x6627e8d5);
    assert_int_equal(out[1], 0xe169c58d);
    assert_int_equal(out[2], 0xbc57ac4c);
    assert_int_equal(out[3], 0x9b00dbd8);
    rng_philox((uint32_t[4]){0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
               (uint32_t[2]){0xa4093822, 0x299f31d0}, out);
    assert_int_equal(out[0], 0xd16cfe09);
    assert_int_equal(out[1], 0x94fdcceb);
    assert_int_equal(out[2], 0x5001e420);
    assert_int_equal(out[3], 0x24126ea1);
}

/* RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void crc32c_known_answers(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(bytes, 0), 0);
    assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(bytes, 32), 0x113fdb5c);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(bytes, 32), 0x62a8ab43);
}

static void permutation_is_one(void **state)
{
    (void)state;
    uint32_t order[1000], seen[1000] = {0};
    Rng rng = rng_stream(7, 3, 0, RNG_ORDER);
    rng_permutation(&rng, order, 1000);
    int moved = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(order[i] < 1000 && !seen[order[i]]++);
        moved += order[i] != i;
    }
    assert_true(moved > 900);
}

/* What rng_below must return, in other words: of 32 bits x, with x * below = high * 2^32 + low, `high` is the draw
 * unless low < 2^32 mod below. So the same number of x, floor(2^32 / below), leads to every draw. */
static uint32_t below_by_hand(Rng *rng, uint32_t below)
{
    uint64_t low, high;
    do {
        uint64_t x = rng_bits(rng);
        low = x * below % 0x100000000u;
        high = x * below / 0x100000000u;
    } while (low < 0x100000000u % below);
    return (uint32_t)high;
}

static void draws_are_those_of_the_rule(void **state)
{
    (void)state;
    static const uint32_t bounds[] = {1, 2, 3, 10, 1000, 0x10001, 0x80000000u, 0x80000001u, 0xc0000000u, 0xffffffffu};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        Rng rng = rng_stream(11, 0, i, RNG_TEST), same = rng;
        for (int n = 0; n < 2000; n++)
            assert_int_equal(rng_below(&rng, bounds[i]), below_by_hand(&same, bounds[i]));
    }
}

/* Below 3 * 2^30 no draw may be more likely than another. 2^32 is four thirds of it: without rejection, every third
 * draw would come twice as often as the two others (a product), or the lower third as often as both others (a
 * remainder). 30000 draws put each within 4 % of 10000 (sigma 82); 7500 or 15000 without rejection. */
static void draws_have_no_bias(void **state)
{
    (void)state;
    enum { BELOW = 3, DRAWS = 30000 };
    int residue[BELOW] = {0}, third[BELOW] = {0};
    Rng rng = rng_stream(12, 0, 0, RNG_TEST);
    for (int n = 0; n < DRAWS; n++) {
        uint32_t draw = rng_below(&rng, 3u << 30);
        assert_true(draw < 3u << 30);
        residue[draw % BELOW]++;
        third[draw >> 30]++;
    }
    for (int i = 0; i < BELOW; i++) {
        assert_in_range(residue[i], 9600, 10400);
        assert_in_range(third[i], 9600, 10400);
    }
}

static void json_accepts_and_refuses(void **state)
{
    (void)state;
    static const char good[] =
        "{\"a\": [1, -2.5e1, \"x\\u00e9\\ud83d\\ude00\", null, true], \"b\": {}}";
    static const char *const bad[] = {"",      "{",           "[1,]",     "{\"a\":1,\"a\":2}",
                                      "01",    "1.",          "\"\\x\"",  "nul",
                                      "[1] 2", "\"\\ud800\"", "\"\xff\"", "\"\\u0000\"",
                                      "-",     "{\"a\" 1}",   "\"abc"};
    Arena arena = {0};
    Json *root;
    assert_int_equal(json_parse(&arena, "t", good, strlen(good), &root), STATUS_OK);
    const Json *a = json_get(root, "a");
    assert_int_equal(a->count, 5);
    assert_true(a->child->next->number == -25.0);
    assert_string_equal(a->child->next->next->text, "x\xc3\xa9\xf0\x9f\x98\x80");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(json_parse(&arena, "t", bad[i], strlen(bad[i]), &root), STATUS_INPUT);
    char deep[200];
    memset(deep, '[', sizeof deep);
    assert_int_equal(json_parse(&arena, "t", deep, sizeof deep, &root), STATUS_INPUT);
    arena_free(&arena);
}

static void status_text_is_clean(void **state)
{
    (void)state;
    assert_int_equal(status_fail(STATUS_IO, "a\x1b[2Jb\xff\xc3\xa9"), 4);
    assert_string_equal(status_text(), "a\\x1b[2Jb\\xff\xc3\xa9");
    /* What would turn the text around: right-to-left override, isolates, marks. Hebrew itself is shown. */
    status_fail(STATUS_IO, "x\xe2\x80\xaegpj \xe2\x81\xa6 \xd8\x9c \xe2\x80\x8f \xd7\x90 \xe2\x80\xa6");
    assert_string_equal(status_text(), "x\\xe2\\x80\\xaegpj \\xe2\\x81\\xa6 \\xd8\\x9c \\xe2\\x80\\x8f \xd7\x90 \xe2\x80\xa6");
    assert_int_equal(status_fail(STATUS_IO, "a\x1b[2Jb\xff\xc3\xa9"), 4);
    status_prefix(STATUS_IO, "file");
    assert_string_equal(status_text(), "file: a\\x1b[2Jb\\xff\xc3\xa9");
}

/* What the function writes to stderr, malloc'd. */
static char *on_stderr(void (*function)(void))
{
    char *text = calloc(1, 4096);
    FILE *file = tmpfile();
    int old = dup(STDERR_FILENO);
    assert_true(file && old >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    function();
    fflush(stderr);
    assert_true(dup2(old, STDERR_FILENO) >= 0);
    close(old);
    rewind(file);
    assert_true(fread(text, 1, 4095, file) > 0);
    fclose(file);
    return text;
}

static void log_hostile_name(void)
{
    log_info("loaded: %s", "\x1b]0;owned\x07\x1b[31mred\npaco: error: fake \x7f \xc2\x9b \xff \xc3\xa9");
}

static void log_lines_are_clean(void **state)
{
    (void)state;
    char *text = on_stderr(log_hostile_name);
    assert_string_equal(text, "paco: loaded: \\x1b]0;owned\\x07\\x1b[31mred\\x0apaco: error: fake \\x7f "
                              "\\xc2\\x9b \\xff \xc3\xa9\n");
    free(text);
}

static void assert_holds(const char *path, const char *text)
{
    char *seen = test_read_text(path);
    assert_non_null(seen);
    assert_string_equal(seen, text);
    free(seen);
}

/* A file keeps its old contents until the new ones are whole; a link is written through and stays. */
static void output_replaces_whole_files(void **state)
{
    (void)state;
    const char *path = test_write_text("whole/old", "old"), *link = test_path("whole/link");
    FileOutput out;
    assert_int_equal(file_output_open(&out, path), STATUS_OK);
    fputs("new", out.file);
    fflush(out.file);
    assert_holds(path, "old");
    file_output_abandon(&out);
    assert_holds(path, "old");
    assert_int_equal(test_files_ending(test_path("whole"), ".tmp"), 0);

    assert_int_equal(file_output_open(&out, path), STATUS_OK);
    fputs("new", out.file);
    assert_int_equal(file_output_close(&out), STATUS_OK);
    assert_holds(path, "new");
    assert_int_equal(test_files_ending(test_path("whole"), ".tmp"), 0);

    char planted[4096]; /* a link in the temporary's place is not written through */
    snprintf(planted, sizeof planted, "%s.%d.tmp", path, (int)getpid());
    const char *precious = test_write_text("whole/precious", "precious");
    assert_int_equal(symlink("precious", planted), 0);
    assert_int_equal(file_output_open(&out, path), STATUS_OK);
    assert_int_equal(file_output_close(&out), STATUS_OK);
    assert_holds(path, "");
    assert_holds(precious, "precious");

    assert_int_equal(symlink("old", link), 0);
    assert_int_equal(file_output_open(&out, link), STATUS_OK);
    fputs("through", out.file);
    assert_int_equal(file_output_close(&out), STATUS_OK);
    assert_holds(path, "through");
    assert_int_equal(file_output_open(&out, link), STATUS_OK);
    file_output_abandon(&out);
    assert_int_equal(readlink(link, (char[8]){0}, 8), 3);
    assert_true(file_exists(path));
    assert_int_equal(file_output_open(&out, test_path("whole")), STATUS_IO); /* a folder */
    snprintf(planted, sizeof planted, "%s/new", path);
    assert_int_equal(file_output_open(&out, planted), STATUS_IO);
    assert_non_null(strstr(status_text(), "whole/old/new: cannot create: Not a directory")); /* no temporary's name */
    snprintf(planted, sizeof planted, "%s/none", path);
    assert_true(file_missing(test_path("whole/none")) && file_missing(planted));
    assert_true(!file_missing(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers), cmocka_unit_test(crc32c_known_answers),
        cmocka_unit_test(permutation_is_one),
        cmocka_unit_test(draws_are_those_of_the_rule), cmocka_unit_test(draws_have_no_bias),
        cmocka_unit_test(json_accepts_and_refuses), cmocka_unit_test(status_text_is_clean),
        cmocka_unit_test(log_lines_are_clean),
        cmocka_unit_test(output_replaces_whole_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
