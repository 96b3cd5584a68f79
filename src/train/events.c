/* What an event file tells of a run, as values with tags. */
#include "train/events.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/utf8.h"
#include "data/view_sheet.h"
#include "image/encode_png.h"
#include "image/heat.h"
#include "train/event_file.h"
#include "train/metrics_record.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    VIEWS = 16,      /* on the sheet */
    VIEW_SIDE = 128, /* larger views are shown smaller */
    HEAT_SIDE = 400  /* about, of the confusion's picture */
};

struct Events {
    EventFile file;
};

/* ---- options */

/* A cell of a table in Markdown: nothing in it is mark-up. */
static void put_cell(FILE *out, const char *text)
{
    size_t room = 4 * strlen(text) + 1;
    char *clean = mem_alloc(room);
    utf8_clean(clean, room, text);
    for (const char *c = clean; *c; c++)
        if (isalnum((unsigned char)*c) || (*c & 0x80) || strchr(" -./,", *c))
            fputc(*c, out);
        else
            fprintf(out, "&#%d;", *c);
    free(clean);
}

/* The lines `name=value` as a table. */
static char *options_table(const Options *options)
{
    Arena arena = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fputs("| option | value |\n|---|---|\n", out);
    for (char *line = options_dump(options, &arena); *line;) {
        char *end = line + strcspn(line, "\n"), *next = end + (*end == '\n');
        char *equals = line + strcspn(line, "=\n");
        *end = 0;
        fputs("| ", out);
        put_cell(out, arena_printf(&arena, "%.*s", (int)(equals - line), line));
        fputs(" | ", out);
        put_cell(out, equals < end ? equals + 1 : "");
        fputs(" |\n", out);
        line = next;
    }
    fclose(out);
    arena_free(&arena);
    return text;
}

static void tell(Events *e, int64_t step, const EventValue *value)
{
    event_file_add(&e->file, (EventMessage){.step = step, .values = value, .count = 1});
}

static void tell_options(Events *e, const Options *options, int64_t step)
{
    char *table = options_table(options);
    tell(e, step,
         &(EventValue){
             .tag = "options", .plugin = "text", .strings = {{table, strlen(table)}}, .count = 1});
    free(table);
}

/* ---- pictures */

static Status tell_picture(Events *e, int64_t step, const char *tag, const char *about,
                           const Image *image)
{
    uint8_t *png;
    size_t size;
    char width[16], height[16];
    TRY(image_encode_png(image, &png, &size));
    snprintf(width, sizeof width, "%d", image->width);
    snprintf(height, sizeof height, "%d", image->height);
    tell(e, step,
         &(EventValue){.tag = tag,
                       .plugin = "images",
                       .about = about,
                       .strings = {{width, strlen(width)}, {height, strlen(height)}, {png, size}},
                       .count = 3});
    free(png);
    return STATUS_OK;
}

/* An image that cannot be read is the loader's to judge, when its turn comes. */
static void tell_views(Events *e, const Options *options, const Dataset *train, int64_t step)
{
    RecipeOptions views;
    const Recipe *recipe = options_recipe(options, &views);
    Image sheet = {0};
    Status status = view_sheet(train, recipe, &views, options->seed, options->epochs, VIEWS,
                               VIEW_SIDE, &sheet);
    if (status == STATUS_OK)
        status = tell_picture(e, step, "views", VIEW_SHEET_ABOUT, &sheet);
    if (status != STATUS_OK)
        log_warn("no views for TensorBoard: %s", status_text());
    image_free(&sheet);
}

static Status tell_confusion(Events *e, const Metrics *m, int64_t step)
{
    Arena arena = {0};
    Heat heat = heat_new(m->classes, m->train_counts);
    for (int64_t i = 0; i < m->count; i++)
        heat_add(&heat, m->records[i].label, m->records[i].top[0], 1);
    heat_settle(&heat);
    Image image = heat_image(&heat, (HEAT_SIDE + heat.bins - 1) / heat.bins);
    const char *about = arena_printf(
        &arena,
        "Rows: what a test image is; columns: what it was taken for, from dark (none of the row's "
        "images) to yellow (all). The class with most training images comes first. %d classes, "
        "%d cells a side.",
        heat.classes, heat.bins);
    Status status = tell_picture(e, step, "test/confusion", about, &image);
    image_free(&image);
    heat_free(&heat);
    arena_free(&arena);
    return status;
}

/* ---- a run */

Status events_open(const Options *options, const Dataset *train, int epoch, bool changed,
                   Events **out)
{
    Events *e = *out = mem_zero(1, sizeof *e);
    TRY(event_file_open(options->out, &e->file));
    bool anew = epoch == 0 || e->file.first;
    /* What stands at step 0 is told again where the first epoch is. */
    event_file_add(&e->file, (EventMessage){.start = true, .step = epoch ? epoch + 1 : 0});
    if (anew || changed)
        tell_options(e, options, epoch);
    if (anew)
        tell_views(e, options, train, epoch);
    return event_file_flush(&e->file);
}

Status events_epoch(Events *e, const EpochRow *row, const Metrics *metrics)
{
    const EventValue all[] = {
#define X(field, name) {.tag = name, .number = row->field},
        EPOCH_ROW_FIELDS(X)
#undef X
    };
    enum { ALL = sizeof all / sizeof *all };
    EventValue known[ALL];
    EventMessage message = {.step = row->epoch + 1, .values = known};
    for (int i = 0; i < ALL; i++)
        if (!isnan(all[i].number))
            known[message.count++] = all[i];
    event_file_add(&e->file, message);
    if (metrics)
        TRY(tell_confusion(e, metrics, message.step));
    return event_file_flush(&e->file);
}

void events_close(Events *e)
{
    if (e)
        event_file_close(&e->file);
    free(e);
}
