/* Conversion: a new tree is made whose tensors point into the source; the writer fetches one at a
 * time. What a hostile file can make of it is bounded: the copied tree by LIMIT_CONVERTED, the
 * elements by the size of the source. */
#include "state/convert.h"

#include "base/check.h"
#include "base/log.h"
#include "checkpoint/bytes/limits.h"
#include "checkpoint/state.h"
#include "checkpoint/writer.h"
#include "state/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Fetch {
    Checkpoint *checkpoint;
    const CheckpointTensor **tensors; /* [count], by their storage */
    size_t count;
} Fetch;

static int by_storage(const void *a, const void *b)
{
    /* By address: any order will do in which one can be found again. */
    uintptr_t x = (uintptr_t)(*(const CheckpointTensor *const *)a)->tensor->storage->same;
    uintptr_t y = (uintptr_t)(*(const CheckpointTensor *const *)b)->tensor->storage->same;
    return (x > y) - (x < y);
}

static void fetch_open(Fetch *f, Checkpoint *c)
{
    uint32_t count = checkpoint_count(c);
    *f = (Fetch){.checkpoint = c, .tensors = mem_alloc(count * sizeof *f->tensors)};
    for (uint32_t i = 0; i < count; i++)
        if (checkpoint_tensor(c, i)->tensor)
            f->tensors[f->count++] = checkpoint_tensor(c, i);
    qsort(f->tensors, f->count, sizeof *f->tensors, by_storage);
}

/* The tensor may be a whole storage, which is in no list: one of those on it lends its key for
 * messages. */
static Status fetch(void *context, const StoredTensor *tensor, void *out)
{
    const Fetch *f = context;
    StoredTensor copy = *tensor;
    CheckpointTensor wanted = {.tensor = &copy};
    const CheckpointTensor *key = &wanted;
    const CheckpointTensor **found =
        f->count ? bsearch(&key, f->tensors, f->count, sizeof key, by_storage) : NULL;
    CHECKF(found, "a tensor that is not in the file");
    wanted.key = (*found)->key;
    wanted.at = (*found)->at;
    return checkpoint_read(f->checkpoint, &wanted, tensor->type, out);
}

/* ---- the whole tree */

typedef struct Copy {
    Checkpoint *checkpoint;
    Arena *arena;
    uint32_t dropped;
} Copy;

static Status check_arena(const Checkpoint *c, const Arena *arena)
{
    Place place = checkpoint_place(c, NULL);
    if (arena->total <= LIMIT_CONVERTED)
        return STATUS_OK;
    return place_fail(STATUS_LIMIT, &place, "converted objects need too much memory (limit %d MiB)",
                      LIMIT_CONVERTED >> 20);
}

static Object *wrap(Arena *arena, const Object *object)
{
    Object *copy = arena_copy(arena, object, sizeof *object);
    copy->walking = false;
    return copy;
}

/* Keys are written as they are: what could hold others, or stands for something else, cannot be
 * one. */
static Status check_key(const Copy *c, const Object *key)
{
    if (key->kind <= OBJECT_TEXT && key->kind != OBJECT_BIG)
        return STATUS_OK;
    Place place = checkpoint_place(c->checkpoint, key);
    return place_fail(STATUS_INPUT, &place,
                      "a dict whose key is %s cannot be converted. --bare and safetensors take the "
                      "state dict alone",
                      object_kind_name(key));
}

static Status copy_tree(Copy *c, Object *object, Object **out);

static Status copy_items(Copy *c, const Object *object, Object *copy)
{
    bool dict = object->kind == OBJECT_DICT;
    uint32_t n = 0, step = dict ? 2 : 1;
    copy->items = arena_alloc(c->arena, (size_t)object->count * step * sizeof *copy->items);
    for (uint32_t i = 0; i < object->count; i++) {
        Object *value = NULL;
        if (dict)
            TRY(check_key(c, object->items[2 * i]));
        TRY(copy_tree(c, object->items[step * i + step - 1], &value));
        if (!value && !dict) /* positions count in lists and tuples */
            value = object_none(c->arena);
        if (!value)
            continue;
        if (dict)
            copy->items[n++] = object->items[2 * i];
        copy->items[n++] = value;
        copy->count++;
    }
    return STATUS_OK;
}

/* What cannot be written is left out: *out is NULL. The reader has bounded depth and size of the
 * tree, and an object that contains itself is cut where it would begin again. */
