/* Decoding: every kind of JPEG and PNG, parts of images, and section H of the malformed inputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/rng.h"
#include "image/budget.h"
#include "image/decode.h"
#include "image/encode_png.h"
#include "support_image.h"

#include <png.h>
#include <stdio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

static const JpegKind KINDS[] = {
    {.components = 3},
    {.components = 3, .h = 2},
    {.components = 3, .v = 2},
    {.components = 3, .h = 2, .v = 2},
    {.components = 3, .h = 2, .v = 2, .restart = 3},
    {.components = 3, .h = 2, .v = 2, .progressive = true},
    {.components = 3, .h = 2, .v = 1, .progressive = true, .restart = 5},
    {.components = 3, .h = 2, .v = 2, .arithmetic = true},
    {.components = 3, .arithmetic = true, .progressive = true},
    {.components = 1},
    {.components = 1, .progressive = true},
    {.components = 4},
    {.components = 4, .ycck = true},
};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

/* The bytes decode to nothing but this status, with a text, and leave the result alone. */
static void assert_refused(const uint8_t *bytes, size_t size, Status want, const char *what)
{
    Image image = {.width = -7};
    Status status = image_decode("made up.jpg", bytes, size, &image);
    if (status != want)
        fail_msg("%s: status %d instead of %d: %s", what, status, want, status_text());
    assert_int_equal(image.width, -7);
    assert_non_null(strstr(status_text(), "made up.jpg: "));
}

static void near_the_original(void **state)
{
    (void)state;
    Image image = image_pattern(83, 61, 1);
    for (int k = 0; k < KIND_COUNT; k++) {
        size_t size;
        JpegKind kind = KINDS[k];
        kind.quality = 99;
        uint8_t *bytes = jpeg_write(&image, &kind, &size);
        Image decoded;
        assert_int_equal(image_decode("t", bytes, size, &decoded), STATUS_OK);
        assert_true(decoded.width == 83 && decoded.height == 61);
        double away = 0;
        for (int i = 0; i < 83 * 61; i++) {
            const uint8_t *p = image.pixels + 3 * i, *q = decoded.pixels + 3 * i;
            int key = (p[0] + p[1] + p[2]) / 3,
                luma = (p[0] * 299 + p[1] * 587 + p[2] * 114) / 1000;
            for (int c = 0; c < 3; c++) {
                /* Four components are taken for inverted: CMY 255 - p under K 255 - key. */
                double want = KINDS[k].components == 1   ? luma
                              : KINDS[k].components == 4 ? p[c] * key / 255.0
                                                         : p[c];
                away += abs((int)want - q[c]);
            }
        }
        away /= 3 * 83 * 61;
        if (away > (KINDS[k].h == 2 || KINDS[k].v == 2 ? 12 : KINDS[k].ycck ? 5 : 3))
            fail_msg("kind %d: mean difference %.1f", k, away);
        image_free(&decoded);
        free(bytes);
    }
    image_free(&image);
}

static ImageBox want_box(int width, int height, void *context)
{
    (void)width, (void)height;
    return *(ImageBox *)context;
}

static void assert_part(const uint8_t *bytes, size_t size, const Image *full, ImageBox want,
                        int kind)
{
    Image part;
    ImageBox box, whole;
    assert_int_equal(image_decode_part("t", bytes, size, want_box, &want, &part, &box, &whole),
                     STATUS_OK);
    assert_true(whole.width == full->width && whole.height == full->height);
    assert_true(box.left <= want.left && box.top <= want.top);
    assert_true(box.left + box.width >= want.left + want.width);
    assert_true(box.top + box.height >= want.top + want.height);
    assert_true(part.width == box.width && part.height == box.height);
    for (int y = 0; y < box.height; y++)
        if (memcmp(part.pixels + (size_t)y * (size_t)box.width * 3,
                   full->pixels +
                       ((size_t)(box.top + y) * (size_t)full->width + (size_t)box.left) * 3,
                   (size_t)box.width * 3) != 0)
            fail_msg("kind %d, box %d %d %d %d of %d x %d: row %d differs from the whole decode",
                     kind, box.left, box.top, box.width, box.height, full->width, full->height, y);
    image_free(&part);
}

