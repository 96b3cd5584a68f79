/* Malformed legacy streams (family D), tars (E) and safetensors (F), with exit code and what the
 * message must name; then bits flipped and files cut off anywhere, in every format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "support_files.h"
#include "support_malformed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- D: the legacy stream */

typedef struct LegacySpoil {
    bool endian, module;
    int protocol; /* 0: 1001 */
    const char *keys[4]; /* NULL: the right ones */
    int64_t numel_change;
    int size_change;
    const char *view; /* opcodes of the sixth item */
    size_t view_size;
} LegacySpoil;

/* {'w': float [4], 'v': float [4]} on storages 5 and 7. */
static Bytes legacy(const LegacySpoil *spoil)
{
    Bytes p = {0};
    static const char *const right[] = {"5", "7", NULL};
    const char *const *keys = spoil->keys[0] ? spoil->keys : right;
    bytes_add(&p, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
    bytes_text(&p, "\x80\x02M");
    bytes_little(&p, (uint64_t)(spoil->protocol ? spoil->protocol : 1001), 2);
    bytes_text(&p, ".\x80\x02}(");
    pickle_text(&p, "protocol_version");
    pickle_int(&p, 1001);
    pickle_text(&p, "little_endian");
    bytes_byte(&p, spoil->endian ? 0x89 : 0x88);
    bytes_text(&p, "u.\x80\x02}(");
    pickle_text(&p, "w");
    pickle_tensor(&p, "Float", "5", 4, 0, 1, D(4), D(1), true);
    pickle_text(&p, "v");
    Bytes t = {0};
    pickle_tensor(&t, "Float", "7", 4, 0, 1, D(4), D(1), true);
    for (size_t i = 0; i < t.size; i++) {
        if (spoil->view && i + 3 <= t.size && memcmp(t.data + i, "NtQ", 3) == 0) {
            bytes_add(&p, spoil->view, spoil->view_size);
            continue;
        }
        bytes_byte(&p, t.data[i]);
    }
    bytes_free(&t);
    if (spoil->module) {
        pickle_text(&p, "m");
        bytes_text(&p, "(");
        pickle_text(&p, "module");
        pickle_global(&p, "a", "Net");
        pickle_text(&p, "net.py");
        pickle_text(&p, "class Net: pass");
        bytes_text(&p, "tQ");
    }
    bytes_text(&p, "u.\x80\x02](");
    for (int i = 0; keys[i]; i++)
        pickle_text(&p, keys[i]);
    bytes_text(&p, "e.");
    for (int i = 0; i < 2; i++) {
        bytes_little(&p, (uint64_t)(4 + (i ? spoil->numel_change : 0)), 8);
        bytes_add(&p, ramp, 16);
    }
    for (int i = 0; i < spoil->size_change; i++)
        bytes_byte(&p, 0);
    if (spoil->size_change < 0)
        p.size -= (size_t)-spoil->size_change;
    return p;
}

#define LEGACY(...) legacy(&(LegacySpoil){__VA_ARGS__})

static void d_legacy(void **state)
{
    (void)state;
    Bytes good = LEGACY(.module = false);
    for (size_t n = 1; n < good.size; n++) {
        Bytes b = {0};
        bytes_add(&b, good.data, n);
        expect("D truncated", b, STATUS_INPUT, NULL, NULL);
    }
    for (int bit = 0; bit < 80; bit++) {
        Bytes b = {0};
        bytes_add(&b, good.data, good.size);
        b.data[4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        expect("D01", b, STATUS_INPUT, "wrong magic number", NULL);
    }
    expect("D good", good, STATUS_OK, NULL, NULL);
    expect("D02", LEGACY(.protocol = 1002), STATUS_INPUT, "legacy protocol 1002", NULL);
    expect("D03", LEGACY(.endian = true), STATUS_INPUT, "big-endian legacy", NULL);
    expect("D04 missing", LEGACY(.keys = {"5"}), STATUS_INPUT, "'7' is missing", NULL);
    expect("D04 extra", LEGACY(.keys = {"5", "7", "9"}), STATUS_INPUT, "storage key '9'", NULL);
    expect("D04 twice", LEGACY(.keys = {"5", "5"}), STATUS_INPUT, "storage key '5'", NULL);
    expect("D04 order", LEGACY(.keys = {"7", "5"}), STATUS_INPUT, "storage key '7'", NULL);
    static const int64_t changes[] = {(int64_t)1 << 40, -5, 1};
    for (int i = 0; i < 3; i++)
        expect("D05", LEGACY(.numel_change = changes[i]), STATUS_INPUT, "key '7'", "expected 4");
    expect("D06 short", LEGACY(.size_change = -1), STATUS_INPUT, "key '7'", "reaches over the end");
    expect("D06 long", LEGACY(.size_change = 1), STATUS_INPUT, "1 bytes behind the last storage",
           NULL);
    static const char fits[] = "(X\1\0\0\0vK\1K\3t", outside[] = "(X\1\0\0\0vK\3K\3t", negative[] =
        "(X\1\0\0\0vJ\xff\xff\xff\xffK\3t", pair[] = "(X\1\0\0\0vK\3t";
    expect("D07 fits", LEGACY(.view = fits, .view_size = sizeof fits - 1), STATUS_INPUT, "key 'v'",
           "reaches outside");
    expect("D07", LEGACY(.view = outside, .view_size = sizeof outside - 1), STATUS_INPUT,
           "lies outside it", NULL);
    expect("D07", LEGACY(.view = negative, .view_size = sizeof negative - 1), STATUS_INPUT,
           "lies outside it", NULL);
    expect("D07", LEGACY(.view = pair, .view_size = sizeof pair - 1), STATUS_INPUT,
           "malformed view", NULL);
    /* A view's root is the storage that its reference names; it may not be a view in its turn. */
    static const char nameless[] = "(K\7K\1K\2t", itself[] = "(X\1\0\0\0007K\1K\2t", other[] =
        "(X\1\0\0\0005K\1K\2t";
    expect("D07", LEGACY(.view = nameless, .view_size = sizeof nameless - 1), STATUS_INPUT,
           "malformed view", NULL);
    expect("D07 cyclic", LEGACY(.view = itself, .view_size = sizeof itself - 1), STATUS_INPUT,
           "view '7' has the key of a storage", NULL);
    expect("D07 cyclic", LEGACY(.view = other, .view_size = sizeof other - 1), STATUS_INPUT,
           "view '5' has the key of a storage", NULL);
    expect("D07 root missing", LEGACY(.view = fits, .view_size = sizeof fits - 1, .keys = {"5"}),
           STATUS_INPUT, "'7' is missing", NULL);
    expect("D07 root missing", LEGACY(.view = fits, .view_size = sizeof fits - 1, .keys = {"5", "v"}),
           STATUS_INPUT, "storage key 'v' where '7' is expected", NULL);
    expect("D09", LEGACY(.module = true), STATUS_INPUT, "contains a Module", NULL);
}

/* D08: what Python 2 wrote: byte strings as keys, __builtin__, an OrderedDict from a list of
 * pairs. */
static void d_python2(void **state)
{
    (void)state;
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "ccollections\nOrderedDict\n](](U\1w");
    pickle_tensor(&p, "Float", "0", 4, 0, 1, D(4), D(1), false);
    bytes_text(&p, "e](T");
    bytes_little(&p, 5, 4);
    bytes_text(&p, "epochK\3ee\x85R.");
    Bytes zip = zip_of(p, ramp, 16);
    Checkpoint *c;
    int64_t epoch;
    assert_int_equal(checkpoint_open_memory("D08", zip.data, zip.size, NULL, &c), STATUS_OK);
    assert_non_null(checkpoint_find(c, "w"));
    assert_int_equal(checkpoint_integer(c, "epoch", &epoch), STATUS_OK);
    assert_int_equal(epoch, 3);
    checkpoint_close(c);
    bytes_free(&zip);
    expect("D08 pairs", OPS("ccollections\nOrderedDict\n](K\1K\2e\x85R."), STATUS_INPUT,
           "than pairs", NULL);
    expect("D08 dict", OPS("ccollections\nOrderedDict\n}\x85R."), STATUS_INPUT, "a list of pairs",
           NULL);
}

static void d_other_things(void **state)
{
    (void)state;
    static const char *const things[][2] = {
        {"\x1f\x8b\x08\x01\x01\x01", "gzip"},
        {"7z\xbc\xaf\x27\x1c", "7z"},
        {"<!DOCTYPE html><html>", "HTML"},
        {"version https://git-lfs.github.com/spec/v1\n", "Git LFS"},
        {"\x80\x02}q\1.", "bare pickle"},
        {"\xfd"
         "7zXZ1",
         "xz"},
        {"\x89PNG\r\n", "PNG"},
        {"just text", "no checkpoint"}};
    for (size_t i = 0; i < sizeof things / sizeof *things; i++) {
        Bytes b = {0};
        bytes_text(&b, things[i][0]);
        expect("D10", b, STATUS_INPUT, things[i][1], "this is");
    }
}

/* ---- E: tar */

typedef struct TarSpoil {
    int skip, twice; /* a member, 1 to 4 */
    int64_t storages, tensors; /* numbers in front; 0: the right ones */
    const char *key; /* opcodes of a storage's key */
    size_t key_size;
    int32_t rank;  /* 0: 2 */
    int64_t size0, stride0, start, tensor_storage;
    const char *view; /* opcodes of the list of views */
    size_t view_size;
} TarSpoil;

static void tar_header(Bytes *b, const char *name, char type, const char *size, size_t length)
{
    uint8_t h[512] = {0};
    unsigned sum = 0;
    snprintf((char *)h, 100, "%s", name);
    memcpy(h + 100, "0000644\0000000000\0000000000\000", 24);
    memcpy(h + 124, size, length);
    memcpy(h + 136, "00000000000", 12);
    memset(h + 148, ' ', 8);
    h[156] = (uint8_t)type;
    memcpy(h + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
    bytes_add(b, h, 512);
}

static void tar_member(Bytes *b, const char *name, char type, const void *data, size_t size)
{
    char text[13];
    static const uint8_t zeros[512];
    snprintf(text, sizeof text, "%011o", (unsigned)size);
    tar_header(b, name, type, text, 12);
    bytes_add(b, data, size);
    bytes_add(b, zeros, (512 - size % 512) % 512);
}

static void tar_end(Bytes *b)
{
    static const uint8_t zeros[1024];
    bytes_add(b, zeros, sizeof zeros);
}

/* {'w': tensor 1}: float [2, 2] on storage 10. */
static Bytes tar(const TarSpoil *s)
{
    Bytes members[4] = {{0}}, out = {0};
    static const char *const names[] = {"sys_info", "pickle", "tensors", "storages"};
    bytes_text(&members[0], "\x80\x02}X");
    bytes_little(&members[0], 13, 4);
    bytes_text(&members[0], "little_endian\x88s.");
    begin(&members[1]);
    bytes_text(&members[1], "}");
    pickle_text(&members[1], "w");
    pickle_text(&members[1], "1");
    bytes_text(&members[1], "Qs.");
    begin(&members[2]);
    pickle_int(&members[2], s->tensors ? s->tensors : 1);
    bytes_text(&members[2], ".\x80\x02(K\1");
    pickle_int(&members[2], s->tensor_storage ? s->tensor_storage : 10);
    pickle_global(&members[2], "torch", "FloatTensor");
    bytes_text(&members[2], "t.");
    bytes_little(&members[2], (uint64_t)(s->rank ? s->rank : 2), 4);
    bytes_little(&members[2], 0, 4);
    bytes_little(&members[2], (uint64_t)(s->size0 ? s->size0 : 2), 8);
    bytes_little(&members[2], 2, 8);
    bytes_little(&members[2], (uint64_t)(s->stride0 ? s->stride0 : 2), 8);
    bytes_little(&members[2], 1, 8);
    bytes_little(&members[2], (uint64_t)s->start, 8);
    begin(&members[3]);
    pickle_int(&members[3], s->storages ? s->storages : 1);
    bytes_text(&members[3], ".\x80\x02(");
    if (s->key)
        bytes_add(&members[3], s->key, s->key_size);
    else
        pickle_int(&members[3], 10);
    pickle_text(&members[3], "cpu");
    pickle_global(&members[3], "torch", "FloatStorage");
    bytes_text(&members[3], "t.");
    bytes_little(&members[3], 4, 8);
    bytes_add(&members[3], ramp, 16);
    bytes_text(&members[3], "\x80\x02]");
    bytes_add(&members[3], s->view, s->view_size);
    bytes_text(&members[3], ".");
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < (s->skip == i + 1 ? 0 : s->twice == i + 1 ? 2 : 1); k++)
            tar_member(&out, names[i], '0', members[i].data, members[i].size);
        bytes_free(&members[i]);
    }
    tar_end(&out);
    return out;
}

