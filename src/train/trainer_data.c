/* The data of a run: opened, counted, and looked at before hours depend on them. */
#include "train/trainer_parts.h"

#include "data/sampler.h"

enum { SMALL_VIEW = 32 };

/* One of the data set's images that is much larger than the views, where most are, as far as a few
 * spread over it tell; -1: none. Those that cannot be read are told, or passed over, when their
 * turn comes. */
static int64_t find_photograph(const Dataset *data, int *width, int *height)
{
    enum { LOOKS = 9 };
    int64_t found = -1;
    int64_t before = -1;
    int large = 0, seen = 0;
    for (int i = 0; i < LOOKS; i++) {
        int64_t at = (data->count - 1) * i / (LOOKS - 1);
        Image image;
        bool again = at == before; /* of few images */
        before = at;
        if (again || dataset_fetch(data, at, &image) != STATUS_OK)
            continue;
        seen++;
        if (image.width > 2 * SMALL_VIEW && image.height > 2 * SMALL_VIEW) {
            large++;
            found = at;
            *width = image.width;
            *height = image.height;
        }
        image_free(&image);
    }
    return 2 * large > seen ? found : -1;
}

/* Photographs in crops of 32 pixels train, but nothing that anybody wants: whoever does has said
 * so. */
static Status refuse_photographs(const Trainer *t)
{
    Options *o = t->options;
    char name[256];
    int width = 0, height = 0;
    bool meant = o->given[OPTION_ID_recipe] || o->given[OPTION_ID_size];
    if (meant || !t->train->encoded || t->views.size > 2 * SMALL_VIEW)
        return STATUS_OK;
    int64_t photograph = find_photograph(t->train, &width, &height);
    if (photograph < 0)
        return STATUS_OK;
    return status_fail(
        STATUS_USAGE,
        "--recipe: the images are photographs (%s: %d x %d pixels), and %s would see %d x %d of "
        "them. --arch resnet50 sees 224; --size %d says that this is meant",
        dataset_name(t->train, photograph, name, sizeof name), width, height,
        options_word(o, OPTION_ID_arch), t->views.size, t->views.size, t->views.size);
}

/* Evaluation comes late: what it cannot read should be known before. */
static Status look_at(const Trainer *t, const Dataset *judged)
{
    return judged && t->options->on_corrupt != CORRUPT_SKIP ? dataset_look_all(judged) : STATUS_OK;
}

Status trainer_open_data(Trainer *t)
{
    options_default_recipe(t->options);
    TRY(options_open_data(t->options, 0, NULL, &t->train, &t->test.data));
    TRY(options_open_val(t->options, t->train, &t->val.data));
    TRY(look_at(t, t->val.data));
    TRY(look_at(t, t->test.data));
    int ranks = t->options->ranks;
    t->steps = sampler_steps_of(t->train->count, ranks, t->options->batch / ranks);
    if (t->steps == 0)
        return status_fail(STATUS_USAGE,
                           "--batch: larger than the data (%d vs %lld training images)",
                           t->options->batch, (long long)t->train->count);
    t->recipe = options_recipe(t->options, &t->views);
    TRY(refuse_photographs(t));
    t->schedule = schedule_of(t->options);
    return STATUS_OK;
}
