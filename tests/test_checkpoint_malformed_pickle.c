/* Malformed pickles (family B) and tensors (C), each in a sound zip, with exit code and what the
 * message must name; and views that are sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support_malformed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- B: the pickle */

static void b_structure(void **state)
{
    (void)state;
    expect("B01", zip_of((Bytes){0}, NULL, 0), STATUS_INPUT, "end of pickle without STOP",
           "a/data.pkl");
    expect("B01", OPS(""), STATUS_INPUT, "end of pickle without STOP", NULL);
    Bytes good = good_pickle(false);
    for (size_t n = 0; n < good.size; n++) {
        Bytes p = {0};
        bytes_add(&p, good.data, n);
        expect("B02", zip_of(p, ramp, 16), STATUS_INPUT, "a/data.pkl", NULL);
    }
    bytes_free(&good);
    expect("B03", OPS("}.x"), STATUS_INPUT, "1 bytes behind the end of the pickle", NULL);
    for (int version = 0; version < 256; version++) {
        Bytes p = {0};
        bytes_byte(&p, 0x80);
        bytes_byte(&p, version);
        bytes_text(&p, "}.");
        bool fine = version >= 2 && version <= 5;
        expect("B04", zip_of(p, NULL, 0), fine ? STATUS_OK : STATUS_INPUT, fine ? NULL : "protocol",
               NULL);
    }
    expect("B05", OPS("\x95\6\0\0\0\0\0\0\0}\x94\x8c\1aK\1s."), STATUS_INPUT, NULL, NULL);
    expect("B05", OPS("\x95\x8\0\0\0\0\0\0\0}\x94\x8c\1aK\1s."), STATUS_OK, NULL, NULL);
    expect("B06 large", OPS("\x95\0\0\0\0\0\0\0\x80}."), STATUS_INPUT, "frame of", NULL);
    expect("B06 zero", OPS("\x95\0\0\0\0\0\0\0\0}."), STATUS_INPUT, "frame of 0 bytes", NULL);
    expect("B06 short", OPS("\x95\1\0\0\0\0\0\0\0}."), STATUS_OK, NULL, NULL);
    expect("B06 straddle", OPS("\x95\3\0\0\0\0\0\0\0}\x8c\1aK\1s."), STATUS_INPUT,
           "end of its frame", NULL);
    expect("B06 nested", OPS("\x95\13\0\0\0\0\0\0\0\x95\2\0\0\0\0\0\0\0}."), STATUS_INPUT,
           "frame within", NULL);
    expect("B06 stop", OPS("\x95\4\0\0\0\0\0\0\0}.  "), STATUS_INPUT, "STOP within a frame", NULL);
    expect("B06 beyond", OPS("\x95\3\0\0\0\0\0\0\0}."), STATUS_INPUT, "frame of 3 bytes", NULL);
    for (int op = 0; op < 256; op++) {
        Bytes p = {0};
        bytes_byte(&p, op);
        bytes_text(&p, "\x02}.");
        expect("B07", zip_of(p, NULL, 0), op == 0x80 ? STATUS_OK : STATUS_INPUT, NULL, NULL);
        Bytes q = {0};
        begin(&q);
        bytes_byte(&q, op);
        Bytes zip = zip_of(q, NULL, 0);
        run("B07 alone", zip.data, zip.size, NULL);
        bytes_free(&zip);
    }
}

static void b_calls(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"os", "system"}, {"posix", "system"}, {"builtins", "eval"}, {"__builtin__", "eval"},
        {"builtins", "exec"}, {"__builtin__", "execfile"}, {"torch.hub", "load"}, {"numpy", "load"},
        {"subprocess", "Popen"}, {"nt", "system"}, {"builtins", "setattr"}, {"runpy", "run_path"},
        {"code", "interact"}, {"commands", "getoutput"}, {"profile", "runctx"}, {"trace", "Trace"},
        {"torch.serialization", "load"}, {"torch.serialization", "_get_layouts"}, {"torch", "load"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char full[64];
        snprintf(full, sizeof full, "names %s.%s", names[i][0], names[i][1]);
        Bytes p = {0};
        begin(&p);
        bytes_text(&p, "}");
        pickle_text(&p, "x");
        pickle_global(&p, names[i][0], names[i][1]);
        pickle_text(&p, "touch /tmp/owned");
        bytes_text(&p, "\x85Rs.");
        expect("B08", zip_of(p, NULL, 0), STATUS_INPUT, full, "a/data.pkl");
        Bytes q = {0};
        begin(&q);
        pickle_text(&q, names[i][0]);
        pickle_text(&q, names[i][1]);
        bytes_text(&q, "\x93)R.");
        expect("B08", zip_of(q, NULL, 0), STATUS_INPUT, full, NULL);
    }
    expect("B09", OPS("cos"), STATUS_INPUT, NULL, NULL);
    /* Opaque, as every class is that is only unknown; also what is made of an object fetched by getattr. */