#define TAR(...) tar(&(TarSpoil){__VA_ARGS__})

static void e_members(void **state)
{
    (void)state;
    Bytes good = TAR(.skip = 0);
    Checkpoint *c;
    float values[4];
    if (checkpoint_open_memory("E", good.data, good.size, NULL, &c) != STATUS_OK)
        fail_msg("%s", status_text());
    assert_int_equal(checkpoint_format(c), CHECKPOINT_TAR);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_FLOAT32, values),
                     STATUS_OK);
    assert_memory_equal(values, ramp, 16);
    checkpoint_close(c);
    for (size_t n = 512; n < good.size - 512; n += 37) {
        Bytes b = {0};
        bytes_add(&b, good.data, n);
        expect("E truncated", b, STATUS_INPUT, NULL, NULL);
    }
    static const char *const names[] = {"sys_info", "pickle", "tensors", "storages"};
    for (int i = 1; i <= 4; i++) {
        char text[64];
        snprintf(text, sizeof text, "member '%s' is missing", names[i - 1]);
        expect("E01", TAR(.skip = i), STATUS_INPUT, text, NULL);
        snprintf(text, sizeof text, "two members '%s'", names[i - 1]);
        expect("E07", TAR(.twice = i), STATUS_INPUT, text, NULL);
    }
    Bytes b = {0};
    bytes_add(&b, good.data, good.size);
    b.data[150] ^= 1;
    expect("E02", b, STATUS_INPUT, "wrong checksum", NULL);
    static const struct {
        const char *size, *part;
    } sizes[] = {{"0000000x000", "malformed size"},
                 {"\x80\0\0\0\x80\0\0\0\0\0\0\0", "malformed size"},
                 {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "malformed size"},
                 {"-0000000010", "malformed size"},
                 {"77777777777", "over the end of the file"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Bytes t = {0};
        tar_header(&t, "pickle", '0', sizes[i].size, 12);
        tar_end(&t);
        expect("E02", t, STATUS_INPUT, sizes[i].part, NULL);
    }
    static const char types[] = {'1', '2', '3', '4', '5', '6', 'S', 'L', 'K', 'M'};
    for (size_t i = 0; i < sizeof types; i++) {
        Bytes t = {0};
        tar_member(&t, i % 2 ? "pickle" : "../x", types[i], "abc", 3);
        tar_end(&t);
        expect("E03", t, STATUS_INPUT, "only plain files", NULL);
    }
    static const char *const odd[] = {"../x", "/etc/passwd", "other"};
    for (int i = 0; i < 3; i++) {
        Bytes t = {0};
        tar_member(&t, odd[i], '0', "abc", 3);
        tar_end(&t);
        expect("E03", t, STATUS_INPUT, "unexpected member", odd[i]);
    }
    static const char *const pax[][2] = {{"15 path=../etc\n", "'path'"},
                                         {"12 size=999\n", "'size'"},
                                         {"22 GNU.sparse.major=1\n", "'GNU.sparse.major'"},
                                         {"99 mtime=1\n", "wrong length"},
                                         {"3 mtime=1\n", "wrong length"},
                                         {"x", "wrong length"}};
    for (size_t i = 0; i < sizeof pax / sizeof *pax; i++) {
        Bytes t = {0};
        tar_member(&t, "p", 'x', pax[i][0], strlen(pax[i][0]));
        tar_member(&t, "pickle", '0', "abc", 3);
        tar_end(&t);
        expect("E04", t, STATUS_INPUT, pax[i][1], NULL);
    }
    Bytes lname = {0};
    tar_header(&lname, "././@LongLink", 'L', "17777777777", 12);
    expect("E04", lname, STATUS_INPUT, NULL, NULL);
    bytes_free(&good);
}

