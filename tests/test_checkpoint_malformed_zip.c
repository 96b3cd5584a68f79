/* Malformed zip containers (family A of the reference list): each with its exit code and what its
 * message must name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_malformed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The good zip with one field of one entry spoilt. */
static Bytes spoilt(const char *entry, const ZipField *field)
{
    Bytes p = good_pickle(false);
    ZipBuild z = {0};
    const struct {
        const char *name;
        const void *data;
        size_t size;
    } entries[] = {{"a/data.pkl", p.data, p.size}, {"a/data/0", ramp, 16}, {"a/version", "3\n", 2}};
    for (int i = 0; i < 3; i++)
        zip_build_entry(&z, entries[i].name, entries[i].data, entries[i].size,
                        strcmp(entries[i].name, entry) == 0 ? field : NULL);
    zip_build_end(&z, "");
    bytes_free(&p);
    bytes_free(&z.central);
    return z.file;
}

#define SPOILT(entry, ...) spoilt((entry), &(ZipField){__VA_ARGS__})

/* The good zip with an entry more, whose name is given. */
static Bytes with_entry(const char *name, size_t length, const char *text)
{
    Bytes p = good_pickle(false);
    ZipBuild z = {0};
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
    zip_build_entry(&z, "a/data/0", ramp, 16, NULL);
    zip_build_entry(&z, "a/version", "3\n", 2, NULL);
    zip_build_named(&z, name, length, text, strlen(text), NULL);
    zip_build_end(&z, "");
    bytes_free(&p);
    bytes_free(&z.central);
    return z.file;
}

static Bytes with_version(const char *text, size_t size)
{
    Bytes p = good_pickle(false);
    ZipBuild z = {0};
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
    zip_build_entry(&z, "a/data/0", ramp, 16, NULL);
    if (text)
        zip_build_entry(&z, "a/version", text, size, NULL);
    zip_build_end(&z, "");
    bytes_free(&p);
    bytes_free(&z.central);
    return z.file;
}

/* The good zip with a number written over, counted from the end. */
static Bytes poked(size_t from_end, uint64_t value, int count)
{
    Bytes b = good_zip();
    put(&b, b.size - from_end, value, count);
    return b;
}

/* The good zip with Zip64 record and locator; spoil them afterwards. */
static Bytes wide_zip(uint64_t count, uint64_t record_offset_change)
{
    Bytes b = good_zip(), out = {0};
    size_t end = b.size - 22;
    uint64_t size = 0, offset = 0;
    for (int i = 0; i < 4; i++) {
        size |= (uint64_t)b.data[end + 12 + (size_t)i] << 8 * i;
        offset |= (uint64_t)b.data[end + 16 + (size_t)i] << 8 * i;
    }
    bytes_add(&out, b.data, end);
    bytes_text(&out, "PK\6\6");
    bytes_little(&out, 44, 8);
    bytes_little(&out, 45 << 16 | 45, 4);
    bytes_little(&out, 0, 8);
    bytes_little(&out, count, 8);
    bytes_little(&out, count, 8);
    bytes_little(&out, size, 8);
    bytes_little(&out, offset, 8);
    bytes_text(&out, "PK\6\7");
    bytes_little(&out, 0, 4);
    bytes_little(&out, end + record_offset_change, 8);
    bytes_little(&out, 1, 4);
    bytes_add(&out, b.data + end, 22);
    bytes_free(&b);
    return out;
}

/* ---- the good ones load, or nothing below means anything */

static void good_files_load(void **state)
{
    (void)state;
    expect("good", good_zip(), STATUS_OK, NULL, NULL);
    expect("good64", wide_zip(3, 0), STATUS_OK, NULL, NULL);
    expect("descriptor", SPOILT("a/data/0", .descriptor = true), STATUS_OK, NULL, NULL);
    expect("deflated", SPOILT("a/data/0", .deflate = true), STATUS_OK, NULL, NULL);
    expect("deflated pickle", SPOILT("a/data.pkl", .deflate = true), STATUS_OK, NULL, NULL);
    expect("version 10", with_version("10\n", 3), STATUS_OK, NULL, NULL);
    expect("folder entry", with_entry("a/data/", 7, ""), STATUS_OK, NULL, NULL);
}

