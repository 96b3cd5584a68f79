/* paco completion: scripts that complete commands in bash, zsh and fish, made from the tables. */
#include "base/log.h"
#include "options/options_facts.h"
#include "verbs.h"

#include <stdio.h>
#include <string.h>

const char usage_completion[] =
    "usage: paco completion bash|zsh|fish\n\n"
    "Prints what completes verbs, options and their words in that shell. An installation has it "
    "already; elsewhere:\n"
    "`source <(paco completion bash)`, or into a file of a folder of zsh's $fpath (_paco) or of "
    "~/.config/fish/completions.";

/* An option as a shell completes it. */
typedef struct Entry {
    const char *name;
    bool flag, negated;  /* negated: --no-NAME is there, too */
    const char *words;   /* separated by |; NULL: any value */
    const char *values;  /* placeholder */
    const char *help;
    const char *const *others;
    int other_count;
} Entry;

typedef void EntryFunction(const Verb *verb, const Entry *entry, FILE *out);

/* What --device names without looking for devices. */
static const char DEVICES[] = "auto|opencl|cuda|ref|ref32";

static const char *words_of(const char *name, const char *words)
{
    return !words && strcmp(name, "device") == 0 ? DEVICES : words;
}

static void each_option(const Verb *v, EntryFunction *function, FILE *out)
{
    OptionFacts f;
    for (const OwnOption *o = own_options; o->name; o++) {
        Arena arena = {0};
        Entry e = {.name = o->name, .flag = !*o->values, .values = o->values, .help = o->help};
        e.words = words_of(o->name, verb_words(o->values, &arena));
        if (strcmp(o->verb, v->name) == 0)
            function(v, &e, out);
        arena_free(&arena);
    }
    for (int i = 0; v->set && options_facts(v->set, i, &f); i++) {
        Entry e = {.name = f.name, .flag = f.flag, .negated = f.flag, .values = f.values,
                   .words = f.flag ? NULL : words_of(f.name, f.words), .help = f.help,
                   .others = f.others, .other_count = f.other_count};
        function(v, &e, out);
    }
}

/* Words with spaces between them. */
static void put_words(const char *words, FILE *out)
{
    for (const char *c = words; *c; c++)
        fputc(*c == '|' ? ' ' : *c, out);
}

static bool is_file(const char *values)
{
    return strcmp(values, "FILE") == 0;
}

static bool is_folder(const char *values)
{
    return strcmp(values, "FOLDER") == 0;
}

/* The first line of a text, with a backslash before each of `escaped`; a quote ends and begins
 * again what stands in quotes. */
static void put_text(const char *text, const char *escaped, FILE *out)
{
    for (const char *c = text; *c && *c != '\n'; c++) {
        if (*c == '\'')
            fputs("'\\'", out);
        else if (strchr(escaped, *c))
            fputc('\\', out);
        fputc(*c, out);
    }
}

/* ------------------------------------------------------------------------------------ bash */

/* The patterns of an option: VERB:--NAME|VERB:--OTHER. */
static void bash_value(const Verb *v, const Entry *e, FILE *out)
{
    if (e->flag)
        return;
    fprintf(out, "    %s:--%s", v->name, e->name);
    for (int i = 0; i < e->other_count; i++)
        fprintf(out, "|%s:-%s%s", v->name, e->others[i][1] ? "-" : "", e->others[i]);
    fputs(") ", out);
    if (e->words) {
        fputs("words='", out);
        put_words(e->words, out);
        fputc('\'', out);
    } else {
        fprintf(out, "kind=%s",
                is_file(e->values) ? "file" : is_folder(e->values) ? "directory" : "none");
    }
    fputs(" ;;\n", out);
}

static void bash_name(const Verb *v, const Entry *e, FILE *out)
{
    (void)v;
    fprintf(out, " --%s", e->name);
    if (e->negated)
        fprintf(out, " --no-%s", e->name);
    for (int i = 0; i < e->other_count; i++)
        if (e->others[i][1]) /* not a letter */
            fprintf(out, " --%s", e->others[i]);
}