static void e_contents(void **state)
{
    (void)state;
    expect("E05 storages", TAR(.storages = (int64_t)1 << 31), STATUS_INPUT, "cannot lie", NULL);
    expect("E05 storages", TAR(.storages = -1), STATUS_INPUT, "number of storages", NULL);
    expect("E05 tensors", TAR(.tensors = (int64_t)1 << 31), STATUS_INPUT, "cannot lie", NULL);
    expect("E05 key", TAR(.key = "X\1\0\0\0k", .key_size = 6), STATUS_INPUT, "key is a string",
           NULL);
    expect("E05 rank", TAR(.rank = -1), STATUS_INPUT, "key '1'", "-1 dimensions");
    expect("E05 rank", TAR(.rank = INT32_MAX), STATUS_INPUT, "key '1'", "dimensions");
    expect("E05 size", TAR(.size0 = INT64_MAX), STATUS_INPUT, "key '1'", "overflows");
    expect("E05 size", TAR(.size0 = -3), STATUS_INPUT, "key '1'", "negative size");
    expect("E05 stride", TAR(.stride0 = 3), STATUS_INPUT, "key '1'", "reaches outside");
    expect("E05 start", TAR(.start = 1), STATUS_INPUT, "key '1'", "reaches outside");
    expect("E05 start", TAR(.start = INT64_MIN), STATUS_INPUT, "key '1'", "begins outside");
    expect("E05 storage", TAR(.tensor_storage = 11), STATUS_INPUT, "key '1'", "storage 11");
    static const struct {
        const char *ops;
        size_t size;
        const char *part;
    } views[] = {
#define CASE(text, part) {text, sizeof(text) - 1, part}
        CASE("(K\13K\12K\2K\3ta", "outside storage 10"),
        CASE("(K\13K\14K\0K\1ta", "does not exist"),
        CASE("(K\13K\13K\0K\1ta", "does not exist"),
        CASE("(K\12K\12K\0K\1ta", "two storages of one key"),
        CASE("K\1a", "storage view is an integer"),
        CASE("(K\13K\12NK\3ta", "outside storage 10"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        expect("E06", TAR(.view = views[i].ops, .view_size = views[i].size), STATUS_INPUT,
               views[i].part, NULL);
    static const char view[] = "(K\13K\12K\0K\4ta";
    expect("E06 good", TAR(.view = view, .view_size = sizeof view - 1, .tensor_storage = 11),
           STATUS_OK, NULL, NULL);
}

/* ---- F: safetensors */

static Bytes safetensors(const char *header, size_t length, size_t data)
{
    Bytes b = {0};
    bytes_little(&b, length, 8);
    bytes_add(&b, header, length);
    bytes_add(&b, ramp, data);
    return b;
}

static void f_case(const char *header, size_t data, const char *part)
{
    expect("F.safetensors", safetensors(header, strlen(header), data),
           part ? STATUS_INPUT : STATUS_OK, part, part ? "header@" : NULL);
}

#define T(name, dtype, shape, range) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" range "]}"

static void f_headers(void **state)
{
    (void)state;
    f_case("{" T("a", "F32", "4", "0,16") "}", 16, NULL);
    f_case("  {" T("a", "F32", "4", "0,16") "}   ", 16, NULL);
    f_case("{}", 0, NULL);
    f_case("{\"__metadata__\":{\"k\":\"v\"}}", 0, NULL);
    f_case("{" T("a", "F32", "0", "0,0") "," T("b", "F32", "4", "0,16") "," T("c", "F32", "0",
                                                                              "16,16") "}",
           16, NULL);
    for (size_t n = 1; n < 8; n++) {
        Bytes b = {0};
        bytes_add(&b, "\0\0\0\0\0\0\0\0", n);
        expect("F01.safetensors", b, STATUS_INPUT, "truncated", NULL);
    }
    expect("F02.safetensors", safetensors("", 0, 0), STATUS_INPUT, "expected '{'", NULL);
    static const uint64_t lengths[] = {100000001, (uint64_t)1 << 63, UINT64_MAX, 17};
    for (int i = 0; i < 4; i++) {
        Bytes b = safetensors("{}", 2, 0);
        put(&b, 0, lengths[i], 8);
        expect("F03.safetensors", b, STATUS_INPUT,
               i < 3 ? "at most 100000000" : "over the end of the file", NULL);
    }
    f_case("{\"a\xff\":{}}", 0, "not UTF-8");
    f_case("{", 0, "expected a name");
    f_case("{" T("a", "F32", "4", "0,16") ",}", 16, "expected a name");
    f_case("\xef\xbb\xbf{}", 0, "expected '{'");
    f_case("{}x", 0, "behind the end of the header");
    f_case("{/**/}", 0, "expected a name");
    f_case("{\"a\":[]}", 0, "expected an object");
    f_case("{" T("a", "F32", "NaN", "0,16") "}", 16, "unexpected character");
    char deep[20010] = "{\"a\":{\"b\":";
    memset(deep + 10, '[', 10000);
    memset(deep + 10010, ']', 9998);
    strcpy(deep + 10010 + 9990, "]]}}");
    expect("F08.safetensors", safetensors(deep, strlen(deep), 0), STATUS_INPUT, "header@", NULL);
    static const char *const numbers[] = {
        "1e400", "18446744073709551616", "-1", "1.5", "\"1\"", "1e2", "null"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char text[256];
        snprintf(text, sizeof text, "{" T("a", "F32", "%s", "0,16") "}", numbers[i]);
        f_case(text, 16, "dimension 0");
        snprintf(text, sizeof text, "{" T("a", "F32", "4", "%s,16") "}", numbers[i]);
        f_case(text, 16, "data_offsets");
        snprintf(text, sizeof text, "{" T("a", "F32", "4", "0,%s") "}", numbers[i]);
        f_case(text, 16, "data_offsets");
    }
    f_case("{" T("a", "F32", "0", "0,0") "," T("a", "F32", "4", "0,16") "}", 16, "stands twice");
    f_case("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
           16, "stands twice");
    f_case("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "stands twice");
    f_case("{\"__metadata__\":{\"a\":1}}", 0, "is no string");
    f_case("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"x\":1}}", 16,
           "expected an object of");
    f_case("{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", 16, "data_offsets");
    f_case("{\"a\":{\"dtype\":3,\"shape\":[4],\"data_offsets\":[0,16]}}", 16,
           "expected an object of");
}

static void f_ranges(void **state)
{
    (void)state;
    f_case("{" T("a", "F32", "2", "8,16") "}", 16, "a hole before");
    f_case("{" T("a", "F32", "1", "0,4") "," T("b", "F32", "2", "8,16") "}", 16, "a hole before");
    f_case("{" T("a", "F32", "4", "0,16") "," T("b", "F32", "2", "8,16") "}", 16, "overlap");
    f_case("{" T("a", "F32", "4", "0,16") "," T("b", "F32", "4", "0,16") "}", 16, "overlap");
    f_case("{" T("a", "F32", "4", "16,0") "}", 16, "data_offsets");
    f_case("{" T("a", "F32", "4", "0,20") "}", 16, "outside the data");
    f_case("{" T("a", "F32", "3", "0,16") "}", 16, "give 16 bytes, shape and type need 12");
    f_case("{" T("a", "F32", "9223372036854775807,3", "0,16") "}", 16, "overflows");
    f_case("{" T("a", "F32", "4611686018427387904,2", "0,0") "}", 0, "overflows");
    f_case("{" T("a", "F32x", "4", "0,16") "}", 16, "unknown type 'F32x'");
    f_case("{" T("a", "F4", "3", "0,2") "}", 2, "fill whole bytes");
    f_case("{" T("a", "F4", "4", "0,2") "}", 2, "F4 is not supported");
    f_case("{" T("a", "F32", "1,1,1,1,1,1,1,1,1", "0,4") "}", 4, "9 dimensions");
    f_case("{" T("a\\u0000", "F32", "1", "0,4") "}", 4, "bad escape");
    f_case("{" T("\\ud800", "F32", "1", "0,4") "}", 4, "bad escape");
    f_case("{" T("../x", "F32", "1", "0,4") "}", 4, NULL);
    expect("F14.safetensors",
           safetensors("{" T("a", "F32", "2", "0,8") "}", strlen("{" T("a", "F32", "2", "0,8") "}"),
                       12),
           STATUS_INPUT, "4 bytes behind the last", NULL);
    Bytes name = {0};
    bytes_text(&name, "{\"");
    for (int i = 0; i < 1 << 20; i++)
        bytes_byte(&name, 'x');
    bytes_text(&name, "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}");
    expect("F16.safetensors", safetensors((char *)name.data, name.size, 4), STATUS_INPUT, "name of",
           NULL);
    bytes_free(&name);
    /* A hundred thousand tensors on one range. */
    Bytes many = {0};
    bytes_text(&many, "{");
    for (int i = 0; i < 100000; i++) {
        char text[128];
        snprintf(text, sizeof text,
                 "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}",
                 i ? "," : "", i);
        bytes_text(&many, text);
    }
    bytes_text(&many, "}");
    expect("F17.safetensors", safetensors((char *)many.data, many.size, 16), STATUS_INPUT,
           "overlap", NULL);
    bytes_free(&many);
    Bytes good = safetensors("{" T("a", "F32", "4", "0,16") "}",
                             strlen("{" T("a", "F32", "4", "0,16") "}"), 16);
    for (size_t n = 0; n < good.size; n++) {
        Bytes b = {0};
        bytes_add(&b, good.data, n);
        expect("F truncated.safetensors", b, STATUS_INPUT, NULL, NULL);
    }
    bytes_free(&good);
}

/* ---- flipped bits */

/* Any flipped bit of any format: read or refused, nothing else; and one in a CRC'd tensor is always
 * refused. */
static void flipped_bits(void **state)
{
    (void)state;
    Rng rng = rng_stream(11, 0, 0, RNG_TEST);
    int trials = full_mode() ? 20000 : 1500;
    for (int format = 0; format < 4; format++) {
        Bytes good = format == 0 ? good_zip() : format == 1 ? LEGACY(.module = false) : format == 2
                   ? TAR(.skip = 0) : safetensors("{" T("a", "F32", "4", "0,16") "}",
                                                  strlen("{" T("a", "F32", "4", "0,16") "}"), 16);
        for (int i = 0; i < trials; i++) {
            size_t at = rng_below(&rng, (uint32_t)good.size);
            int bit = 1 << rng_below(&rng, 8);
            good.data[at] ^= (uint8_t)bit;
            Status status = run("flip", good.data, good.size, NULL);
            if (status != STATUS_OK && status != STATUS_INPUT && status != STATUS_LIMIT)
                fail_msg("format %d, byte %zu, bit %d: status %d, %s", format, at, bit, status,
                         status_text());
            good.data[at] ^= (uint8_t)bit;
        }
        bytes_free(&good);
    }
}

static void flipped_bits_in_tensors_are_found(void **state)
{
    (void)state;
    Rng rng = rng_stream(12, 0, 0, RNG_TEST);
    const char *path = test_data("data/checkpoints/odd_tensors.pth");
    Bytes b = bytes_read(path);
    Checkpoint *c;
    assert_int_equal(checkpoint_open_memory("x", b.data, b.size, NULL, &c), STATUS_OK);
    for (int flips = 0; flips < (full_mode() ? 10000 : 2000);) {
        const StoredTensor *t = checkpoint_tensor(c, rng_below(&rng, checkpoint_count(c)))->tensor;
        const Storage *s = t->storage->same;
        if (s->count == 0)
            continue;
        uint64_t at = s->offset + rng_below(&rng, (uint32_t)(s->count * element_bytes(s->type)));
        int bit = 1 << rng_below(&rng, 8);
        b.data[at] ^= (uint8_t)bit;
        flips++;
        assert_int_equal(run("flip", b.data, b.size, NULL), STATUS_INPUT);
        assert_non_null(strstr(status_text(), "crc 0x"));
        b.data[at] ^= (uint8_t)bit;
    }
    checkpoint_close(c);
    bytes_free(&b);
}

/* Byte by byte truncations of a real file's beginning and end, in steps through its middle. */
static void truncated_real_files(void **state)
{
    (void)state;
    static const char *const names[] = {"odd_tensors.pth", "odd_tensors_legacy.pth"};
    for (int f = 0; f < 2; f++) {
        char name[128];
        snprintf(name, sizeof name, "data/checkpoints/%s", names[f]);
        Bytes b = bytes_read(test_data(name));
        for (size_t n = 1; n < b.size; n += full_mode() ? 1 : 3) {
            /* A copy of its own size, so that a sanitizer sees every byte read beyond it. */
            uint8_t *copy = malloc(n);
            memcpy(copy, b.data, n);
            assert_int_equal(run(names[f], copy, n, NULL), STATUS_INPUT);
            free(copy);
        }
        bytes_free(&b);
    }
}

int main(int argc, char **argv)
{
    int code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(d_legacy), cmocka_unit_test(d_python2), cmocka_unit_test(d_other_things),
        cmocka_unit_test(e_members), cmocka_unit_test(e_contents), cmocka_unit_test(f_headers),
        cmocka_unit_test(f_ranges), cmocka_unit_test(flipped_bits),
        cmocka_unit_test(flipped_bits_in_tensors_are_found),
        cmocka_unit_test(truncated_real_files),
    };
    if (malformed_child(argc, argv, &code))
        return code;
    return cmocka_run_group_tests(tests, NULL, malformed_report);
}