/* ---- A: the container */

static void a_ends(void **state)
{
    (void)state;
    expect("A01", (Bytes){0}, STATUS_INPUT, "empty file", NULL);
    for (size_t n = 1; n < 4; n++) {
        Bytes b = {0};
        char text[32];
        bytes_add(&b, "PK\3\4", n);
        snprintf(text, sizeof text, "truncated, %zu bytes", n);
        expect("A02", b, STATUS_INPUT, text, NULL);
    }
    Bytes good = good_zip();
    for (size_t n = 0; n < good.size; n++) {
        Bytes b = {0};
        bytes_add(&b, good.data, n);
        expect("A03", b, STATUS_INPUT, NULL, NULL);
    }
    Bytes cut = good;
    cut.size -= 22;
    expect("A04", cut, STATUS_INPUT, "no end of central directory", NULL);
    expect("A05", poked(2, 5, 2), STATUS_INPUT, "comment of 5 bytes", "0 bytes follow");
    Bytes garbage = good_zip();
    char at[32];
    snprintf(at, sizeof at, "follow at offset %zu", garbage.size);
    bytes_text(&garbage, "garbage");
    expect("A06", garbage, STATUS_INPUT, "7 bytes follow", at);
    static const char *const fronts[] = {"MZ\x90", "#!/bin/sh\n", "%PDF-1.4\n"};
    for (int i = 0; i < 3; i++) {
        Bytes b = {0}, zip = good_zip();
        bytes_text(&b, fronts[i]);
        bytes_add(&b, zip.data, zip.size);
        bytes_free(&zip);
        expect("A07", b, STATUS_INPUT, "this is", NULL);
    }
    ZipBuild z = {0};
    Bytes p = good_pickle(false);
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
    zip_build_end(&z, "PK\5\6                  ");
    bytes_free(&p);
    bytes_free(&z.central);
    expect("A08", z.file, STATUS_INPUT, "ambiguous", NULL);
}

static void a_directory(void **state)
{
    (void)state;
    expect("A09 outside", wide_zip(3, 100000), STATUS_INPUT, "locator points to", NULL);
    expect("A09 itself", wide_zip(3, 56), STATUS_INPUT, "locator points to", NULL);
    Bytes b = wide_zip(3, 0);
    put(&b, b.size - 22 - 20 - 56, 0x01020304, 4);
    expect("A09 no record", b, STATUS_INPUT, "no Zip64 end record", NULL);
    static const uint64_t counts[] = {(uint64_t)1 << 63, (uint64_t)1 << 32, 0};
    for (int i = 0; i < 3; i++)
        expect("A10", wide_zip(counts[i], 0), STATUS_INPUT, "contradicts the end record", NULL);
    for (int i = 0; i < 3; i++) {
        b = wide_zip(counts[i], 0);
        put(&b, b.size - 14, 0xffffffff, 4); /* both counts saturated: the Zip64 one decides */
        expect("A10", b, STATUS_INPUT, "entries cannot lie", NULL);
    }
    expect("A11", poked(14, 0xffffffff, 4), STATUS_INPUT, "no Zip64 record", NULL);
    expect("A12 far", poked(6, 0xfffffff0, 4), STATUS_INPUT, "does not end at", NULL);
    expect("A12 large", poked(10, 0xfffffff0, 4), STATUS_INPUT, "does not end at", NULL);
    expect("A12 overlap", poked(6, 20, 4), STATUS_INPUT, "does not end at", NULL);
    b = wide_zip(3, 0);
    put(&b, b.size - 10, 0xffffffff, 4);
    put(&b, b.size - 6, 0xffffffff, 4);
    put(&b, b.size - 42 - 16, UINT64_MAX - 7, 8);
    expect("A12 wraps", b, STATUS_INPUT, "does not end at", NULL);
    static const int fields[] = {28, 30, 32};
    for (int i = 0; i < 3; i++) {
        b = good_zip();
        size_t directory = b.size - 22 - 3 * 46 - strlen("a/data.pkl" "a/data/0" "a/version");
        put(&b, directory + (size_t)fields[i], 0xfff0, 2);
        expect("A13", b, STATUS_INPUT, "entry 0 runs over", NULL);
    }
    for (uint32_t bad = 0; bad < 3; bad++) {
        b = good_zip();
        put(&b, b.size - 14, bad << 16 | bad, 4);
        expect("A13 count", b, STATUS_INPUT, bad ? "behind the last entry" : "0 entries cannot",
               NULL);
    }
}