static void bash_verb(const Verb *v, FILE *out)
{
    Arena arena = {0};
    const char *words = verb_words(v->words, &arena);
    fprintf(out, "    %s) options='--help", v->name);
    each_option(v, bash_name, out);
    fputs("' first='", out);
    if (words)
        put_words(words, out);
    fprintf(out, "' kind=%s ;;\n", is_file(v->words) ? "file" : "none");
    arena_free(&arena);
}

static void print_bash(FILE *out)
{
    Arena arena = {0};
    fputs("# bash completion of paco: made by `paco completion bash`\n\n"
          "_paco()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local verb=${COMP_WORDS[1]}\n"
          "    local words='' kind=none options='' first=''\n"
          "    # --name=value comes as three words\n"
          "    if [[ $cur == = ]]; then\n        cur=\n"
          "    elif [[ $prev == = ]]; then\n        prev=${COMP_WORDS[COMP_CWORD-2]}\n    fi\n"
          "    COMPREPLY=()\n"
          "    case $verb in\n", out);
    for (const Verb *v = verbs; v->name; v++)
        bash_verb(v, out);
    fputs("    help) first='", out);
    put_words(verb_words("<verbs>", &arena), out);
    fputs("' ;;\n    esac\n"
          "    if ((COMP_CWORD == 1)); then\n        words='help --help --version ", out);
    put_words(verb_words("<verbs>", &arena), out);
    fputs("'\n    elif [[ $prev == -* ]] && _paco_value \"$verb:$prev\"; then\n        :\n"
          "    elif [[ $cur == -* ]]; then\n        words=$options kind=none\n"
          "    elif ((COMP_CWORD == 2)) && [[ $first ]]; then\n        words=$first\n    fi\n"
          "    if [[ $words ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    elif [[ $kind != none ]]; then\n"
          "        compopt -o filenames 2>/dev/null\n"
          "        mapfile -t COMPREPLY < <(compgen -A \"$kind\" -- \"$cur\")\n    fi\n}\n\n"
          "# _paco_value VERB:OPTION: sets words or kind; fails where the option takes no value.\n"
          "_paco_value()\n{\n    case $1 in\n", out);
    for (const Verb *v = verbs; v->name; v++)
        each_option(v, bash_value, out);
    fputs("    *) return 1 ;;\n    esac\n}\n\ncomplete -F _paco paco\n", out);
    arena_free(&arena);
}

/* ------------------------------------------------------------------------------------ zsh */

/* :what:how to complete it */
static void zsh_value(const char *values, const char *words, FILE *out)
{
    fputc(':', out);
    put_text(values, "[]:\\", out);
    fputc(':', out);
    if (words) {
        fputc('(', out);
        put_words(words, out);
        fputc(')', out);
    } else if (is_file(values)) {
        fputs("_files", out);
    } else if (is_folder(values)) {
        fputs("_files -/", out);
    } else {
        fputc(' ', out);
    }
}

static void zsh_spec(const char *dashes, const char *name, const Entry *e, FILE *out)
{
    fprintf(out, " \\\n            '%s%s%s[", dashes, name, e->flag ? "" : name[1] ? "=" : "+");
    put_text(e->help, "[]:\\", out);
    fputc(']', out);
    if (!e->flag)
        zsh_value(e->values, e->words, out);
    fputc('\'', out);
}

static void zsh_option(const Verb *v, const Entry *e, FILE *out)
{
    (void)v;
    zsh_spec("--", e->name, e, out);
    if (e->negated)
        zsh_spec("--no-", e->name, e, out);
    for (int i = 0; i < e->other_count; i++)
        zsh_spec(e->others[i][1] ? "--" : "-", e->others[i], e, out);
}

static void zsh_verb(const Verb *v, FILE *out)
{
    Arena arena = {0};
    const char *words = verb_words(v->words, &arena);
    fprintf(out, "    %s)\n        _arguments '--help[explain it]'", v->name);
    each_option(v, zsh_option, out);
    if (words) {
        fputs(" \\\n            '1", out);
        zsh_value("word", words, out);
        fputc('\'', out);
    } else if (is_file(v->words)) {
        fputs(" \\\n            '*:FILE:_files'", out);
    }
    fputs("\n        ;;\n", out);
    arena_free(&arena);
}

