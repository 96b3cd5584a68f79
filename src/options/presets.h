/* Presets: the published recipes as data, one row of presets.def each. */
#ifndef PACO_OPTIONS_PRESETS_H
#define PACO_OPTIONS_PRESETS_H

#include "options/options.h"
#include "options/sources.h"

/* Mean and standard deviation of pixels / 255 (R,G,B), as published. */
#define IMAGENET_MEAN "0.485,0.456,0.406"
#define IMAGENET_STD "0.229,0.224,0.225"
#define INATURALIST_MEAN "0.466,0.471,0.380"
#define INATURALIST_STD "0.195,0.194,0.192"
#define CIFAR_MEAN "0.4914,0.4822,0.4465"
#define CIFAR_STD "0.2023,0.1994,0.2010"

typedef struct PresetValue {
    OptionId id;
    const char *text; /* as options_set reads it; NULL behind the last */
} PresetValue;

typedef struct Preset {
    const char *name;
    const PresetValue *values; /* one after another over the defaults of options.def */
    SourceId data;
    double accuracy;       /* published top-1 in percent; 0: none */
    const char *source;    /* where the accuracy comes from */
    const char *script;    /* "published script" or what was inferred and from what */
    const char *precision; /* number format it was published with, its --amp: "fp32" or "fp16" */
    const char *about;     /* one line */
} Preset;

/* Row i = 0, 1, ...; NULL past the last. */
const Preset *preset_at(int i);
/* The preset called so, or NULL. */
const Preset *preset_find(const char *name);

/* Prints all of them, a line each. */
void presets_print(FILE *out);
/* Prints one as a file of --config: what it is, the command that follows it, where its data comes
 * from, all in comments, and every option as the preset leaves it (`options`, options_preset). On a
 * terminal the command is no comment, so that it can be pasted. */
void preset_print(const Preset *preset, const Options *options, FILE *out);

#endif
