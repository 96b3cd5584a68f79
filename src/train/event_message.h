/* One event of a TensorBoard event file as bytes. Private to src/train; there only where the
 * program was built with protobuf-c (PACO_TENSORBOARD). */
#ifndef PACO_TRAIN_EVENT_MESSAGE_H
#define PACO_TRAIN_EVENT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct EventBytes {
    const void *bytes;
    size_t size;
} EventBytes;

/* What is shown under a tag: strings as a plugin of TensorBoard shows them, or a number. */
enum { EVENT_STRINGS = 3 };
typedef struct EventValue {
    const char *tag;
    const char *plugin; /* "text": one string, Markdown; "images": width and height as text, PNG;
                           NULL: a number */
    const char *about;  /* of strings, Markdown; NULL: nothing */
    EventBytes strings[EVENT_STRINGS];
    int count; /* of them */
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