/* The offset of a JPEG marker's 0xff byte. */
static size_t marker_at(const uint8_t *bytes, size_t size, uint8_t marker, size_t from)
{
    for (size_t i = from; i + 1 < size; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == marker)
            return i;
    fail_msg("no marker %02x", marker);
    return 0;
}

/* Random boxes of a file: each equals the whole decode. */
static void assert_parts(const uint8_t *bytes, size_t size, int kind, Rng *rng)
{
    Image full;
    assert_int_equal(image_decode("t", bytes, size, &full), STATUS_OK);
    for (int trial = 0; trial < 25; trial++) {
        ImageBox want;
        want.width = 1 + (int)rng_below(rng, (uint32_t)full.width);
        want.height = 1 + (int)rng_below(rng, (uint32_t)full.height);
        want.left = (int)rng_below(rng, (uint32_t)(full.width - want.width + 1));
        want.top = (int)rng_below(rng, (uint32_t)(full.height - want.height + 1));
        assert_part(bytes, size, &full, want, kind);
    }
    image_free(&full);
}

/* A progressive file without its scans from the n-th on: libjpeg smooths what it has. */
static size_t without_scans(uint8_t *bytes, size_t size, int n)
{
    size_t at = marker_at(bytes, size, 0xda, 0);
    while (n-- > 0)
        at = marker_at(bytes, size, 0xda, at + 2);
    memcpy(bytes + at, "\xff\xd9", 2);
    return at + 2;
}

static void parts_equal_the_whole(void **state)
{
    (void)state;
    static const int sizes[][2] = {{200, 150}, {97, 131}, {33, 300}, {16, 16}, {7, 5}, {321, 40}};
    Rng rng = rng_stream(4, 0, 0, RNG_TEST);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        Image image = image_pattern(sizes[s][0], sizes[s][1], s);
        for (int k = 0; k < KIND_COUNT; k++) {
            size_t size;
            uint8_t *bytes = jpeg_write(&image, &KINDS[k], &size);
            assert_parts(bytes, size, k, &rng);
            for (int scans = 4; scans > 0 && KINDS[k].progressive; scans--) {
                size = without_scans(bytes, size, scans);
                assert_parts(bytes, size, k, &rng);
            }
            free(bytes);
        }
        image_free(&image);
    }
}

/* H03: a file cut anywhere is refused, also when only its upper left corner is asked for. */
static void truncated(void **state)
{
    (void)state;
    Image image = image_pattern(64, 48, 2);
    for (int k = 0; k < KIND_COUNT; k++) {
        size_t size;
        uint8_t *bytes = jpeg_write(&image, &KINDS[k], &size);
        for (size_t n = 0; n < size; n += k == 3 ? 1 : size / 16) {
            uint8_t *copy = mem_alloc(n); /* of that size, so that a sanitizer sees a read beyond */
            memcpy(copy, bytes, n);
            assert_refused(copy, n, STATUS_INPUT, "truncated JPEG");
            ImageBox want = {0, 0, 8, 8}, box, whole;
            Image part;
            assert_int_equal(image_decode_part("t", copy, n, want_box, &want, &part, &box, &whole),
                             STATUS_INPUT);
            free(copy);
        }
        free(bytes);
    }
    image_free(&image);
}

/* Damage by single bits: whatever comes out, it is a picture of the size the header says, or a
 * refusal. */
static void flipped_bits(void **state)
{
    (void)state;
    Image image = image_pattern(40, 30, 3);
    Rng rng = rng_stream(6, 0, 0, RNG_TEST);
    int refused = 0, total = 0;
    for (int k = 0; k < KIND_COUNT; k++) {
        size_t size;
        uint8_t *bytes = jpeg_write(&image, &KINDS[k], &size);
        for (int trial = 0; trial < 150; trial++, total++) {
            uint8_t *copy = mem_alloc(size);
            memcpy(copy, bytes, size);
            copy[rng_below(&rng, (uint32_t)size)] ^= (uint8_t)(1 << rng_below(&rng, 8));
            ImageBox want = {0, 0, 1, 1}, box, whole;
            Image part;
            Status status = image_decode_part("t", copy, size, want_box, &want, &part, &box,
                                              &whole);
            assert_true(status == STATUS_OK || status == STATUS_INPUT || status == STATUS_LIMIT);
            refused += status != STATUS_OK;
            if (status == STATUS_OK)
                image_free(&part);
            free(copy);
        }
        free(bytes);
    }
    printf("  %d of %d refused\n", refused, total);
    assert_true(refused > total / 10);
    image_free(&image);
}

