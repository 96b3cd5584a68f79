/* A TensorBoard event file: messages (event_message.h) as records of a length, the bytes, and a
 * masked CRC-32C behind each. Private to src/train. */
#ifndef PACO_TRAIN_EVENT_FILE_H
#define PACO_TRAIN_EVENT_FILE_H

#include "base/status.h"
#include "train/event_message.h"

#include <stdio.h>

typedef struct EventFile {
    char *path;
    FILE *file;
    bool first; /* the folder had none before */
} EventFile;

/* Begins one in the folder. TensorBoard reads the files of a folder in the order of their names:
 * this one's comes behind all others. Close it in any case. */
Status event_file_open(const char *folder, EventFile *out);
/* Adds an event at this time. */
void event_file_add(EventFile *file, EventMessage event);
/* STATUS_IO where what was added is not all on the disk. */
Status event_file_flush(EventFile *file);
void event_file_close(EventFile *file);

#endif
