/* paco presets: the published recipes, with their published accuracy; one of them with all its
 * values. */
#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"
#include "options/options.h"
#include "options/presets.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static void print_table(void)
{
    printf("%-17s %6s  %-13s %-30s %s\n", "preset", "top-1", "accuracy from", "script", "what");
    for (int i = 0; preset_at(i); i++) {
        const Preset *p = preset_at(i);
        char accuracy[16] = "-", script[64];
        if (p->accuracy > 0)
            snprintf(accuracy, sizeof accuracy, "%.1f %%", p->accuracy);
        snprintf(script, sizeof script, "%s%s", p->script,
                 !strcmp(p->precision, "fp16") ? "; in fp16" : "");
        printf("%-17s %6s  %-13s %-30s %s\n", p->name, accuracy, *p->source ? p->source : "-",
               script, p->about);
    }
    printf("\n`paco presets NAME` shows all values of one; `paco train --preset NAME` uses it.\n");
}

/* Every option as the preset leaves it. */
static Status print_one(const char *name)
{
    Options o;
    Arena arena = {0};
    options_init(&o);
    Status status = options_preset(&o, name);
    if (status == STATUS_OK) {
        const Preset *p = preset_find(name);
        printf("# %s", p->about);
        if (p->accuracy > 0)
            printf("; published top-1 %.1f %% (%s)", p->accuracy, p->source);
        printf("; script: %s\n", p->script);
        const char *used = options_word(&o, OPTION_ID_amp);
        if (strcmp(p->precision, used) != 0)
            printf("# published with %s; trained in %s here until half precision is there\n",
                   p->precision, used);
        fputs(options_dump(&o, &arena), stdout);
    }
    arena_free(&arena);
    options_free(&o);
    return status;
}

int verb_presets(int argc, char **argv)
{
    Status status = STATUS_OK;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        printf("usage: paco presets [NAME]\nLists the published recipes, or all values of one.\n");
    else if (argc == 1)
        print_table();
    else if (argc == 2 && argv[1][0] != '-')
        status = print_one(argv[1]);
    else
        status = status_fail(STATUS_USAGE, "presets: at most one name is expected");
    if (status != STATUS_OK)
        log_error("%s", status_text());
    return status;
}
