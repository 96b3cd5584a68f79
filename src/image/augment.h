/* Augment: a view with every draw made, as a list of operations on an image. */
#ifndef PACO_IMAGE_AUGMENT_H
#define PACO_IMAGE_AUGMENT_H

#include "image/image_ops.h"

/* X(name, statement): what an operation does to `image` with the step `s`. The one list. */
#define AUGMENT_OP_LIST(X)                                                           \
    X(CROP, image_crop(image, s->box))                                               \
    X(RESIZED_CROP, resize_box(image, s))                                            \
    X(FLIP, image_flip(image))                                                       \
    X(BRIGHTNESS, image_brightness(image, s->amount))                                \
    X(CONTRAST, image_contrast(image, s->amount))                                    \
    X(COLOR, image_color(image, s->amount))                                          \
    X(HUE, image_hue(image, s->amount))                                              \
    X(GRAYSCALE, image_grayscale(image))                                             \
    X(BLUR, image_gaussian_blur(image, s->amount))                                   \
    X(CUTOUT, image_cutout(image, s->box.top, s->box.left, s->box.width))            \
    X(AUTOCONTRAST, image_autocontrast(image))                                       \
    X(EQUALIZE, image_equalize(image))                                               \
    X(INVERT, image_invert(image))                                                   \
    X(ROTATE, image_rotate(image, s->amount, s->filter, s->fill))                    \
    X(POSTERIZE, image_posterize(image, (int)s->amount))                             \
    X(SOLARIZE, image_solarize(image, s->amount))                                    \
    X(SOLARIZE_ADD, image_solarize_add(image, (int)s->amount, 128))                  \
    X(SHARPNESS, image_sharpness(image, s->amount))                                  \
    X(SHEAR_X, image_shear_x(image, s->amount, s->filter, s->fill))                  \
    X(SHEAR_Y, image_shear_y(image, s->amount, s->filter, s->fill))                  \
    X(TRANSLATE_X, image_translate_x(image, s->amount, s->filter, s->fill))          \
    X(TRANSLATE_Y, image_translate_y(image, s->amount, s->filter, s->fill))

typedef enum AugmentOp {
#define X(name, statement) AUGMENT_##name,
    AUGMENT_OP_LIST(X)
#undef X
    AUGMENT_OP_COUNT
} AugmentOp;

typedef struct AugmentStep {
    AugmentOp op;
    double amount;      /* factor, degrees, fraction, bits, threshold or deviation */
    ImageFilter filter; /* ROTATE, SHEAR and TRANSLATE */
    uint8_t fill[3];    /* theirs */
    ImageBox box;       /* CROP, RESIZED_CROP; CUTOUT: centre left, top and length width */
} AugmentStep;

enum { AUGMENT_MAX_STEPS = 40 };

typedef struct Augment {
    int size; /* pixels to a side of the view */
    int count;
    AugmentStep step[AUGMENT_MAX_STEPS];
} Augment;

/* Adds a step of this kind and amount; the caller fills in the rest. */
AugmentStep *augment_add(Augment *augment, AugmentOp op, double amount);
/* The box of the image that the view needs: its first step's, or the whole image. */
ImageBox augment_box(const Augment *augment, int width, int height);
/* Makes the view of `part`, whose place in the whole image is `at`: out[size][size][3]. */
void augment_apply(const Augment *augment, const Image *part, ImageBox at, uint8_t *out);

#endif
