/* Presets: the published recipes as data, one row of presets.def each. */
#ifndef PACO_TRAIN_PRESETS_H
#define PACO_TRAIN_PRESETS_H

typedef struct Preset {
    const char *name;
    const char *options;  /* "name=value name=value ..." over the defaults of options.def */
    double accuracy;      /* published top-1 in percent; 0: none */
    const char *source;   /* where the accuracy comes from */
    const char *script;   /* "published script" or what was inferred and from what */
    const char *about;    /* one line */
} Preset;

/* Row i = 0, 1, ...; NULL past the last. */
const Preset *preset_at(int i);
/* The preset called so, or NULL. */
const Preset *preset_find(const char *name);

#endif