static void a_zip64_extra(void **state)
{
    (void)state;
    /* An entry whose size is saturated, with extra fields of several kinds in the local header. */
    static const struct {
        const char *bytes;
        size_t size;
        const char *part;
    } extras[] = {
        {"\1\0\4\0\0\0\0\0", 8, "Zip64 extra field of 4 bytes"},
        {"\1\0\0\0\1\0\0\0", 8, "two Zip64 extra fields"},
        {"\1\0\11\0\0\0\0\0\0\0\0\0\0", 13, "Zip64 extra field of 9 bytes"},
        {"\1\0\20\0\0\0", 6, "runs over its end"},
        {"FB\3", 3, "runs over its end"},
    };
    for (size_t i = 0; i < sizeof extras / sizeof *extras; i++)
        expect("A14",
               SPOILT("a/data/0", .local_extra = extras[i].bytes, .extra_size = extras[i].size),
               STATUS_INPUT, extras[i].part, "a/data/0");
    expect("A14 missing", SPOILT("a/data/0", .size_change = 0xffffffff - 16), STATUS_INPUT,
           "Zip64 extra field is missing", "a/data/0");
}

/* PyTorch's local headers beyond 4 GiB: no sizes, which follow in the descriptor, and yet a Zip64 field. */
static void a_zip64_local(void **state)
{
    (void)state;
    static const size_t good[] = {8, 16, 24, 28}, bad[] = {0, 4, 9, 12, 32};
    char extra[80], part[64];
    for (int wide = 0; wide < 2; wide++)
        for (size_t i = 0; i < 4; i++) {
            memset(extra, 0x55, sizeof extra); /* the values are no news, whatever they are */
            memcpy(extra, "\1\0\0\0", 4);
            extra[2] = (char)good[i];
            expect("Zip64 local", SPOILT("a/data/0", .descriptor = true, .wide_descriptor = wide == 1,
                                         .local_extra = extra, .extra_size = 4 + good[i]), STATUS_OK, NULL, NULL);
            expect("Zip64 local, lying", SPOILT("a/data/0", .descriptor = true, .wide_descriptor = wide == 1,
                                                .bad_descriptor = true, .local_extra = extra,
                                                .extra_size = 4 + good[i]),
                   STATUS_INPUT, "data descriptor", "a/data/0");
            snprintf(part, sizeof part, "Zip64 extra field of %zu bytes (expected 0)", good[i]);
            expect("Zip64 local, sizes there", SPOILT("a/data/0", .local_extra = extra, .extra_size = 4 + good[i]),
                   STATUS_INPUT, part, "a/data/0");
        }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        extra[2] = (char)bad[i];
        snprintf(part, sizeof part, "Zip64 extra field of %zu bytes (expected 8", bad[i]);
        expect("Zip64 local", SPOILT("a/data/0", .descriptor = true, .local_extra = extra, .extra_size = 4 + bad[i]),
               STATUS_INPUT, part, "a/data/0");
    }
    memcpy(extra, "\1\0\10\0", 4);
    memcpy(extra + 12, extra, 12);
    expect("Zip64 local twice", SPOILT("a/data/0", .descriptor = true, .local_extra = extra, .extra_size = 24),
           STATUS_INPUT, "two Zip64", "a/data/0");
    expect("Zip64 local cut", SPOILT("a/data/0", .descriptor = true, .local_extra = extra, .extra_size = 11),
           STATUS_INPUT, "runs over its end", "a/data/0");
}

