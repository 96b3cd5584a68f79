/* Protocol: three members of report.json. */
#include "train/protocol.h"

#include "options/options.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS = 17 };

static void put_hex(JsonWriter *w, const char *key, uint64_t value)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)value);
    json_put_text(w, key, text);
}

static void put_data(JsonWriter *w, const char *key, const Dataset *d)
{
    if (!d) {
        json_put_null(w, key);
        return;
    }
    json_begin_object(w, key, JSON_LINE);
    json_put_text(w, "data", d->source);
    json_put_integer(w, "images", d->count);
    json_put_integer(w, "classes", d->classes);
    put_hex(w, "checksum", d->checksum);
    json_end(w);
}

/* What the test images were to the run while it trained. */
static const char *use_of_test(const Protocol *p)
{
    if (!p->test)
        return "there are none";
    if (p->select == SELECT_TEST)
        return "looked at in every evaluation, and the best checkpoint chosen by them";
    return p->evaluations > 1 ? "looked at in every evaluation, but nothing chosen by them"
                              : "looked at once, at the end";
}

static void put_protocol(const Protocol *p, JsonWriter *w)
{
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)p->seed);
    json_begin_object(w, "protocol", JSON_LINES);
    json_put_text(w, "select", select_word(p->select));
    json_put_text(w, "selected_on", select_title(p->select));
    json_put_text(w, "seed", seed); /* 64 bits, which a number is not to every reader */
    json_put_integer(w, "evaluations", p->evaluations);
    json_put_text(w, "test_images", use_of_test(p));
    put_data(w, "train", p->train);
    put_data(w, "val", p->val);
    put_data(w, "test", p->test);
    json_end(w);
}

/* Under names that tell them from the run's own figures: "test_top1". */
static void put_test(JsonWriter *w, const char *field, double value)
{
    char key[32];
    bool told = strncmp(field, "test_", strlen("test_")) == 0;
    snprintf(key, sizeof key, "%s%s", told ? "" : "test_", field);
    json_put_number(w, key, value, DIGITS);
}

static void put_best(const Selection *chosen, JsonWriter *w)
{
    if (!chosen->epoch) {
        json_put_null(w, "best");
        return;
    }
    json_begin_object(w, "best", JSON_LINES);
    json_put_integer(w, "epoch", chosen->epoch);
    json_put_text(w, "select", select_word(chosen->select));
#define X(field, tag) put_test(w, #field, chosen->field);
    TEST_FIGURES(X)
#undef X
#define X(field, tag) json_put_number(w, #field, chosen->field, DIGITS);
    VAL_FIGURES(X)
#undef X
    json_end(w);
}

static void put_val(const Protocol *p, JsonWriter *w)
{
    if (!p->judged) {
        json_put_null(w, "val");
        return;
    }
    MetricsSummary s = metrics_summary(p->judged);
    json_begin_object(w, "val", JSON_LINES);
    json_put_integer(w, "images", s.images);
    json_put_integer(w, "skipped", p->skipped);
    json_put_number(w, "val_loss", metrics_loss(p->judged), DIGITS);
    json_put_number(w, "val_top1", s.top1, DIGITS);
    json_put_number(w, "val_top5", s.top5, DIGITS);
    json_put_number(w, "val_class_mean", s.class_mean, DIGITS);
    json_put_number(w, "val_many", s.many, DIGITS);
    json_put_number(w, "val_medium", s.medium, DIGITS);
    json_put_number(w, "val_few", s.few, DIGITS);
    json_end(w);
}

void protocol_put(const Protocol *p, JsonWriter *w)
{
    put_protocol(p, w);
    put_best(p->chosen, w);
    put_val(p, w);
}
