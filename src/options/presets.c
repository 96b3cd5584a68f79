/* The table of presets.def. */
#include "options/presets.h"

#include <stddef.h>
#include <string.h>

#define V(field, value) {OPTION_ID_##field, #value},
#define NORMALISED(whose) {OPTION_ID_mean, whose##_MEAN}, {OPTION_ID_std, whose##_STD},

#define PRESET(name, options, data, accuracy, source, script, precision, about)                    \
    static const PresetValue name##_values[] = {                                                   \
        options{OPTION_ID_amp, precision}, {OPTION_COUNT, NULL}};
#include "options/presets.def"

static const Preset presets[] = {
#define PRESET(name, options, data, accuracy, source, script, precision, about)                    \
    {#name, name##_values, SOURCE_##data, accuracy, source, script, precision, about},
#include "options/presets.def"
};

const Preset *preset_at(int i)
{
    return i >= 0 && (size_t)i < sizeof presets / sizeof *presets ? &presets[i] : NULL;
}

const Preset *preset_find(const char *name)
{
    for (int i = 0; preset_at(i); i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}