static void a_local_headers(void **state)
{
    (void)state;
    expect("A15 beyond", SPOILT("a/data/0", .offset_change = 100000), STATUS_INPUT, "a/data/0",
           "reach over the end of the file");
    expect("A15 directory", SPOILT("a/version", .offset_change = 41), STATUS_INPUT, "a/version",
           "lies outside the data");
    expect("A16", SPOILT("a/data/0", .local_signature = 0x05030201), STATUS_INPUT, "a/data/0",
           "no local header");
    expect("A17", SPOILT("a/data/0", .local_name = "a/data/1"), STATUS_INPUT, "a/data/0",
           "'a/data/1'");
    expect("A18", with_entry("a/data/0", 8, "x"), STATUS_INPUT, "stands twice", "a/data/0");
    expect("A19", with_entry("a/DATA/0", 8, "x"), STATUS_INPUT, "in case only", "a/DATA/0");
    expect("A22", SPOILT("a/data/0", .flags = 1), STATUS_INPUT, "encrypted", "a/data/0");
    expect("A22 strong", SPOILT("a/data/0", .flags = 0x41), STATUS_INPUT, "encrypted", "a/data/0");
    expect("A22 masked", SPOILT("a/data/0", .flags = 0x2000), STATUS_INPUT, "encrypted",
           "a/data/0");
    static const uint16_t methods[] = {1, 6, 9, 12, 14, 93, 95, 99, 0xffff};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        expect("A23", SPOILT("a/data/0", .method = methods[i]), STATUS_INPUT, "compression method",
               "a/data/0");
        expect("A23", SPOILT("a/data.pkl", .method = methods[i]), STATUS_INPUT,
               "compression method", "a/data.pkl");
    }
    expect("A26", SPOILT("a/data/0", .packed_change = -1), STATUS_INPUT, "two sizes", "a/data/0");
    expect("A27", SPOILT("a/data/0", .bad_crc = true), STATUS_INPUT, "crc 0x", "key 'w'");
    expect("A27 pickle", SPOILT("a/data.pkl", .bad_crc = true), STATUS_INPUT, "crc 0x",
           "a/data.pkl");
    expect("A29", SPOILT("a/data/0", .descriptor = true, .bad_descriptor = true), STATUS_INPUT,
           "data descriptor", "a/data/0");
    expect("A29 flags", SPOILT("a/data/0", .local_flags = 8), STATUS_INPUT, "flags", "a/data/0");
    expect("A30", SPOILT("a/data/0", .size_change = 0x7ffffff0, .packed_change = 0x7ffffff0),
           STATUS_INPUT, "reach over the end of the file", "a/data/0");
    expect("A30 deflated", SPOILT("a/data/0", .deflate = true, .size_change = 0x7ffffff0),
           STATUS_INPUT, "cannot inflate", "a/data/0");
    Bytes p = good_pickle(false);
    ZipBuild z = {0};
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "a/data/%d", i);
        zip_build_entry(&z, name, p.data, p.size, NULL);
        /* All of the directory's entries point to the first kernel. */
        put(&z.central, z.central.size - strlen(name) - 4, 0, 4);
    }
    zip_build_end(&z, "");
    bytes_free(&z.central);
    bytes_free(&p);
    expect("A20", z.file, STATUS_INPUT, "local header names", NULL);
}

/* The same name everywhere makes Fifield's overlap pass the names: it is stopped as a duplicate;
 * entries that reach into each other are stopped as overlapping. */