#define OPAQUE(text) {text, sizeof(text) - 1}
    static const struct {
        const char *ops;
        size_t size;
    } objects[] = {
        OPAQUE("cbuiltins\ngetattr\n(c__main__\nOuter\nX\5\0\0\0InnertR)\x81}b"),
        OPAQUE("c__builtin__\ngetattr\n(c__main__\nColour\nX\3\0\0\0redtR"),
        OPAQUE("ctorch.serialization\n_get_layout\nX\1\0\0\0x\x85R"),
        OPAQUE("ccode.model\nNet\n)\x81"),
        OPAQUE("ctrace.x\nY\n)R"),
        OPAQUE("cprofile.data\nSet\n)R"),
        OPAQUE("ccommands.base\nRun\n)R"),
        OPAQUE("\x8f(K\1K\2\x90"),
        OPAQUE("(K\1K\2\x91"),
        OPAQUE("\x96\2\0\0\0\0\0\0\0ab")};
#undef OPAQUE
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        Bytes o = {0};
        begin(&o);
        bytes_text(&o, "}(");
        pickle_text(&o, "args");
        bytes_add(&o, objects[i].ops, objects[i].size);
        pickle_text(&o, "w");
        pickle_tensor(&o, "Float", "0", 4, 0, 1, D(4), D(1), false);
        bytes_text(&o, "u.");
        expect("opaque", zip_of(o, ramp, 16), STATUS_OK, NULL, NULL);
    }
    expect("B11 getattr", OPS("}(X\1\0\0\0xcbuiltins\ngetattr\n)R]Ru."), STATUS_INPUT, "needs a tuple", NULL);
    expect("B09 empty", OPS("c\n\n."), STATUS_INPUT, "without a name", NULL);
    expect("B09 utf8", OPS("ca\xff\nb\n."), STATUS_INPUT, "not UTF-8", NULL);
    Bytes p = {0};
    begin(&p);
    bytes_byte(&p, 'c');
    for (int i = 0; i < 10 << 20; i++)
        bytes_byte(&p, 'x');
    expect("B09 long", zip_of(p, NULL, 0), STATUS_INPUT, "without an end", NULL);
    expect("B10", OPS("K\1K\2\x93."), STATUS_INPUT, "STACK_GLOBAL with an integer", NULL);
    static const char *const refused[] = {"(i",      "(o",    "\x82\1", "\x83\1\1", "\x84\1\1\1\1",
                                          "}}}\x92", "Pid\n", "I1\n",   "S'a'\n",
                                          "\x97",    "\x98"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        Bytes q = {0};
        begin(&q);
        bytes_text(&q, refused[i]);
        bytes_text(&q, ".");
        expect("B11", zip_of(q, NULL, 0), STATUS_INPUT, "is not one a checkpoint uses", NULL);
    }
    expect("B20 set", OPS("](K\1\x90."), STATUS_INPUT, "items added to a list (only a set takes them)", NULL);
    expect("B20 set", OPS("(K\1\x91(K\1\x90."), STATUS_INPUT, "items added to an opaque object", NULL);
    expect("B13 set", OPS("((K\1\x90."), STATUS_INPUT, "ADDITEMS without a set (1 items)", NULL);
    expect("B13 set", OPS("\x8f\x90."), STATUS_INPUT, "without a mark", NULL);
    expect("B11 reduce", OPS("}K\1)R."), STATUS_INPUT, "a call of an integer", NULL);
    expect("B11 reduce", OPS("cx\ny\nK\1R."), STATUS_INPUT, "with an integer (needs a tuple)",
           NULL);
    /* Unknown classes stay opaque: the weights beside them are read. */
    Bytes opaque = {0};
    begin(&opaque);
    bytes_text(&opaque, "}(");
    pickle_text(&opaque, "args");
    bytes_text(&opaque, "cargparse\nNamespace\n)\x81}b");
    pickle_text(&opaque, "w");
    pickle_tensor(&opaque, "Float", "0", 4, 0, 1, (int64_t[]){4}, (int64_t[]){1}, false);
    bytes_text(&opaque, "u.");
    expect("opaque", zip_of(opaque, ramp, 16), STATUS_OK, NULL, NULL);
}