static Status copy_tree(Copy *c, Object *object, Object **out)
{
    if (object->kind <= OBJECT_TEXT && object->kind != OBJECT_BIG) {
        *out = object;
        return STATUS_OK;
    }
    TRY(check_arena(c->checkpoint, c->arena));
    if (object->kind == OBJECT_TENSOR)
        *out = wrap(c->arena, object);
    if (object->kind == OBJECT_TENSOR)
        return STATUS_OK;
    if (!object_is_container(object) || object->walking) {
        *out = NULL;
        c->dropped++;
        return STATUS_OK;
    }
    object->walking = true;
    *out = object->kind == OBJECT_DICT ? object_dict(c->arena, object->flag)
         : object->kind == OBJECT_LIST ? object_list(c->arena) : object_tuple(c->arena);
    Status status = copy_items(c, object, *out);
    object->walking = false;
    return status;
}

/* ---- parts */

/* The i-th tensor of the state dict under another name. */
static Status add_named(Arena *arena, Object *root, const Checkpoint *c, const char *name,
                        const CheckpointTensor *t)
{
    if (!t->tensor)
        return checkpoint_fail(c, t->key, "%.120s is not supported", t->why);
    Object *object = object_none(arena);
    object->kind = OBJECT_TENSOR;
    object->tensor = t->tensor;
    object_add(arena, root, name, object); /* names of a state dict are unique */
    return STATUS_OK;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Backbone and classifier of a state dict as a plain ResNet. */
static Status add_bare(Arena *arena, Object *root, const StateDict *dict, const Recognised *found)
{
    if (*found->classifier)
        TRY(network_check_classifier(dict, found));
    const char *fc = arch_family(found->arch)->small ? "linear" : "fc";
    size_t n = strlen(found->prefix), classifier = strlen(found->classifier);
    for (int i = 0; i < dict->count; i++) {
        const StateTensor *t = &dict->tensors[i];
        bool of_classifier =
            classifier && starts(t->name, found->classifier) && t->name[classifier] == '.';
        const char *name = NULL;
        if (of_classifier)
            name = arena_printf(arena, "%s%s", fc, t->name + classifier);
        else if (recognise_in_path(found, t->name))
            name = t->name + n;
        if (name)
            TRY(add_named(arena, root, dict->checkpoint, name, t->tensor));
    }
    return STATUS_OK;
}

static Status add_all(Arena *arena, Object *root, const StateDict *dict)
{
    for (int i = 0; i < dict->count; i++)
        TRY(add_named(arena, root, dict->checkpoint, dict->tensors[i].name,
                      dict->tensors[i].tensor));
    return STATUS_OK;
}

/* The metadata of safetensors stay; of other files the scalars at the top become metadata, as
 * texts. */
static Status make_metadata(Arena *arena, Checkpoint *c, Object **out)
{
    Object *metadata = *out = object_dict(arena, false);
    const Object *from = checkpoint_root(c);
    if (checkpoint_format(c) == CHECKPOINT_SAFETENSORS)
        from = object_get(from, "__metadata__");
    object_add(arena, metadata, "format", object_text(arena, "pt"));
    for (uint32_t i = 0; from && from->kind == OBJECT_DICT && i < from->count; i++) {
        const Object *key = from->items[2 * i], *value = from->items[2 * i + 1];
        const char *text =
            value->kind == OBJECT_INT     ? arena_printf(arena, "%lld", (long long)value->integer)
            : value->kind == OBJECT_FLOAT ? arena_printf(arena, "%.17g", value->number)
            : value->kind == OBJECT_TEXT  ? value->text
                                          : NULL;
        if (text && key->kind == OBJECT_TEXT && !object_is(key, "format"))
            object_add(arena, metadata, key->text, object_text(arena, text));
        TRY(check_arena(c, arena)); /* one text may be the value of many keys */
    }
    return STATUS_OK;
}

/* A state dict has no place for them: a key more would be one too many for load_state_dict. */
static void warn_metadata(const Checkpoint *c)
{
    const Object *metadata = object_get(checkpoint_root(c), "__metadata__");
    uint32_t count = metadata && metadata->kind == OBJECT_DICT ? metadata->count : 0;
    if (count > (object_get(metadata, "format") ? 1u : 0u))
        log_warn(
            "%s: %u entries of __metadata__ are left out: only safetensors have a place for them",
            checkpoint_path(c), count);
}

/* ---- the verbs' work */

/* Names of safetensors are unique to the byte, but a "__metadata__" among the tensors would be
 * lost. */
static Status make_flat(Arena *arena, Checkpoint *c, const ConvertOptions *options, Object **root)
{
    StateDict dict;
    Recognised found;
    if (options->bare)
        TRY(network_open(c, options->key, &dict, &found));
    else
        TRY(state_dict_open(c, &dict));
    *root = object_dict(arena, true);
    if (checkpoint_format(c) == CHECKPOINT_SAFETENSORS &&
        options->format != CHECKPOINT_SAFETENSORS && !options->open.quiet)
        warn_metadata(c);
    Status status =
        options->bare ? add_bare(arena, *root, &dict, &found) : add_all(arena, *root, &dict);
    if (status == STATUS_OK && options->format == CHECKPOINT_SAFETENSORS) {
        if (object_get(*root, "__metadata__"))
            status =
                checkpoint_fail(c, "__metadata__", "no tensor can have this name in safetensors");
        Object *metadata = NULL;
        if (status == STATUS_OK)
            status = make_metadata(arena, c, &metadata);
        if (status == STATUS_OK)
            object_add(arena, *root, "__metadata__", metadata);
    }
    /* The names outlive the dict: object_add has copied them. */
    state_dict_free(&dict);
    return status;
}

static Status make_tree(Arena *arena, Checkpoint *c, const ConvertOptions *options, Object **root)
{
    for (uint32_t i = 0; i < checkpoint_count(c); i++) {
        const CheckpointTensor *t = checkpoint_tensor(c, i);
        if (!t->tensor)
            return checkpoint_fail(c, t->key, "%.120s is not supported", t->why);
    }
    if (options->bare || options->format == CHECKPOINT_SAFETENSORS ||
        checkpoint_format(c) == CHECKPOINT_SAFETENSORS)
        return make_flat(arena, c, options, root);
    Copy copy = {.checkpoint = c, .arena = arena};
    /* The walk marks objects on its path; they are this reader's own. */
    TRY(copy_tree(&copy, (Object *)(uintptr_t)checkpoint_root(c), root));
    if (!*root)
        return checkpoint_fail(c, "", "the file's top is %s, which cannot be converted",
                               object_kind_name(checkpoint_root(c)));
    if (copy.dropped && !options->open.quiet)
        log_warn("%s: %u opaque values are left out", checkpoint_path(c), copy.dropped);
    return STATUS_OK;
}

Status convert_checkpoint(Checkpoint *c, const char *to, const ConvertOptions *options,
                          const FileOps *ops)
{
    /* Tensors of the new tree point into the source: no element is copied. */
    Arena arena = {0};
    Object *root = NULL;
    Fetch context;
    fetch_open(&context, c);
    /* Where everything goes, storages go as they are. */
    TensorFetch fetcher = {fetch, &context, !options->bare, checkpoint_most_bytes(c)};
    Status status = make_tree(&arena, c, options, &root);
    if (status == STATUS_OK)
        status = checkpoint_save(to, options->format, root, &fetcher, ops);
    free(context.tensors);
    arena_free(&arena);
    return status;
}

Status convert_file(const char *from, const char *to, const ConvertOptions *options,
                    const FileOps *ops)
{
    Checkpoint *c;
    TRY(checkpoint_open(from, &options->open, &c));
    Status status = convert_checkpoint(c, to, options, ops);
    checkpoint_close(c);
    return status;
}

CheckpointFormat convert_format(const char *path)
{
    size_t n = strlen(path), m = strlen(".safetensors");
    return n > m && strcmp(path + n - m, ".safetensors") == 0 ? CHECKPOINT_SAFETENSORS
                                                              : CHECKPOINT_ZIP;
}

static const char *const format_words[] = {
#define X(name, word, text) word,
    CHECKPOINT_FORMATS(X)
#undef X
};

bool convert_format_named(const char *word, CheckpointFormat *format)
{
    for (size_t i = 0; i < sizeof format_words / sizeof *format_words; i++)
        if (*format_words[i] && strcmp(word, format_words[i]) == 0) {
            *format = (CheckpointFormat)i;
            return true;
        }
    return false;
}

const char *convert_format_word(CheckpointFormat format)
{
    return format_words[format];
}
