/* What `paco presets` prints: all recipes, or one, so that it can be followed. */
#include "options/options_table.h"
#include "options/presets.h"

#include <string.h>
#include <unistd.h>

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
            "\n`paco presets NAME` says how to follow one; `paco train --preset NAME` uses it.\n");
}

static void print_what(const Preset *p, FILE *out)
{
    fprintf(out, "# %s", p->about);
    if (p->accuracy > 0)
        fprintf(out, "; published top-1 %.1f %% (%s)", p->accuracy, p->source);
    fprintf(out, "; script: %s\n#\n", p->script);
}

static void print_command(const Preset *p, FILE *out)
{
    const char *mark = isatty(fileno(out)) ? "" : "#";
    fprintf(out, "# The command; words in capitals are folders of yours:\n#\n");
    fprintf(out, "%s   paco train --preset %s \\\n", mark, p->name);
    for (const SourceFile *f = source_at(p->data)->files; f->name; f++)
        if (*f->value)
            fprintf(out, "%s       --%s %s \\\n", mark, option_rows[f->option].name, f->value);
    fprintf(out, "%s       --out runs/%s\n#\n", mark, p->name);
}

static void print_lines(const char *text, FILE *out)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");
        fprintf(out, "# %.*s\n", length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_data(const Preset *p, const Options *options, FILE *out)
{
    const Source *s = source_at(p->data);
    fprintf(out, "# The data: %s, %d classes, %lld training and %lld test images\n", s->size->title,
            s->size->classes, (long long)source_images(s, options),
            (long long)s->size->images[s->judged]);
    for (const SourceFile *f = s->files; f->name; f++) {
        fprintf(out, "#   %s, %s\n", f->name, f->sum);
        if (!f[1].name || strcmp(f->where, f[1].where) != 0)
            fprintf(out, "#     %s\n", f->where);
    }
    print_lines(s->layout, out);
    fprintf(out, "#\n");
}

void preset_print(const Preset *preset, const Options *options, FILE *out)
{
    Arena arena = {0};
    print_what(preset, out);
    print_command(preset, out);
    print_data(preset, options, out);
    fprintf(out, "# All options; this output is a file for --config\n");
    fputs(options_dump(options, &arena), out);
    arena_free(&arena);
}
