/* The listings of `paco presets`. */
#include "options/options.h"
#include "options/presets.h"

#include <string.h>

void presets_print(FILE *out)
{
    fprintf(out, "%-17s %6s  %-13s %-30s %s\n", "preset", "top-1", "accuracy from", "script",
            "what");
    for (int i = 0; preset_at(i); i++) {
        const Preset *p = preset_at(i);
        char accuracy[16] = "-", script[64];
        if (p->accuracy > 0)
            snprintf(accuracy, sizeof accuracy, "%.1f %%", p->accuracy);
        snprintf(script, sizeof script, "%s%s", p->script,
                 !strcmp(p->precision, "fp16") ? "; in fp16" : "");
        fprintf(out, "%-17s %6s  %-13s %-30s %s\n", p->name, accuracy, *p->source ? p->source : "-",
               script, p->about);
    }
    fprintf(out,
            "\n`paco presets NAME` shows all values of one; `paco train --preset NAME` uses it.\n");
}

Status preset_print(const char *name, FILE *out)
{
    Options o;
    Arena arena = {0};
    options_init(&o);
    Status status = options_preset(&o, name);
    if (status == STATUS_OK) {
        const Preset *p = preset_find(name);
        fprintf(out, "# %s", p->about);
        if (p->accuracy > 0)
            fprintf(out, "; published top-1 %.1f %% (%s)", p->accuracy, p->source);
        fprintf(out, "; script: %s\n", p->script);
        fputs(options_dump(&o, &arena), out);
    }
    arena_free(&arena);
    options_free(&o);
    return status;
}