static void a_overlaps(void **state)
{
    (void)state;
    Bytes inner = {0};
    ZipBuild in = {0}, z = {0};
    zip_build_entry(&in, "a/data/1", ramp, 16, NULL);
    bytes_add(&inner, in.file.data, in.file.size);
    Bytes p = good_pickle(false);
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
    size_t at = z.file.size + 30 + strlen("a/data/0");
    zip_build_entry(&z, "a/data/0", inner.data, inner.size, NULL);
    zip_build_entry(&z, "a/version", "3\n", 2, NULL);
    /* A directory entry for the kernel inside a/data/0. */
    put(&in.central, 42, at, 4);
    bytes_add(&z.central, in.central.data, in.central.size);
    z.count++;
    zip_build_end(&z, "");
    bytes_free(&p);
    bytes_free(&inner);
    bytes_free(&z.central);
    zip_build_free(&in);
    expect("A20", z.file, STATUS_INPUT, "entries a/data/0 and a/data/1 overlap", NULL);
}

static void a_names(void **state)
{
    (void)state;
    static const char *const names[] = {"../../etc/x", "/abs", "C:\\x",    "a/../x",        "a/./x",
                                        "a//x",        "a\\x", "\xff\xfe", "a/\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        expect("A21", with_entry(names[i], strlen(names[i]), "x"), STATUS_INPUT,
               "name of entry 3 is", NULL);
    expect("A21 NUL", with_entry("a/x\0y", 5, "x"), STATUS_INPUT, "NUL", NULL);
    expect("A21 empty", with_entry("", 0, "x"), STATUS_INPUT, "empty", NULL);
    char *longest = malloc(5000);
    memset(longest, 'x', 5000);
    memcpy(longest, "a/", 2);
    expect("A21 long", with_entry(longest, 5000, "x"), STATUS_INPUT, "longer than 4096", NULL);
    free(longest);
    expect("A33 prefix", with_entry("b/x", 3, "x"), STATUS_INPUT, "outside the folder 'a/'", "b/x");
    expect("A33 no folder", with_entry("x", 1, "x"), STATUS_INPUT, "outside the folder", NULL);
    expect("A33 two", with_entry("b/data.pkl", 10, "x"), STATUS_INPUT, "b/data.pkl", NULL);
    ZipBuild z = {0};
    zip_build_entry(&z, "data.pkl", "x", 1, NULL);
    zip_build_end(&z, "");
    bytes_free(&z.central);
    expect("A33 first", z.file, STATUS_INPUT, "in no folder", NULL);
    expect("A34", with_entry("a/constants.pkl", 15, "x"), STATUS_INPUT,
           "TorchScript, not a checkpoint", NULL);
    expect("A34", with_entry("a/code/x.py", 11, "x"), STATUS_INPUT, "TorchScript, not a checkpoint",
           NULL);
}

static void a_records(void **state)
{
    (void)state;
    expect("A31 none", with_version(NULL, 0), STATUS_INPUT, "version is missing", NULL);
    static const struct {
        const char *text;
        size_t size;
    } versions[] = {{"99", 2}, {"-1", 2}, {"3 \0x", 4}, {"", 0}, {"3\n\n", 3}, {"0", 1}, {"x", 1}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        expect("A31", with_version(versions[i].text, versions[i].size), STATUS_INPUT, "a/version",
               "expected 1 to");
    char *large = calloc(1, 1 << 20);
    expect("A31 large", with_version(large, 1 << 20), STATUS_INPUT, "a/version", "1048576 bytes");
    free(large);
    expect("A32", with_entry("a/byteorder", 11, "middle"), STATUS_INPUT, "byte order 'middle'",
           NULL);
    Bytes big = with_entry("a/byteorder", 11, "big");
    Checkpoint *c;
    float values[4];
    assert_int_equal(checkpoint_open_memory("A32", big.data, big.size, NULL, &c), STATUS_OK);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_FLOAT32, values),
                     STATUS_OK);
    uint32_t bits, wanted;
    memcpy(&bits, &values[1], 4);
    memcpy(&wanted, &ramp[1], 4);
    assert_int_equal(bits, __builtin_bswap32(wanted));
    checkpoint_close(c);
    bytes_free(&big);
}