static void b_stack(void **state)
{
    (void)state;
    static const char ops[] = ".0astubeRQq\x94\x81\x85\x86\x87\x93" "2";
    for (size_t i = 0; i + 1 < sizeof ops; i++) {
        Bytes p = {0};
        begin(&p);
        bytes_byte(&p, ops[i]);
        bytes_text(&p, "\0\0\0\0.");
        expect("B12", zip_of(p, NULL, 0), STATUS_INPUT, NULL, NULL);
        /* A mark protects what lies below it. */
        Bytes q = {0};
        begin(&q);
        bytes_text(&q, "}}}}(");
        bytes_byte(&q, ops[i]);
        bytes_text(&q, ".");
        expect("B12", zip_of(q, NULL, 0), STATUS_INPUT, NULL, NULL);
    }
    expect("B13", OPS("K\1t."), STATUS_INPUT, "without a mark", NULL);
    expect("B13", OPS("((}."), STATUS_INPUT, "2 open marks", NULL);
    expect("B13", OPS("1."), STATUS_INPUT, "without a mark", NULL);
    expect("B14", OPS("h\7."), STATUS_INPUT, "memo entry 7", NULL);
    expect("B14", OPS("}q\1j\7\0\0\1."), STATUS_INPUT, "memo entry 16777223", NULL);
    expect("B15", OPS("}r\xff\xff\xff\xff" "0j\xff\xff\xff\xff."), STATUS_OK, NULL, NULL);
    expect("B16", OPS("X\xff\xff\xff\xff" "abc."), STATUS_INPUT, "declares 4294967295 bytes", NULL);
    expect("B17",
           OPS("\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"
               "abc."),
           STATUS_INPUT, "declares 92233720", NULL);
    expect("B17",
           OPS("\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"
               "abc."),
           STATUS_INPUT, "declares 92233720", NULL);
    expect("B18", OPS("}X\1\0\0\0\xffK\1s."), STATUS_INPUT, "not UTF-8", NULL);
    expect("B18", OPS("}X\3\0\0\0\xed\xa0\x80K\1s."), STATUS_INPUT, "not UTF-8", NULL);
    expect("B18", OPS("}X\3\0\0\0a\0bK\1s."), STATUS_INPUT, "NUL", NULL);
    expect("B19", OPS("\x8b\xff\xff\xff\xff."), STATUS_INPUT, "negative length", NULL);
    expect("B20", OPS("}(K\1K\2K\3u."), STATUS_INPUT, "odd number", NULL);
    expect("B20", OPS("](K\1K\2u."), STATUS_INPUT, "items set in a list", NULL);
    expect("B20", OPS(")(K\1K\2u."), STATUS_INPUT, "items set in a tuple", NULL);
    expect("B20", OPS("]K\1K\2s."), STATUS_INPUT, "items set in a list", NULL);
    expect("B21", OPS("}K\1a."), STATUS_INPUT, "items appended to a dict", NULL);
    expect("B21", OPS("X\0\0\0\0(K\1e."), STATUS_INPUT, "items appended to a string", NULL);
    expect("B22", OPS("K\1}b."), STATUS_INPUT, "BUILD of an integer", NULL);
    expect("B22", OPS(")}b."), STATUS_INPUT, "BUILD of a tuple", NULL);
    Bytes p = {0};
    begin(&p);
    pickle_tensor(&p, "Float", "0", 4, 0, 1, (int64_t[]){4}, (int64_t[]){1}, false);
    Bytes q = {0}, s = {0};
    bytes_add(&q, p.data, p.size);
    bytes_add(&s, p.data, p.size);
    bytes_text(&p, "}b.");
    expect("B22 tensor", zip_of(p, ramp, 16), STATUS_INPUT, "BUILD of", NULL);
    bytes_text(&q, "K\1K\2s.");
    expect("B20 tensor", zip_of(q, ramp, 16), STATUS_INPUT, "items set in", NULL);
    bytes_text(&s, "K\1a.");
    expect("B21 tensor", zip_of(s, ramp, 16), STATUS_INPUT, "items appended to", NULL);
    expect("B22 cycle", OPS("cx\ny\n)\x81q\1}X\5\0\0\0stateh\1sb0}."), STATUS_OK, NULL, NULL);
    expect("B28", OPS("}(X\1\0\0\0aK\1X\1\0\0\0aK\2u."), STATUS_INPUT, "key 'a' stands twice",
           NULL);
    expect("B28", OPS("}K\5K\1sK\5K\2s."), STATUS_INPUT, "key '5' stands twice", NULL);
    expect("B28", OPS("ccollections\nOrderedDict\n)R(X\1\0\0\0aK\1X\1\0\0\0aK\2u."), STATUS_INPUT,
           "key 'a' stands twice", NULL);
}

