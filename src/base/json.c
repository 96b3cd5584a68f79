/* A JSON reader by recursive descent: a value reads its members, down to MAX_DEPTH, so that a file
 * of opening brackets does not end the stack. Members are linked in file order; duplicate keys are
 * found by sorting the names of each object when it closes.
 *
 * `at` never passes `end`, and is looked at only before it: the text need not end with a zero. A
 * message names the byte at which the text stopped being JSON. */
#include "base/json.h"

#include "base/file.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64 };

typedef struct Reader {
    Arena *arena;
    const char *name;
    const char *start, *at, *end;
    int depth;
    /* Of json_read_elements, else zero: */
    JsonTake *take;
    void *context;
    Arena *element;     /* memory of the elements */
    const char *member; /* of the outermost object, that is being read */
} Reader;

static Status value(Reader *r, Json **out);

static Status fail(const Reader *r, const char *what)
{
    return status_fail(STATUS_INPUT, "%s: json@%zu: %s", r->name, (size_t)(r->at - r->start), what);
}

/* Whether so many bytes of one element are more than json_read_elements takes. */
static bool too_large(const Reader *r, size_t bytes)
{
    return r->take && bytes > JSON_ELEMENT_MAX;
}

static Status fail_large(const Reader *r)
{
    return fail(r, "a value larger than any that is expected (1 MiB)");
}

static void space(Reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* Whether the text stands here; then it is behind us. */
static bool word(Reader *r, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0)
        return false;
    r->at += n;
    return true;
}

/* Four hexadecimal digits; -1 when they are none. */
static int hex4(Reader *r)
{
    int v = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : 0;
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* The character in UTF-8, 1 to 4 bytes: never more than the escape that it comes from. */
static char *utf8(char *to, int code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* The escape behind a backslash; NULL when it is none. */
static char *escape(Reader *r, char *to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end)
        return NULL;
    char c = *r->at++;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        *to++ = into[known - from];
        return to;
    }
    if (c != 'u')
        return NULL;
    int code = hex4(r);
    if (code >= 0xd800 && code < 0xdc00) { /* beyond U+FFFF: two escapes, a surrogate each */
        if (!word(r, "\\u"))
            return NULL;
        int low = hex4(r);
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        /* \u0000 would end the text for everyone who reads it as a string of C */
        return NULL;
    }
    return utf8(to, code);
}

/* A string. Its end is looked for first: what is unescaped is never longer than what is read. */
static Status string(Reader *r, const char **out)
{
    const char *close = r->at + 1;
    while (close < r->end && *close != '"')
        close += *close == '\\' && close + 1 < r->end ? 2 : 1;
    if (close >= r->end)
        return fail(r, "string without an end");
    if (too_large(r, (size_t)(close - r->at)))
        return fail_large(r);
    char *text = arena_alloc(r->arena, (size_t)(close - r->at) + 1), *to = text;
    for (r->at++; r->at < close;) {
        unsigned char c = (unsigned char)*r->at;
        if (c == '\\') {
            r->at++;
            if (!(to = escape(r, to)))
                return fail(r, "bad escape in a string");
            continue;
        }
        size_t n = utf8_sequence(r->at, (size_t)(close - r->at));
        if (c < 0x20 || n == 0)
            return fail(r, c < 0x20 ? "control character in a string" : "string is not UTF-8");
        memcpy(to, r->at, n);
        to += n;
        r->at += n;
    }
    r->at = close + 1;
    *to = 0;
    *out = text;
    return STATUS_OK;
}

static size_t digits(Reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return (size_t)(r->at - from);
}

