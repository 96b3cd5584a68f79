/* One event of a TensorBoard event file as bytes. Private to src/train; there only where the program
 * was built with protobuf-c (PACO_TENSORBOARD). */
#ifndef PACO_TRAIN_EVENT_MESSAGE_H
#define PACO_TRAIN_EVENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is shown under a tag: a picture, else a text, else a number. */
typedef struct EventValue {
    const char *tag;
    const char *about;  /* of a picture or text, Markdown; NULL: nothing */
    const uint8_t *png; /* NULL: no picture */
    size_t png_size;
    int width, height;
    const char *text; /* Markdown; NULL: no text */
    double number;
} EventValue;

typedef struct EventMessage {
    double wall_time; /* seconds since 1970 */
    int64_t step;
    const char *version; /* the first event of a file says that of the format; else NULL */
    bool start;          /* what older files say of this step and later ones is void */
    const EventValue *values;
    int count;
} EventMessage;

typedef uint8_t *EventPack(const EventMessage *event, size_t *size);
/* malloc'd bytes. */
EventPack event_pack;

#endif
