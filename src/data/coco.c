/* Annotations in COCO's form. The file has as many as images and is never in memory as a tree: its
 * elements come one after another, and what is needed of each is kept. What belongs together is
 * joined at the end, as no order of the members is promised. */
#include "base/check.h"
#include "base/json.h"
#include "data/kinds.h"

#include <stdlib.h>
#include <string.h>

typedef struct CocoImage {
    int64_t id;
    const char *name;
    int64_t number; /* in the order of the file */
    int32_t label;  /* -1: no annotation yet */
} CocoImage;

typedef struct CocoAnnotation {
    int64_t image, category;
} CocoAnnotation;

typedef struct Coco {
    const char *path;
    Arena *arena; /* of names */
    CocoImage *images;
    CocoAnnotation *annotations;
    const char **categories; /* [category_room] by id; NULL: none of this id */
    int64_t image_count, annotation_count, category_count;
    int64_t image_room, annotation_room, category_room;
} Coco;

/* Room for one more. */
static void *grow(void *list, int64_t count, int64_t *room, size_t bytes)
{
    if (count < *room)
        return list;
    *room = *room ? 2 * *room : 1024;
    return mem_grow(list, (size_t)*room * bytes);
}

static Status fail_at(const Coco *c, const char *member, int64_t number, const char *what)
{
    return status_fail(STATUS_INPUT, "%s: %s: element %lld: %s", c->path, member,
                       (long long)number, what);
}

/* A whole number from 0 on; -1 where there is none. */
static int64_t whole(const Json *element, const char *key)
{
    const Json *m = json_get(element, key);
    return m && m->kind == JSON_NUMBER && m->integral && m->integer >= 0 ? m->integer : -1;
}

static Status take_image(Coco *c, const Json *element)
{
    CocoImage image = {whole(element, "id"), json_text(element, "file_name", NULL),
                       c->image_count, -1};
    if (image.id < 0)
        return fail_at(c, "images", image.number, "no whole number 'id'");
    if (!image.name)
        return fail_at(c, "images", image.number, "no text 'file_name'");
    c->images = grow(c->images, c->image_count, &c->image_room, sizeof image);
    image.name = arena_printf(c->arena, "%s", image.name);
    c->images[c->image_count++] = image;
    return STATUS_OK;
}

static Status take_annotation(Coco *c, const Json *element)
{
    CocoAnnotation annotation = {whole(element, "image_id"), whole(element, "category_id")};
    if (annotation.image < 0)
        return fail_at(c, "annotations", c->annotation_count, "no whole number 'image_id'");
    if (annotation.category < 0)
        return fail_at(c, "annotations", c->annotation_count, "no whole number 'category_id'");
    if (annotation.category >= DATASET_CLASSES_MAX)
        return fail_at(c, "annotations", c->annotation_count, "'category_id' out of range");
    c->annotations =
        grow(c->annotations, c->annotation_count, &c->annotation_room, sizeof annotation);
    c->annotations[c->annotation_count++] = annotation;
    return STATUS_OK;
}

static Status take_category(Coco *c, const Json *element)
{
    int64_t id = whole(element, "id"), room = c->category_room;
    const char *name = json_text(element, "name", NULL);
    if (id < 0 || id >= DATASET_CLASSES_MAX)
        return fail_at(c, "categories", c->category_count, "no whole number 'id' in range");
    if (!name)
        return fail_at(c, "categories", c->category_count, "no text 'name'");
    while (id >= c->category_room)
        c->categories = grow(c->categories, c->category_room, &c->category_room, sizeof name);
    for (; room < c->category_room; room++)
        c->categories[room] = NULL;
    if (c->categories[id])
        return fail_at(c, "categories", c->category_count, "an 'id' that another has, too");
    c->categories[id] = arena_printf(c->arena, "%s", name);
    c->category_count++;
    return STATUS_OK;
}

static Status take(void *context, const char *member, const Json *element)
{
    Coco *c = context;
    if (!member)
        return status_fail(STATUS_INPUT, "%s: a list, no object with `images`", c->path);
    return strcmp(member, "images") == 0        ? take_image(c, element)
           : strcmp(member, "annotations") == 0 ? take_annotation(c, element)
           : strcmp(member, "categories") == 0  ? take_category(c, element)
                                                : STATUS_OK;
}