static void b_sizes(void **state)
{
    (void)state;
    Bytes p = {0};
    begin(&p);
    for (int i = 0; i < 100000; i++)
        bytes_byte(&p, ']');
    for (int i = 0; i < 99999; i++)
        bytes_byte(&p, 'a');
    bytes_byte(&p, '.');
    expect("B23", zip_of(p, NULL, 0), STATUS_LIMIT, "nesting > 256", NULL);
    Bytes marks = {0};
    begin(&marks);
    for (int i = 0; i < 100000; i++)
        bytes_byte(&marks, '(');
    expect("B23 marks", zip_of(marks, NULL, 0), STATUS_LIMIT, "nesting > 256", NULL);
    expect("B24", OPS("]q\1h\1a."), STATUS_OK, NULL, NULL);
    expect("B24", OPS("}q\1X\1\0\0\0ah\1s."), STATUS_OK, NULL, NULL);
    expect("B24", OPS("]q\1(h\1h\1h\1e."), STATUS_OK, NULL, NULL);
    /* Ten lists, each ten times the one before: 10^9 leaves from 231 bytes. */
    Bytes laughs = {0};
    begin(&laughs);
    bytes_text(&laughs, "](K\1K\1K\1K\1K\1K\1K\1K\1K\1K\1eq");
    bytes_byte(&laughs, 0);
    for (int i = 0; i < 9; i++) {
        bytes_text(&laughs, "](");
        for (int k = 0; k < 10; k++) {
            bytes_byte(&laughs, 'h');
            bytes_byte(&laughs, i);
        }
        bytes_text(&laughs, "eq");
        bytes_byte(&laughs, i + 1);
    }
    for (int i = 0; i < 9; i++)
        bytes_text(&laughs, "\x86");
    bytes_byte(&laughs, '.');
    expect("B25", zip_of(laughs, NULL, 0), STATUS_LIMIT, "repeats itself", NULL);
    Bytes dup = {0};
    begin(&dup);
    bytes_text(&dup, "K\1");
    for (int i = 0; i < 60; i++)
        bytes_text(&dup, "2\x86");
    bytes_byte(&dup, '.');
    expect("B25 dup", zip_of(dup, NULL, 0), STATUS_LIMIT, "repeats itself", NULL);
    Bytes ops = {0};
    begin(&ops);
    for (int i = 0; i < 4500000; i++)
        bytes_text(&ops, ")0");
    bytes_text(&ops, "}.");
    expect("B26", zip_of(ops, NULL, 0), STATUS_LIMIT, NULL, NULL);
    Bytes many = {0};
    begin(&many);
    bytes_text(&many, "}(");
    for (int i = 0; i < 400000; i++) {
        bytes_byte(&many, 'J');
        bytes_little(&many, (uint64_t)i * 4096, 4);
        bytes_byte(&many, 'N');
    }
    bytes_text(&many, "u.");
    /* Were the keys to collide, this would take minutes: malformed_report. */
    expect("B27", zip_of(many, NULL, 0), STATUS_OK, NULL, NULL);
    Bytes big = {0};
    begin(&big);
    bytes_text(&big, "X");
    bytes_little(&big, (2 << 20), 4);
    for (int i = 0; i < 2 << 20; i++)
        bytes_byte(&big, 'x');
    bytes_byte(&big, '.');
    expect("string", zip_of(big, NULL, 0), STATUS_LIMIT, "string too long", NULL);
}