static void a_deflate(void **state)
{
    (void)state;
    /* 64 MiB of zeros for a tensor of 16 bytes, with an honest size and with a lie. */
    uint8_t *zeros = calloc(1, 64 << 20);
    for (int lie = 0; lie < 2; lie++) {
        Bytes p = good_pickle(false);
        ZipBuild z = {0};
        zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
        zip_build_entry(&z, "a/data/0", zeros, 64 << 20,
                        &(ZipField){.deflate = true, .size_change = lie ? 16 - (64 << 20) : 0});
        zip_build_entry(&z, "a/version", "3\n", 2, NULL);
        zip_build_end(&z, "");
        bytes_free(&p);
        bytes_free(&z.central);
        expect("A24", z.file, STATUS_INPUT, "key 'w'",
               lie ? NULL : "record 67108864 bytes, needs 16");
        if (lie)
            assert_non_null(strstr(status_text(), "a/data/0"));
    }
    /* An honest record that is far larger than its file, and a view into a large one. */
    for (int mib = 48; mib <= 80; mib += 32) {
        Bytes p = {0};
        ZipBuild z = {0};
        uint8_t *large = calloc(1, (size_t)mib << 20);
        begin(&p);
        bytes_text(&p, "}");
        pickle_text(&p, "w");
        pickle_tensor(&p, "Float", "0", (int64_t)mib << 18, 8, 1, (int64_t[]){4}, (int64_t[]){2},
                      false);
        bytes_text(&p, "s.");
        zip_build_entry(&z, "a/data.pkl", p.data, p.size, NULL);
        zip_build_entry(&z, "a/data/0", large, (size_t)mib << 20, &(ZipField){.deflate = true});
        zip_build_entry(&z, "a/version", "3\n", 2, NULL);
        zip_build_end(&z, "");
        bytes_free(&p);
        bytes_free(&z.central);
        free(large);
        expect("A24 view", z.file, STATUS_LIMIT, "key 'w'",
               mib == 48 ? "view of a deflated record" : "inflates to");
    }
    free(zeros);
    /* Damage within the deflate stream: it is found as such or by the CRC, always with the entry's
     * name. */
    Bytes good = SPOILT("a/data.pkl", .deflate = true);
    size_t from = 30 + strlen("a/data.pkl");
    for (size_t i = from; i < from + 100; i++) {
        Bytes b = {0};
        bytes_add(&b, good.data, good.size);
        b.data[i] ^= 0x55;
        expect("A25", b, STATUS_INPUT, "a/data.pkl", NULL);
    }
    bytes_free(&good);
    expect("A25 tail", SPOILT("a/data/0", .deflate = true, .tail = 5), STATUS_INPUT, "a/data/0",
           "5 bytes behind the end of the deflated data");
    expect("A25 tail", SPOILT("a/data.pkl", .deflate = true, .tail = 1), STATUS_INPUT, "a/data.pkl",
           "1 bytes behind the end of the deflated data");
    expect("A25 size", SPOILT("a/data/0", .deflate = true, .size_change = 1), STATUS_INPUT,
           "a/data/0", NULL);
    expect("A25 short", SPOILT("a/data/0", .deflate = true, .size_change = -1), STATUS_INPUT,
           "a/data/0", NULL);
}