static Status take_name(void *context, const char *member, const Json *element)
{
    return !member || strcmp(member, "categories") == 0 ? take_category(context, element)
                                                        : STATUS_OK;
}

static void coco_free(Coco *c)
{
    free(c->images);
    free(c->annotations);
    free(c->categories);
}

/* ------------------------------------------------------------------------------------ joining */

static int by_id(const void *a, const void *b)
{
    const CocoImage *p = a, *q = b;
    return (p->id > q->id) - (p->id < q->id);
}

/* The images, sorted by id, get their labels. */
static Status join(Coco *c)
{
    size_t n = (size_t)c->image_count;
    qsort(c->images, n, sizeof *c->images, by_id);
    for (size_t i = 1; i < n; i++)
        if (c->images[i].id == c->images[i - 1].id)
            return status_fail(STATUS_INPUT, "%s: images: two with id %lld", c->path,
                               (long long)c->images[i].id);
    for (int64_t i = 0; i < c->annotation_count; i++) {
        CocoImage key = {.id = c->annotations[i].image};
        CocoImage *image = bsearch(&key, c->images, n, sizeof key, by_id);
        if (!image)
            return fail_at(c, "annotations", i, "'image_id' of no image");
        if (image->label >= 0)
            return fail_at(c, "annotations", i, "of an image that has one already");
        image->label = (int32_t)c->annotations[i].category;
    }
    for (size_t i = 0; i < n; i++)
        if (c->images[i].label < 0)
            return fail_at(c, "images", c->images[i].number, "no annotation says its class");
    return STATUS_OK;
}

static Status check_categories(const Coco *c)
{
    for (int64_t i = 0; i < c->category_count; i++)
        if (!c->categories[i])
            return status_fail(STATUS_INPUT, "%s: categories: none has id %lld (there are %lld)",
                               c->path, (long long)i, (long long)c->category_count);
    return STATUS_OK;
}

/* As many classes as were asked for, or categories, or just those that occur. */
static Status give(const Coco *c, Dataset *d)
{
    int32_t largest = 0;
    d->count = c->image_count;
    d->names = mem_alloc((size_t)d->count * sizeof *d->names);
    d->labels = mem_alloc((size_t)d->count * sizeof *d->labels);
    for (int64_t i = 0; i < d->count; i++) {
        const CocoImage *image = &c->images[i];
        d->names[image->number] = image->name;
        d->labels[image->number] = image->label;
        largest = image->label > largest ? image->label : largest;
    }
    if (!d->classes)
        d->classes = c->category_count ? (int)c->category_count : largest + 1;
    if (c->category_count && c->category_count != d->classes)
        return status_fail(STATUS_INPUT, "%s: categories: %lld of them (there must be %d)",
                           c->path, (long long)c->category_count, d->classes);
    if (largest >= d->classes)
        return status_fail(STATUS_INPUT, "%s: annotations: a 'category_id' out of range (%d vs 0 "
                           "to %d)", c->path, (int)largest, d->classes - 1);
    if (c->category_count)
        d->class_names = arena_copy(&d->arena, c->categories,
                                    (size_t)c->category_count * sizeof *c->categories);
    return STATUS_OK;
}

static Status fill(Coco *c, Dataset *d)
{
    TRY(json_read_elements(c->path, take, c));
    if (c->image_count == 0 || c->image_count > INT32_MAX)
        return status_fail(STATUS_INPUT, "%s: %lld `images`. Is it a file of annotations in COCO's "
                           "form?", c->path, (long long)c->image_count);
    TRY(check_categories(c));
    TRY(join(c));
    return give(c, d);
}

Status coco_open(const char *path, Dataset *d)
{
    Coco c = {.path = path, .arena = &d->arena};
    Status status = fill(&c, d);
    coco_free(&c);
    return status;
}

static Status read_names(Coco *c, Arena *arena, ClassNames *out)
{
    TRY(json_read_elements(c->path, take_name, c));
    TRY(check_categories(c));
    *out = (ClassNames){arena_copy(arena, c->categories,
                                   (size_t)c->category_count * sizeof *c->categories),
                        (int)c->category_count, c->path};
    return class_names_check(out);
}

Status coco_class_names(const char *path, Arena *arena, ClassNames *out)
{
    Coco c = {.path = path, .arena = arena};
    Status status = read_names(&c, arena, out);
    coco_free(&c);
    return status;
}