/* B29: not-a-number as a learning rate is data here; the training loader refuses it
 * (test_checkpoint_write). B30: what a persistent reference may be. */
static void b_persistent(void **state)
{
    (void)state;
    static const struct {
        const char *ops;
        size_t size;
        const char *part;
    } cases[] = {
#define CASE(text, part) {text, sizeof(text) - 1, part}
        CASE("K\1Q.", "is an integer (expected a tuple)"),
        CASE(")Q.", "expected a tuple"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cputQ.",
             "with 4 items"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpuK\4K\1K\1tQ.",
             "with 7 items"),
        CASE("(X\3\0\0\0stoctorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpuK\4tQ.",
             "something else"),
        CASE("(X\6\0\0\0modulectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpuK\4tQ.",
             "contains a Module"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nK\0X\3\0\0\0cpuK\4tQ.",
             "a class and a string"),
        CASE("(X\7\0\0\0storageK\1X\1\0\0\0"
             "0X\3\0\0\0cpuK\4tQ.",
             "a class and a string"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpuG\0\0\0\0\0\0\0\0tQ.",
             "a float as its number"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpu\x88tQ.",
             "a bool as its number"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpu\x8a\11\1\1\1\1\1\1\1\1\1tQ.",
             "beyond 64 bits"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\3\0\0\0cpuJ\xff\xff\xff\xfftQ.",
             "negative integer"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\4\0\0\0metaK\4tQ.",
             "location 'meta'"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0X\5\0\0\0xla:0K\4tQ.",
             "location 'xla:0'"),
        CASE("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
             "0NK\4tQ.",
             "location"),
#undef CASE
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect("B30", zip_of_ops(cases[i].ops, cases[i].size), STATUS_INPUT, cases[i].part,
               "a/data.pkl");
    static const char storage[] = "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X";
    Bytes far = {0};
    bytes_add(&far, storage, sizeof storage - 1);
    bytes_little(&far, 1 << 20, 4);
    bytes_text(&far, "cpu:");
    for (int i = 4; i < 1 << 20; i++)
        bytes_byte(&far, '0');
    bytes_add(&far, "K\4tQ.", 5);
    expect("B30 1 MiB", zip_of_ops((const char *)far.data, far.size), STATUS_INPUT, "location 'cpu:0000", "a/data.pkl");
    bytes_free(&far);
    /* Any card's number loads on any machine. */
    Bytes p = good_pickle(false);
    for (size_t i = 0; i + 8 < p.size; i++)
        if (memcmp(p.data + i, "X\3\0\0\0cpu", 8) == 0) {
            Bytes q = {0};
            bytes_add(&q, p.data, i);
            pickle_text(&q, "cuda:99");
            bytes_add(&q, p.data + i + 8, p.size - i - 8);
            expect("B30 cuda", zip_of(q, ramp, 16), STATUS_OK, NULL, NULL);
            break;
        }
    bytes_free(&p);
}

/* ---- C: tensors */

/* {'w': tensor} with these numbers, record data/0 of `bytes` bytes. */
static Bytes tensor_zip(const char *stem, int64_t numel, int64_t offset, int rank,
                        const int64_t *size, const int64_t *stride, size_t bytes)
{
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}");
    pickle_text(&p, "w");
    pickle_tensor(&p, stem, "0", numel, offset, rank, size, stride, false);
    bytes_text(&p, "s.");
    return zip_of(p, ramp, bytes);
}