/* H04 */
static void not_images(void **state)
{
    (void)state;
    assert_refused((const uint8_t *)"", 0, STATUS_INPUT, "empty");
    assert_refused((const uint8_t *)"GIF89a\1\0\1\0\0\0\0;", 14, STATUS_INPUT, "GIF");
    assert_refused((const uint8_t *)"\xff\xd8", 2, STATUS_INPUT, "two bytes");
    assert_refused((const uint8_t *)"\xff\xd8\xff", 3, STATUS_INPUT, "three bytes");
    assert_refused((const uint8_t *)"\x89PNG\r\n\x1a\n", 8, STATUS_INPUT, "PNG signature");
    assert_refused((const uint8_t *)"<html>not found</html>", 22, STATUS_INPUT, "HTML");
}

/* H04: twelve bits, two components; H05: a huge header on few bytes. */
static void bad_headers(void **state)
{
    (void)state;
    Image image = image_pattern(16, 16, 3);
    size_t size, sof;
    uint8_t *bytes = jpeg_write(&image, &KINDS[0], &size);
    sof = marker_at(bytes, size, 0xc0, 0);
    bytes[sof + 4] = 12;
    assert_refused(bytes, size, STATUS_INPUT, "12 bits");
    bytes[sof + 4] = 8;
    memset(bytes + sof + 5, 0, 2);
    assert_refused(bytes, size, STATUS_INPUT, "height 0");
    memcpy(bytes + sof + 5, "\xff\xdc\xff\xdc", 4); /* 65500 x 65500 */
    int64_t before = clock_peak_memory();
    assert_refused(bytes, size < 700 ? size : 700, STATUS_LIMIT, "65500 x 65500");
    assert_true(clock_peak_memory() - before < 8 << 20);
    assert_non_null(strstr(status_text(), "65500"));
    free(bytes);
    image_free(&image);
}

/* A size within the limits that the file's few bytes cannot fill: refused without the memory for
 * it. */
static void large_but_empty(void **state)
{
    (void)state;
    Image image = image_pattern(64, 64, 3);
    for (int k = 0; k < KIND_COUNT; k++) {
        size_t size, at = 2;
        uint8_t *bytes = jpeg_write(&image, &KINDS[k], &size);
        while (bytes[at + 1] < 0xc0 || bytes[at + 1] > 0xcf || bytes[at + 1] == 0xc4)
            at += 2 + ((size_t)bytes[at + 2] << 8) + bytes[at + 3];
        memcpy(bytes + at + 5, "\x32\xc8\x32\xc8", 4); /* 13000 x 13000 */
        int64_t before = clock_peak_memory();
        double begin = clock_seconds();
        ImageBox want = {0, 0, 13000, 13000}, box, whole;
        Image part;
        Status status = image_decode_part("t", bytes, size, want_box, &want, &part, &box, &whole);
        if (status != STATUS_LIMIT ||
            clock_seconds() - begin > 1 || clock_peak_memory() - before > 64 << 20)
            fail_msg("kind %d: status %d, %.2f s, %lld bytes", k, status, clock_seconds() - begin,
                     (long long)(clock_peak_memory() - before));
        free(bytes);
    }
    image_free(&image);
}

/* H06: 1,000 scans, each over a million blocks by a few bytes. A scan of a progressive file of one colour (one that
 * brings no mean values) is repeated. */
