/* Dataset: labelled images, from whatever holds them.
 *
 * A data set is opened once, is immutable afterwards, and may be read from any number of threads.
 * Kinds: list files ("path label" per line), a folder per class, the binary files of CIFAR-10 and
 * CIFAR-100, and procedural images made in memory. Labels and sizes live here; pixels are read when
 * asked for, except those of CIFAR and of the procedural set, small and kept in memory. */
#ifndef PACO_DATA_DATASET_H
#define PACO_DATA_DATASET_H

#include "base/arena.h"
#include "base/status.h"
#include "image/image.h"
#include "data/longtail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the images of a kind come from, and what its two halves need to be named. */
typedef enum DatasetSource {
    DATASET_FROM_LISTS,   /* a list file for each half; the root is where their paths start */
    DATASET_FROM_FOLDERS, /* a folder for each half, with a folder per class in it */
    DATASET_FROM_FILES,   /* one folder with the files of both halves; testing may name another */
    DATASET_FROM_MEMORY,  /* made up: nothing is read */
} DatasetSource;

typedef enum DatasetKind {
#define KIND(name, word, source, classes, tail, pixels) DATASET_##name,
#include "data/kinds.def"
    DATASET_KINDS
} DatasetKind;

/* A row of kinds.def. */
typedef struct DatasetRow {
    const char *word;     /* of --dataset */
    DatasetSource source;
    int classes;          /* of every set of this kind; 0: as the data say */
    bool tail;            /* DatasetSpec.tail may be given */
} DatasetRow;

const DatasetRow *dataset_row(DatasetKind kind);

/* Classes a data set may have at most. */
enum { DATASET_CLASSES_MAX = 1000000 };

/* Names of classes, in the order of their labels. */
typedef struct ClassNames {
    const char *const *list; /* [count] */
    int count;
    const char *source; /* where they come from, for messages */
} ClassNames;

/* Whether a file can have them, one per line: none is empty, has blanks around it or the end of a
 * line in it, or stands there twice; STATUS_INPUT. */
Status class_names_check(const ClassNames *names);
/* Reads a file with a name per line, none twice, into an arena; `path` must live as long. */
Status class_names_read(const char *path, Arena *arena, ClassNames *out);

typedef struct DatasetSpec {
    DatasetKind kind;
    bool train;       /* the training half of CIFAR and of the procedural set, else the test half */
    const char *list; /* DATASET_FROM_LISTS: the list file */
    const char *root; /* folder that relative paths of a list start from; the folder of folders; the
                         folder of the CIFAR files; NULL is the working folder */
    int classes;      /* 0: one more than the largest label, or as many as there are folders */
    ClassNames known; /* what the classes of lists and folders are called; list NULL: as the data
                         say. Folders must be these, names in a list among them */
    int first_label;  /* DATASET_FROM_LISTS: label of class 0 */
    bool published;   /* the list is as others published it: no message names an option of a run */
    LongTail tail;    /* training half, where the row says so: which images to keep */
    uint64_t seed;    /* procedural set; runs use 0, so that all see the same images */
} DatasetSpec;

typedef struct Dataset Dataset;

struct Dataset {
    DatasetKind kind;
    char *source;            /* list file or folder, for messages */
    int64_t count;           /* images, 1 to 2^31 - 1 */
    int classes;             /* labels are 0 to classes - 1 */
    int32_t *labels;         /* [count] */
    int64_t *counts;         /* [classes] images of each class; 0 is possible */
    int64_t *first;          /* [classes + 1] class c owns members[first[c] .. first[c + 1] - 1] */
    uint32_t *members;       /* [count] image numbers by class, ascending within a class */
    const char *const *class_names; /* [classes], or NULL when unknown */
    uint64_t checksum; /* FNV-1a 64 over paths from the root on (or pixels) and labels, in order */
    bool encoded;            /* the images are files: dataset_read works */
    bool named;              /* labels are names in the list file */

    /* Private to src/data. */
    Arena arena;
    char *text;              /* bytes of a list file, cut into strings */
    const char *root;        /* folder before relative paths, or NULL */
    const char **names;      /* [count] path of each image as listed; NULL when in memory */
    uint8_t *pixels;         /* [count][side][side][3] in memory, or NULL */
    bool train;              /* DatasetSpec.train */
    int side;
};

/* Opens a data set. STATUS_IO where a file or folder is missing, STATUS_INPUT where a line, label
 * or file is malformed (the message names file and line), STATUS_USAGE where the spec contradicts
 * itself. Classes without images give one warning. Images themselves are not touched: see
 * datacheck.h. */
Status dataset_open(const DatasetSpec *spec, Dataset **out);
/* A data set of these files, and of the images in and below these folders: path after path, those
 * of a folder in the order of their paths. They have no labels: all are of one class, 0. STATUS_IO
 * where a path is missing, STATUS_INPUT where there are no images. */
Status dataset_find(const char *const *paths, int count, Dataset **out);
/* A file of annotations in COCO's form, as iNaturalist publishes them: `images`, each with an id
 * and a file_name, in their order, and `annotations`, just one of each image, whose category_id is
 * its label; `categories`, if any, number the classes from 0 on and name them. So many classes, 0: as
 * the file says. STATUS_INPUT where anything of that is otherwise; other members count for nothing.
 */
Status dataset_coco(const char *path, int classes, Dataset **out);
/* The names of the `categories` of such a file, or of one that is nothing but their list; names
 * that are not all there, or not all different, are STATUS_INPUT. `path` must live as long. */
Status coco_class_names(const char *path, Arena *arena, ClassNames *out);
void dataset_close(Dataset *dataset);

/* What to call image i in a message: its path, or "SOURCE: training image I" ("test image I") where
 * it has no file. No other image of either half is called so. Written to text[room]; returns text.
 */
const char *dataset_name(const Dataset *dataset, int64_t i, char *text, size_t room);
/* The bytes of the file of image i (malloc'd); only where dataset->encoded. STATUS_IO when it is
 * missing. */
Status dataset_read(const Dataset *dataset, int64_t i, uint8_t **bytes, size_t *size);
/* Its failures without reading it: only whether there is a file that could be. */
Status dataset_look(const Dataset *dataset, int64_t i);
/* Whether all are there and have headers that can be read, on all cores; of several failures the
 * first. */
Status dataset_look_all(const Dataset *dataset);
/* Whether there is no file of image i, which is not to say that one that is there can be read. */
bool dataset_missing(const Dataset *dataset, int64_t i);
/* Image i, decoded; image_free it. STATUS_IO when missing, STATUS_INPUT when no image. */
Status dataset_fetch(const Dataset *dataset, int64_t i, Image *out);

/* Files longer than this are no images (512 MiB). */
enum { DATASET_FILE_MAX = 512 << 20 };

#endif