static void c_bounds(void **state)
{
    (void)state;
    const char *key = "key 'w'";
    int64_t far = (int64_t)1 << 62;
    expect("C01", tensor_zip("Float", 64, 0, 1, D(64), D(1), 16), STATUS_INPUT, key,
           "record 16 bytes, needs 256");
    expect("C02", tensor_zip("Double", 4, 0, 1, D(4), D(1), 16), STATUS_INPUT, key,
           "record 16 bytes, needs 32");
    expect("C03", tensor_zip("Float", 4, 0, 1, D(4), D(1), 20), STATUS_INPUT, key,
           "record 20 bytes, needs 16");
    Bytes p = good_pickle(false);
    expect("C04", zip_of(p, NULL, 0), STATUS_INPUT, key, "a/data/0 is missing");
    expect("C05 numel", tensor_zip("Float", -4, 0, 1, D(4), D(1), 16), STATUS_INPUT, "negative",
           NULL);
    expect("C05 offset", tensor_zip("Float", 4, -1, 1, D(4), D(1), 16), STATUS_INPUT, key,
           "negative");
    expect("C05 size", tensor_zip("Float", 4, 0, 1, D(-4), D(1), 16), STATUS_INPUT, key,
           "negative");
    expect("C05 stride", tensor_zip("Float", 4, 3, 1, D(4), D(-1), 16), STATUS_INPUT, key,
           "negative");
    expect("C06 in", tensor_zip("Float", 4, 2, 1, D(2), D(1), 16), STATUS_OK, NULL, NULL);
    expect("C06 out", tensor_zip("Float", 4, 3, 1, D(2), D(1), 16), STATUS_INPUT, key,
           "reaches outside");
    expect("C06 strided in", tensor_zip("Float", 4, 0, 1, D(2), D(3), 16), STATUS_OK, NULL, NULL);
    expect("C06 strided out", tensor_zip("Float", 4, 0, 1, D(2), D(4), 16), STATUS_INPUT, key,
           NULL);
    expect("C06 begin", tensor_zip("Float", 4, 5, 1, D(0), D(1), 16), STATUS_INPUT, key,
           "begins outside");
    expect("C06 end", tensor_zip("Float", 4, 4, 1, D(0), D(1), 16), STATUS_OK, NULL, NULL);
    expect("C07", tensor_zip("Float", 4, 0, 2, D((int64_t)1 << 33, (int64_t)1 << 33), D(0, 0), 16),
           STATUS_INPUT, key, "overflows");
    expect("C07", tensor_zip("Float", 4, 0, 2, D(2, INT64_MAX), D(0, 0), 16), STATUS_INPUT, key,
           "overflows");
    expect("C08", tensor_zip("Float", 4, 0, 1, D(4), D(far), 16), STATUS_INPUT, key, NULL);
    expect("C08", tensor_zip("Float", 4, 0, 2, D(5, 5), D(far, far), 16), STATUS_INPUT, key,
           "overflows");
    expect("C09", tensor_zip("Float", 4, 0, 2, D(0, INT64_MAX), D(1, 1), 16), STATUS_OK, NULL,
           NULL);
    expect("C09", tensor_zip("Float", 4, 0, 2, D(0, 1 << 20), D(1, 1), 16), STATUS_OK, NULL, NULL);
    expect("C09",
           tensor_zip("Float", 4, 0, 3, D(0, (int64_t)1 << 40, (int64_t)1 << 40), D(1, 1, 1), 16),
           STATUS_INPUT, key, "overflows");
    expect("C10", tensor_zip("Float", 4, 0, 1, D((int64_t)1 << 40), D(0), 16), STATUS_LIMIT, key,
           "expands to");
    expect("C10", tensor_zip("Float", 4, 0, 1, D(17 << 20), D(0), 16), STATUS_LIMIT, key,
           "expands to");
    expect("C10 fits", tensor_zip("Float", 4, 0, 1, D(1 << 20), D(0), 16), STATUS_OK, NULL, NULL);
    static int64_t ones[65];
    for (int i = 0; i < 65; i++)
        ones[i] = 1;
    expect("C11 8", tensor_zip("Float", 4, 0, 8, ones, ones, 16), STATUS_OK, NULL, NULL);
    expect("C11 9", tensor_zip("Float", 4, 0, 9, ones, ones, 16), STATUS_INPUT, key,
           "9 dimensions");
    expect("C11 65", tensor_zip("Float", 4, 0, 65, ones, ones, 16), STATUS_INPUT, key,
           "65 dimensions");
    int64_t *million = calloc(1000000, sizeof *million);
    expect("C11 10^6", tensor_zip("Float", 4, 0, 1000000, million, million, 16), STATUS_INPUT, key,
           "1000000 dimensions");
    free(million);
}