static void many_scans(void **state)
{
    (void)state;
    Image image = image_new(4096, 4096);
    memset(image.pixels, 128, (size_t)4096 * 4096 * 3);
    size_t size, repeats = 1000;
    uint8_t *bytes = jpeg_write(&image, &(JpegKind){.components = 1, .progressive = true}, &size);
    size_t first = marker_at(bytes, size, 0xda, marker_at(bytes, size, 0xda, 0) + 2), next = first + 2;
    while (bytes[next] != 0xff || bytes[next + 1] == 0)
        next++;
    size_t scan = next - first, total = size + scan * repeats;
    uint8_t *many = mem_alloc(total);
    memcpy(many, bytes, next);
    for (size_t i = 0; i < repeats; i++)
        memcpy(many + next + i * scan, bytes + first, scan);
    memcpy(many + next + scan * repeats, bytes + next, size - next);
    double begin = clock_seconds();
    assert_refused(many, total, STATUS_LIMIT, "1,000 scans");
    assert_true(clock_seconds() - begin < 1);
    free(many);
    free(bytes);
    image_free(&image);
}

/* H04: an orientation tag changes nothing, a second image after the first (MPO) and filler
 * neither. */
static void ignored_parts(void **state)
{
    (void)state;
    Image image = image_pattern(24, 16, 3), plain, tagged;
    size_t size;
    uint8_t *bytes = jpeg_write(&image, &KINDS[0], &size);
    static const uint8_t exif[] =
        "\xff\xe1\x00\x22"
        "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    size_t tag = 2 + 0x22;
    uint8_t *both = mem_alloc(2 * size + tag);
    memcpy(both, bytes, 2);
    memcpy(both + 2, exif, tag);
    memcpy(both + 2 + tag, bytes + 2, size - 2);
    memcpy(both + size + tag, bytes, size);
    assert_int_equal(image_decode("t", bytes, size, &plain), STATUS_OK);
    assert_int_equal(image_decode("t", both, 2 * size + tag, &tagged), STATUS_OK);
    assert_true(tagged.width == 24 && tagged.height == 16);
    assert_memory_equal(plain.pixels, tagged.pixels, 24 * 16 * 3);
    free(both);
    free(bytes);
    image_free(&plain), image_free(&tagged), image_free(&image);
}

typedef void PngWant(const uint8_t *row, int x, uint8_t rgb[3]);

static int packed(const uint8_t *row, int x, int depth)
{
    return row[x * depth / 8] >> (8 - depth - x * depth % 8) & ((1 << depth) - 1);
}

static void grey1(const uint8_t *row, int x, uint8_t rgb[3])
{
    memset(rgb, 255 * packed(row, x, 1), 3);
}
static void grey2(const uint8_t *row, int x, uint8_t rgb[3])
{
    memset(rgb, 85 * packed(row, x, 2), 3);
}
static void grey4(const uint8_t *row, int x, uint8_t rgb[3])
{
    memset(rgb, 17 * packed(row, x, 4), 3);
}
static void grey8(const uint8_t *row, int x, uint8_t rgb[3]) { memset(rgb, row[x], 3); }
static void grey16(const uint8_t *row, int x, uint8_t rgb[3])
{
    memset(rgb, row[2 * x] ? 255 : row[2 * x + 1], 3);
}
static void rgb8(const uint8_t *row, int x, uint8_t rgb[3]) { memcpy(rgb, row + 3 * x, 3); }
static void rgba8(const uint8_t *row, int x, uint8_t rgb[3]) { memcpy(rgb, row + 4 * x, 3); }
static void ga8(const uint8_t *row, int x, uint8_t rgb[3]) { memset(rgb, row[2 * x], 3); }
static void ga16(const uint8_t *row, int x, uint8_t rgb[3]) { memset(rgb, row[4 * x], 3); }

static void wide(const uint8_t *p, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++)
        rgb[c] = p[2 * c];
}

static void rgb16(const uint8_t *row, int x, uint8_t rgb[3]) { wide(row + 6 * x, rgb); }
static void rgba16(const uint8_t *row, int x, uint8_t rgb[3]) { wide(row + 8 * x, rgb); }

enum { PALETTE = 11 };

static void colour(int i, uint8_t rgb[3])
{
    rgb[0] = (uint8_t)(i < PALETTE ? 3 * i : i);
    rgb[1] = (uint8_t)(i < PALETTE ? 255 - i : i);
    rgb[2] = (uint8_t)(i < PALETTE ? i ^ 85 : i);
}