/* A number. Its grammar is walked here because strtod takes more: hexadecimal, "inf", " 1". */
static Status number(Reader *r, Json *v)
{
    const char *from = r->at;
    bool integral = true;
    if (r->at < r->end && *r->at == '-')
        r->at++;
    const char *first = r->at;
    size_t n = digits(r);
    if (n == 0 || (n > 1 && *first == '0'))
        return fail(r, "unexpected character");
    if (r->at < r->end && *r->at == '.') {
        integral = false;
        r->at++;
        if (digits(r) == 0)
            return fail(r, "number without digits behind the point");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        integral = false;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (digits(r) == 0)
            return fail(r, "number without digits in the exponent");
    }
    char text[512]; /* strtod wants an end */
    size_t length = (size_t)(r->at - from);
    if (length >= sizeof text)
        return fail(r, "number too long");
    memcpy(text, from, length);
    text[length] = 0;
    v->kind = JSON_NUMBER;
    v->number = strtod(text, NULL);
    errno = 0;
    v->integer = integral ? strtoll(text, NULL, 10) : 0;
    v->integral = integral && errno == 0;
    return STATUS_OK;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Which of two values a reader takes differs from program to program: such a file is refused. */
static Status check_duplicates(Reader *r, const Json *object)
{
    const char **keys = arena_alloc(r->arena, (size_t)object->count * sizeof *keys);
    int n = 0;
    for (const Json *m = object->child; m; m = m->next)
        keys[n++] = m->key;
    qsort(keys, (size_t)n, sizeof *keys, by_key);
    for (int i = 1; i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return status_fail(STATUS_INPUT, "%s: json@%zu: key '%s' stands twice in one object",
                               r->name, (size_t)(r->at - r->start), keys[i]);
    return STATUS_OK;
}

/* Whether the elements of this array are handed over instead of kept. */
static bool hands_over(const Reader *r, bool object)
{
    return r->take && !object && r->arena != r->element && r->depth <= 2;
}

/* An element, which is not kept. */
static Status hand_over(Reader *r)
{
    Json *element;
    Arena *kept = r->arena;
    r->arena = r->element;
    Status status = value(r, &element);
    r->arena = kept;
    if (status == STATUS_OK)
        status = r->take(r->context, r->member, element);
    arena_clear(r->element);
    return status;
}

/* A value between brackets or braces: it becomes the last of its parent's. */
static Status member(Reader *r, Json *parent, const char *key, Json **to)
{
    if (hands_over(r, parent->kind == JSON_OBJECT))
        return hand_over(r);
    if (r->take && r->depth == 1)
        r->member = key;
    TRY(value(r, to));
    (*to)->key = key;
    return STATUS_OK;
}

/* What stands between brackets or braces, from the opening to behind the closing one. */
static Status members(Reader *r, Json *v)
{
    bool object = *r->at == '{';
    char close = object ? '}' : ']';
    v->kind = object ? JSON_OBJECT : JSON_ARRAY;
    r->at++;
    space(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
        return STATUS_OK;
    }
    for (Json **tail = &v->child;; tail = *tail ? &(*tail)->next : tail, r->at++) {
        const char *key = NULL;
        space(r);
        if (object) {
            if (r->at >= r->end || *r->at != '"')
                return fail(r, "expected a name in quotes");
            TRY(string(r, &key));
            space(r);
            if (r->at >= r->end || *r->at != ':')
                return fail(r, "expected ':'");
            r->at++;
        }
        TRY(member(r, v, key, tail));
        v->count++;
        space(r);
        if (r->at < r->end && *r->at == close)
            break;
        if (r->at >= r->end || *r->at != ',')
            return fail(r, object ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    TRY(object ? check_duplicates(r, v) : STATUS_OK);
    r->at++;
    return STATUS_OK;
}

static Status value(Reader *r, Json **out)
{
    Json *v = *out = arena_alloc(r->arena, sizeof *v);
    space(r);
    if (r->at >= r->end)
        return fail(r, "ends where a value is expected");
    if (too_large(r, r->arena->total))
        return fail_large(r);
    if (*r->at == '{' || *r->at == '[') {
        if (++r->depth > MAX_DEPTH)
            return fail(r, "nested too deeply (more than 64)");
        TRY(members(r, v));
        r->depth--;
        return STATUS_OK;
    }
    if (*r->at == '"') {
        v->kind = JSON_STRING;
        return string(r, &v->text);
    }
    if (word(r, "null"))
        return STATUS_OK;
    bool yes = word(r, "true");
    if (yes || word(r, "false")) {
        v->kind = JSON_BOOL;
        v->integer = yes;
        return STATUS_OK;
    }
    return number(r, v);
}

static Status document(Reader *r, Json **root)
{
    TRY(value(r, root));
    space(r);
    if (r->at != r->end)
        return fail(r, "text behind the end of the document");
    return STATUS_OK;
}

Status json_parse(Arena *arena, const char *name, const char *bytes, size_t size, Json **root)
{
    Reader r = {.arena = arena, .name = name, .start = bytes, .at = bytes, .end = bytes + size};
    return document(&r, root);
}

Status json_read(Arena *arena, const char *path, Json **root)
{
    uint8_t *bytes;
    size_t size;
    TRY(file_read(path, (size_t)256 << 20, &bytes, &size));
    Status status = json_parse(arena, path, (const char *)bytes, size, root);
    free(bytes);
    return status;
}

Status json_read_elements(const char *path, JsonTake *take, void *context)
{
    uint8_t *bytes;
    size_t size;
    Arena kept = {0}, element = {0};
    Json *root;
    TRY(file_read(path, (size_t)512 << 20, &bytes, &size));
    Reader r = {.arena = &kept, .name = path, .start = (const char *)bytes, .take = take,
                .context = context, .element = &element};
    r.at = r.start;
    r.end = r.start + size;
    Status status = document(&r, &root);
    arena_free(&kept);
    arena_free(&element);
    free(bytes);
    return status;
}

const Json *json_get(const Json *object, const char *key)
{
    if (object && object->kind == JSON_OBJECT)
        for (const Json *m = object->child; m; m = m->next)
            if (strcmp(m->key, key) == 0)
                return m;
    return NULL;
}

double json_number(const Json *object, const char *key, double otherwise)
{
    const Json *m = json_get(object, key);
    return m && m->kind == JSON_NUMBER ? m->number : otherwise;
}

const char *json_text(const Json *object, const char *key, const char *otherwise)
{
    const Json *m = json_get(object, key);
    return m && m->kind == JSON_STRING ? m->text : otherwise;
}