static void print_zsh(FILE *out)
{
    Arena arena = {0};
    fputs("#compdef paco\n# zsh completion of paco: made by `paco completion zsh`\n\n"
          "_paco() {\n    local -a verbs\n    verbs=(\n        'help:explain a verb'\n", out);
    for (const Verb *v = verbs; v->name; v++) {
        fprintf(out, "        '%s:", v->name);
        put_text(v->summary, ":\\", out);
        fputs("'\n", out);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n"
          "        return\n    fi\n    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n"
          "    help)\n        _arguments '1", out);
    zsh_value("verb", verb_words("<verbs>", &arena), out);
    fputs("'\n        ;;\n", out);
    for (const Verb *v = verbs; v->name; v++)
        zsh_verb(v, out);
    fputs("    esac\n}\n\n"
          "if [[ $funcstack[1] == _paco ]]; then\n    _paco \"$@\"\nelse\n"
          "    compdef _paco paco\nfi\n", out);
    arena_free(&arena);
}

/* ------------------------------------------------------------------------------------ fish */

static void fish_words(const char *words, FILE *out)
{
    fputs(" -x -a '", out);
    put_words(words, out);
    fputc('\'', out);
}

static void fish_line(const Verb *v, const Entry *e, const char *no, FILE *out)
{
    fprintf(out, "complete -c paco -n '__fish_seen_subcommand_from %s' -l %s%s", v->name, no,
            e->name);
    for (int i = 0; i < e->other_count; i++)
        fprintf(out, " -%c %s", e->others[i][1] ? 'l' : 's', e->others[i]);
    if (e->words)
        fish_words(e->words, out);
    else if (is_folder(e->values))
        fputs(" -x -a '(__fish_complete_directories)'", out);
    else if (!e->flag)
        fputs(is_file(e->values) ? " -r -F" : " -x", out);
    fputs(" -d '", out);
    put_text(e->help, "\\", out);
    fputs("'\n", out);
}

static void fish_option(const Verb *v, const Entry *e, FILE *out)
{
    fish_line(v, e, "", out);
    if (e->negated)
        fish_line(v, e, "no-", out);
}

static void fish_verb(const Verb *v, FILE *out)
{
    Arena arena = {0};
    const char *words = verb_words(v->words, &arena);
    fprintf(out, "complete -c paco -n __fish_use_subcommand -a %s -d '", v->name);
    put_text(v->summary, "\\", out);
    fputs("'\n", out);
    fprintf(out, "complete -c paco -n '__fish_seen_subcommand_from %s' -l help -d 'explain it'\n",
            v->name);
    if (words) {
        fprintf(out, "complete -c paco -n '__fish_seen_subcommand_from %s'", v->name);
        fish_words(words, out);
        fputc('\n', out);
    } else if (is_file(v->words)) {
        fprintf(out, "complete -c paco -n '__fish_seen_subcommand_from %s' -F\n", v->name);
    }
    each_option(v, fish_option, out);
    arena_free(&arena);
}

static void print_fish(FILE *out)
{
    fputs("# fish completion of paco: made by `paco completion fish`\n\n"
          "complete -c paco -f\n"
          "complete -c paco -n __fish_use_subcommand -a help -d 'explain a verb'\n", out);
    for (const Verb *v = verbs; v->name; v++)
        fish_verb(v, out);
}

/* ------------------------------------------------------------------------------------ the verb */

static const struct { const char *name; void (*print)(FILE *out);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

int verb_completion(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof shells / sizeof *shells; i++)
        if (strcmp(argv[1], shells[i].name) == 0) {
            shells[i].print(stdout);
            return STATUS_OK;
        }
    const char *word = argc > 1 ? argv[1] : "";
    log_error("completion: '%.60s': expected one of bash, zsh and fish", word);
    return STATUS_USAGE;
}