/* Tensors whose pickles pickle_tensor cannot write: spoilt by hand behind the storage. */
static Bytes hand_made(const char *rest, size_t size, size_t bytes)
{
    Bytes p = {0};
    begin(&p);
    bytes_text(&p, "}");
    pickle_text(&p, "w");
    pickle_global(&p, "torch._utils", "_rebuild_tensor_v2");
    bytes_text(&p, "((");
    pickle_text(&p, "storage");
    pickle_global(&p, "torch", "FloatStorage");
    pickle_text(&p, "0");
    pickle_text(&p, "cpu");
    bytes_text(&p, "K\4tQ");
    bytes_add(&p, rest, size);
    return zip_of(p, ramp, bytes);
}

#define HAND(text) hand_made((text), sizeof(text) - 1, 16)

static void c_kinds(void **state)
{
    (void)state;
    const char *key = "key 'w'";
    expect("C12", HAND("K\0K\4\x85)\x89}tRs."), STATUS_INPUT, key, "1 sizes but 0 strides");
    expect("B19 big", HAND("K\0\x8a\11\1\1\1\1\1\1\1\1\1\x85K\1\x85\x89}tRs."), STATUS_INPUT, key,
           "beyond 64 bits");
    expect("size float", HAND("K\0G\0\0\0\0\0\0\0\0\x85K\1\x85\x89}tRs."), STATUS_INPUT, key,
           "a float");
    expect("offset none", HAND("NK\4\x85K\1\x85\x89}tRs."), STATUS_INPUT, key,
           "offset of the tensor");
    expect("few", HAND("K\0tRs."), STATUS_INPUT, key, "made from 2 values");
    expect("size dict", HAND("K\0}K\1\x85\x89}tRs."), STATUS_INPUT, key, "is a dict");
    static const char *const stems[] = {"QInt8", "ComplexFloat", "ComplexDouble", "Strange",
                                        "QUInt4x2"};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++)
        expect("C15", tensor_zip(stems[i], 4, 0, 1, D(4), D(1), 16), STATUS_INPUT, key, stems[i]);
    static const char *const rebuilds[] = {"_rebuild_qtensor", "_rebuild_sparse_tensor",
                                           "_rebuild_meta_tensor_no_storage",
                                           "_rebuild_device_tensor_from_numpy"};
    for (size_t i = 0; i < sizeof rebuilds / sizeof *rebuilds; i++) {
        Bytes p = {0};
        begin(&p);
        bytes_text(&p, "}");
        pickle_text(&p, "w");
        pickle_global(&p, "torch._utils", rebuilds[i]);
        bytes_text(&p, ")Rs.");
        expect("C15", zip_of(p, NULL, 0), STATUS_INPUT, key, rebuilds[i]);
    }
    /* C14: one record, two types or two lengths. */
    for (int i = 0; i < 2; i++) {
        Bytes p = {0};
        begin(&p);
        bytes_text(&p, "}(");
        pickle_text(&p, "v");
        pickle_tensor(&p, "Float", "0", 4, 0, 1, D(4), D(1), false);
        pickle_text(&p, "w");
        pickle_tensor(&p, i ? "Int" : "Float", "0", i ? 4 : 2, 0, 1, D(2), D(1), false);
        bytes_text(&p, "u.");
        expect("C14", zip_of(p, ramp, 16), STATUS_INPUT, key, i ? "is both" : "has both 4 and 2");
    }
    expect("C16 0-d", tensor_zip("Float", 1, 0, 0, D(0), D(0), 4), STATUS_OK, NULL, NULL);
    expect("C16 empty", tensor_zip("Float", 0, 0, 2, D(0, 5), D(5, 1), 0), STATUS_OK, NULL, NULL);
    Bytes b = tensor_zip("Bool", 16, 0, 1, D(16), D(1), 16);
    Checkpoint *c;
    uint8_t values[16];
    assert_int_equal(checkpoint_open_memory("C16", b.data, b.size, NULL, &c), STATUS_OK);
    assert_int_equal(checkpoint_read(c, checkpoint_find(c, "w"), ELEMENT_BOOL, values), STATUS_OK);
    for (int i = 0; i < 16; i++)
        assert_int_equal(values[i], ((const uint8_t *)ramp)[i] != 0);
    checkpoint_close(c);
    bytes_free(&b);
}