static void palette4(const uint8_t *row, int x, uint8_t rgb[3]) { colour(packed(row, x, 4), rgb); }
static void palette8(const uint8_t *row, int x, uint8_t rgb[3]) { colour(row[x], rgb); }

static const struct {
    int type, depth;
    PngWant *want;
} PNGS[] = {
    {PNG_COLOR_TYPE_GRAY, 1, grey1},       {PNG_COLOR_TYPE_GRAY, 2, grey2},
    {PNG_COLOR_TYPE_GRAY, 4, grey4},       {PNG_COLOR_TYPE_GRAY, 8, grey8},
    {PNG_COLOR_TYPE_GRAY, 16, grey16},     {PNG_COLOR_TYPE_RGB, 8, rgb8},
    {PNG_COLOR_TYPE_RGB, 16, rgb16},       {PNG_COLOR_TYPE_RGBA, 8, rgba8},
    {PNG_COLOR_TYPE_RGBA, 16, rgba16},     {PNG_COLOR_TYPE_GRAY_ALPHA, 8, ga8},
    {PNG_COLOR_TYPE_GRAY_ALPHA, 16, ga16}, {PNG_COLOR_TYPE_PALETTE, 4, palette4},
    {PNG_COLOR_TYPE_PALETTE, 8, palette8},
};
enum { PNG_COUNT = sizeof PNGS / sizeof *PNGS, WIDE = 37, TALL = 23, ROW_BYTES = WIDE * 8 };

static uint8_t *png_random(int kind, bool interlaced, uint8_t rows[TALL][ROW_BYTES], size_t *size)
{
    Rng rng = rng_stream(8, 0, (uint64_t)kind, RNG_TEST);
    uint8_t *pointers[TALL];
    for (int y = 0; y < TALL; y++) {
        pointers[y] = rows[y];
        for (int i = 0; i < ROW_BYTES; i++)
            rows[y][i] = (uint8_t)(PNGS[kind].depth == 16 && rng_below(&rng, 3) == 0
                                       ? 0
                                       : rng_bits(&rng));
    }
    return png_write(WIDE, TALL, PNGS[kind].type, PNGS[kind].depth, interlaced, PALETTE, pointers,
                     size);
}

static void png_kinds(void **state)
{
    (void)state;
    static uint8_t rows[TALL][ROW_BYTES];
    for (int kind = 0; kind < PNG_COUNT; kind++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            size_t size;
            uint8_t *bytes = png_random(kind, interlaced, rows, &size);
            Image image;
            assert_int_equal(image_decode("a PNG named so.JPEG", bytes, size, &image), STATUS_OK);
            assert_true(image.width == WIDE && image.height == TALL);
            for (int y = 0; y < TALL; y++)
                for (int x = 0; x < WIDE; x++) {
                    uint8_t want[3];
                    PNGS[kind].want(rows[y], x, want);
                    if (memcmp(want, image.pixels + (y * WIDE + x) * 3, 3) != 0)
                        fail_msg("kind %d, pixel %d, %d", kind, x, y);
                }
            image_free(&image);
            free(bytes);
        }
}

static void png_damaged(void **state)
{
    (void)state;
    static uint8_t rows[TALL][ROW_BYTES];
    for (int kind = 0; kind < PNG_COUNT; kind += 4) {
        size_t size;
        uint8_t *bytes = png_random(kind, kind % 8 == 4, rows, &size);
        for (size_t n = 0; n < size; n += 1 + size / 200) {
            uint8_t *copy = mem_alloc(n);
            memcpy(copy, bytes, n);
            if (n + 40 < size) /* behind the last row nothing is missed */
                assert_refused(copy, n, STATUS_INPUT, "truncated PNG");
            free(copy);
        }
        for (size_t at = 8; at < 33; at++) { /* the header has a checksum */
            bytes[at] ^= 0x10;
            assert_refused(bytes, size, STATUS_INPUT, "flipped bit in a PNG's header");
            bytes[at] ^= 0x10;
        }
        free(bytes);
    }
}