static void a_without_crcs(void **state)
{
    (void)state;
    Bytes p = good_pickle(false);
    ZipBuild z = {0};
    zip_build_entry(&z, "a/data.pkl", p.data, p.size, &(ZipField){.no_crc = true});
    zip_build_entry(&z, "a/data/0", ramp, 16, &(ZipField){.no_crc = true});
    zip_build_entry(&z, "a/version", "3\n", 2, &(ZipField){.no_crc = true});
    zip_build_end(&z, "");
    bytes_free(&p);
    assert_int_equal(run("A28", z.file.data, z.file.size, NULL), STATUS_OK);
    CheckpointOptions strict = {.require_crc = true};
    assert_int_equal(run("A28", z.file.data, z.file.size, &strict), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "without CRCs"));
    zip_build_free(&z);
}

static void a_many_entries(void **state)
{
    (void)state;
    enum { ENTRIES = 1000001 };
    /* A directory of a million and one entries for one local header. */
    Bytes b = {0};
    ZipBuild z = {0};
    zip_build_entry(&z, "a/", "", 0, NULL);
    bytes_add(&b, z.file.data, z.file.size);
    uint64_t at = b.size, size = (uint64_t)ENTRIES * z.central.size;
    for (int i = 0; i < ENTRIES; i++)
        bytes_add(&b, z.central.data, z.central.size);
    uint64_t end = b.size;
    bytes_text(&b, "PK\6\6");
    bytes_little(&b, 44, 8);
    bytes_little(&b, 0, 12);
    bytes_little(&b, ENTRIES, 8);
    bytes_little(&b, ENTRIES, 8);
    bytes_little(&b, size, 8);
    bytes_little(&b, at, 8);
    bytes_text(&b, "PK\6\7");
    bytes_little(&b, 0, 4);
    bytes_little(&b, end, 8);
    bytes_little(&b, 1, 4);
    bytes_text(&b, "PK\5\6");
    bytes_little(&b, 0, 4);
    bytes_little(&b, 0xffffffff, 4);
    bytes_little(&b, 0xffffffff, 4);
    bytes_little(&b, 0xffffffff, 4);
    bytes_little(&b, 0, 2);
    zip_build_free(&z);
    expect("A35", b, STATUS_LIMIT, "too many entries (1000001", NULL);
}

/* Things that are no files, and a file that shrinks while it is open. */
static void a_not_files(void **state)
{
    (void)state;
    char *folder = temporary_folder(), path[4096], nowhere[4096];
    Checkpoint *c;
    snprintf(nowhere, sizeof nowhere, "%s/never made/x.pth", folder);
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    const char *const paths[] = {folder, path, "/dev/zero", "/proc/self/mem", nowhere};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(checkpoint_open(paths[i], NULL, &c), STATUS_IO);
        assert_non_null(strstr(status_text(), paths[i]));
    }
    Bytes good = good_zip();
    snprintf(path, sizeof path, "%s/shrinks.pth", folder);
    bytes_write(path, good.data, good.size);
    bytes_free(&good);
    assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_OK);
    float values[4];
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_FLOAT32, values),
                     STATUS_IO);
    assert_non_null(strstr(status_text(), "shrank"));
    checkpoint_close(c);
    snprintf(path, sizeof path, "%s/empty.pth", folder);
    bytes_write(path, "", 0);
    assert_int_equal(checkpoint_open(path, NULL, &c), STATUS_INPUT);
    assert_non_null(strstr(status_text(), "empty file"));
    remove_folder(folder);
    free(folder);
}

int main(int argc, char **argv)
{
    int code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_load), cmocka_unit_test(a_ends),
        cmocka_unit_test(a_directory), cmocka_unit_test(a_zip64_extra), cmocka_unit_test(a_zip64_local),
        cmocka_unit_test(a_local_headers), cmocka_unit_test(a_overlaps),
        cmocka_unit_test(a_names), cmocka_unit_test(a_records), cmocka_unit_test(a_deflate),
        cmocka_unit_test(a_without_crcs), cmocka_unit_test(a_many_entries),
        cmocka_unit_test(a_not_files),
    };
    if (malformed_child(argc, argv, &code))
        return code;
    return cmocka_run_group_tests(tests, NULL, malformed_report);
}