/* C13: views that are no rows: transposed, every second, channels last, expanded. */
static void c_views(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t offset, size[4], stride[4];
        float wanted[16];
    } views[] = {
        {2, 0, {4, 4}, {1, 4}, {1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 4, 8, 12, 16}},
        {1, 1, {5}, {3}, {2, 5, 8, 11, 14}},
        {4, 0, {1, 2, 2, 3}, {12, 1, 6, 2}, {1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12}},
        {3, 2, {2, 3, 2}, {4, 0, 1}, {3, 4, 3, 4, 3, 4, 7, 8, 7, 8, 7, 8}},
        {2, 6, {3, 2}, {2, 4}, {7, 11, 9, 13, 11, 15}},
        {2, 5, {2, 4}, {4, 1}, {6, 7, 8, 9, 10, 11, 12, 13}},
    };
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        Bytes b = tensor_zip("Float", 16, views[i].offset, views[i].rank, views[i].size,
                             views[i].stride, 64);
        Checkpoint *c;
        float values[16] = {0};
        double wide[16] = {0};
        assert_int_equal(checkpoint_open_memory("C13", b.data, b.size, NULL, &c), STATUS_OK);
        const CheckpointTensor *t = checkpoint_find(c, "w");
        assert_int_equal(checkpoint_read(c, t, ELEMENT_FLOAT32, values), STATUS_OK);
        assert_int_equal(checkpoint_read(c, t, ELEMENT_FLOAT64, wide), STATUS_OK);
        for (int k = 0; k < 16; k++)
            assert_true(values[k] == views[i].wanted[k] && wide[k] == views[i].wanted[k]);
        checkpoint_close(c);
        bytes_free(&b);
    }
}

/* Different paths through the tree that are written alike. */
static void keys_on_two_paths(void **state)
{
    (void)state;
    static const struct {
        const char *before, *between, *after, *key;
    } cases[] = {
        {"X\3\0\0\0a/b", "X\1\0\0\0a}X\1\0\0\0b", "s", "key 'a/b'"},
        {"K\5", "X\1\0\0\0005", "", "key '5'"},
        {"X\3\0\0\0l/0", "X\1\0\0\0l]", "a", "key 'l/0'"},
    };
    static const size_t sizes[][2] = {{8, 13}, {2, 6}, {8, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes p = {0};
        begin(&p);
        bytes_text(&p, "}(");
        bytes_add(&p, cases[i].before, sizes[i][0]);
        pickle_tensor(&p, "Float", "0", 4, 0, 1, D(4), D(1), false);
        bytes_add(&p, cases[i].between, sizes[i][1]);
        pickle_tensor(&p, "Float", "0", 4, 0, 1, D(2), D(1), false);
        bytes_text(&p, cases[i].after);
        bytes_text(&p, "u.");
        expect("two paths", zip_of(p, ramp, 16), STATUS_INPUT, cases[i].key, "on different paths");
    }
}

int main(int argc, char **argv)
{
    int code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_on_two_paths),
        cmocka_unit_test(b_structure), cmocka_unit_test(b_calls), cmocka_unit_test(b_stack),
        cmocka_unit_test(b_sizes), cmocka_unit_test(b_persistent), cmocka_unit_test(c_bounds),
        cmocka_unit_test(c_kinds), cmocka_unit_test(c_views),
    };
    if (malformed_child(argc, argv, &code))
        return code;
    return cmocka_run_group_tests(tests, NULL, malformed_report);
}