/* H05 for PNG: the size is refused before memory is taken. */
static void png_too_large(void **state)
{
    (void)state;
    static const struct {
        uint32_t width, height;
    } sizes[] = {{65535, 65535}, {70000, 1}, {1, 1u << 30}};
    for (int i = 0; i < 3; i++) {
        uint8_t head[29], bytes[45] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13};
        memcpy(head, "IHDR", 4);
        for (int b = 0; b < 4; b++) {
            head[4 + b] = (uint8_t)(sizes[i].width >> (24 - 8 * b));
            head[8 + b] = (uint8_t)(sizes[i].height >> (24 - 8 * b));
        }
        memcpy(head + 12, "\x08\x02\0\0\0", 5);
        uint32_t crc = 0xffffffffu;
        for (int n = 0; n < 17; n++) {
            crc ^= head[n];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
        crc = ~crc;
        memcpy(bytes + 12, head, 17);
        for (int b = 0; b < 4; b++)
            bytes[29 + b] = (uint8_t)(crc >> (24 - 8 * b));
        memcpy(bytes + 33, "\0\0\0\0IDAT\x35\xaf\x06\x1e", 12);
        int64_t before = clock_peak_memory();
        assert_refused(bytes, sizeof bytes, STATUS_LIMIT, "huge PNG");
        assert_true(clock_peak_memory() - before < 8 << 20);
    }
}

/* H02, H10: what cannot be opened. */
static void missing_files(void **state)
{
    (void)state;
    Image image = {.width = -7};
    assert_int_equal(image_read("no such file.jpg", &image), STATUS_IO);
    assert_int_equal(image_read("/", &image), STATUS_IO);
    assert_int_equal(image_read("/dev/zero", &image), STATUS_IO);
    assert_int_equal(image.width, -7);
}

static void write_and_read(void **state)
{
    (void)state;
    Image image = image_pattern(19, 11, 5), back;
    char path[] = "test_image_decode.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(image_write_png(path, &image), STATUS_OK);
    assert_int_equal(image_read(path, &back), STATUS_OK);
    assert_memory_equal(image.pixels, back.pixels, 19 * 11 * 3);
    unlink(path);
    assert_int_equal(image_write_png("no such folder/a.png", &image), STATUS_IO);
    assert_non_null(strstr(status_text(), "no such folder/a.png"));
    image_free(&image), image_free(&back);
}

/* Decoding in several threads stays within the budget: two that take more than half of it never do so at once, and
 * one that takes more than all of it gets it alone. */
static atomic_int decoding, most_at_once;

static void *take_much(void *bytes)
{
    for (int i = 0; i < 20; i++) {
        budget_take(*(const size_t *)bytes);
        int now = atomic_fetch_add(&decoding, 1) + 1;
        if (now > atomic_load(&most_at_once))
            atomic_store(&most_at_once, now);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        atomic_fetch_sub(&decoding, 1);
        budget_give(*(const size_t *)bytes);
    }
    return NULL;
}

static void budget_is_shared(void **state)
{
    (void)state;
    static size_t sizes[] = {(size_t)BUDGET_BYTES / 2 + 1, (size_t)BUDGET_BYTES + 1, (size_t)BUDGET_BYTES / 2 + 2,
                             (size_t)2 * BUDGET_BYTES};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_much, &sizes[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(most_at_once, 1);
    /* What decodes gives it all back. */
    Image image = image_pattern(2600, 2600, 3), out;
    size_t size;
    uint8_t *bytes = jpeg_write(&image, &KINDS[0], &size);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(image_decode("t", bytes, size, &out), STATUS_OK);
        image_free(&out);
    }
    free(bytes);
    image_free(&image);
    assert_int_equal(pthread_create(&threads[0], NULL, take_much, &sizes[1]), 0); /* waits for ever if not */
    pthread_join(threads[0], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_is_shared),
        cmocka_unit_test(near_the_original), cmocka_unit_test(parts_equal_the_whole),
        cmocka_unit_test(truncated),         cmocka_unit_test(flipped_bits),
        cmocka_unit_test(not_images),        cmocka_unit_test(bad_headers),
        cmocka_unit_test(large_but_empty),   cmocka_unit_test(many_scans),
        cmocka_unit_test(ignored_parts),
        cmocka_unit_test(png_kinds),         cmocka_unit_test(png_damaged),
        cmocka_unit_test(png_too_large),     cmocka_unit_test(missing_files),
        cmocka_unit_test(write_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
