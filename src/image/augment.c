/* Applies drawn operations. The first one crops, so it works on a part of the image without
 * copying it. */
#include "image/augment.h"

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

AugmentStep *augment_add(Augment *augment, AugmentOp op, double amount)
{
    CHECK(augment->count < AUGMENT_MAX_STEPS);
    AugmentStep *step = &augment->step[augment->count++];
    *step = (AugmentStep){.op = op, .amount = amount};
    return step;
}

ImageBox augment_box(const Augment *augment, int width, int height)
{
    bool crops = augment->count > 0 && augment->step[0].op == AUGMENT_RESIZED_CROP;
    return crops ? augment->step[0].box : (ImageBox){0, 0, width, height};
}

/* The amount of a RESIZED_CROP is the size it makes. */
static void resize_box(Image *image, const AugmentStep *s)
{
    ImageBox all = {0, 0, image->width, image->height};
    Image out = image_resized_crop(image, all, s->box, (int)s->amount, (int)s->amount);
    image_free(image);
    *image = out;
}

static void apply(const AugmentStep *s, Image *image)
{
    switch (s->op) {
#define X(name, statement) \
    case AUGMENT_##name:   \
        statement;         \
        break;
        AUGMENT_OP_LIST(X)
#undef X
    case AUGMENT_OP_COUNT:
        break;
    }
}

void augment_apply(const Augment *augment, const Image *part, ImageBox at, uint8_t *out)
{
    const AugmentStep *step = augment->step, *end = step + augment->count;
    Image image;
    /* The usual first step: the part is only read. */
    if (step < end && step->op == AUGMENT_RESIZED_CROP) {
        image = image_resized_crop(part, at, step->box, (int)step->amount, (int)step->amount);
        step++;
    } else {
        image = image_copy(part);
    }
    for (; step < end; step++)
        apply(step, &image);
    /* A recipe whose steps do not end at the size of a view is a mistake in its table. */
    CHECKF(image.width == augment->size && image.height == augment->size, "%d x %d vs %d",
           image.width, image.height, augment->size);
    memcpy(out, image.pixels, (size_t)image.width * (size_t)image.height * 3);
    image_free(&image);
}
