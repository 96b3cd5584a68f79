#include "device/advice.h"

#include "base/arena.h"
#include "base/file.h"
#include "base/log.h"
#include "device/registry.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PCI_DISPLAY = 0x03, SMALL_FILE = 1 << 16 };

static const struct { unsigned id; const char *name, *word;
} vendors[] = {
#define VENDOR(id, name, word) {id, name, word},
#include "device/drivers.def"
};

static const struct { const char *id, *name, *command;
} families[] = {
#define FAMILY(id, name, command) {id, name, command},
#include "device/drivers.def"
};

static const struct { const char *vendor, *family, *packages, *then;
} drivers[] = {
#define DRIVER(vendor, family, packages, then) {vendor, family, packages, then},
#include "device/drivers.def"
};

static const BadDriver bad_drivers[] = {
#define BAD(platform, driver, what, instead) {platform, driver, what, instead},
#include "device/drivers.def"
};

enum {
    VENDORS = sizeof vendors / sizeof *vendors,
    FAMILIES = sizeof families / sizeof *families,
    DRIVERS = sizeof drivers / sizeof *drivers,
    BADS = sizeof bad_drivers / sizeof *bad_drivers,
};

/* ------------------------------------------------------------------------------------ system */

/* The text of a file below the system's root, malloc'd; NULL where there is none. */
static char *read_system(const char *path)
{
    const char *root = getenv("PACO_SYSROOT");
    char *whole = root ? file_join(root, path + 1) : mem_string(path), text[SMALL_FILE];
    FILE *file = fopen(whole, "r"); /* files of /sys have no true size */
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    free(whole);
    text[n] = 0;
    return file ? mem_string(text) : NULL;
}

/* A number of a PCI device's folder, 0 where it is not known. */
static unsigned long read_number(const char *slot, const char *name)
{
    Arena arena = {0};
    char *text = read_system(arena_printf(&arena, "/sys/bus/pci/devices/%s/%s", slot, name));
    unsigned long number = text ? strtoul(text, NULL, 16) : 0;
    free(text);
    arena_free(&arena);
    return number;
}

static DIR *open_slots(void)
{
    static const char path[] = "/sys/bus/pci/devices";
    const char *root = getenv("PACO_SYSROOT");
    char *whole = root ? file_join(root, path + 1) : mem_string(path);
    DIR *dir = opendir(whole);
    free(whole);
    return dir;
}

static bool is_gpu(const char *slot, unsigned vendor)
{
    return slot[0] != '.' && read_number(slot, "class") >> 16 == PCI_DISPLAY &&
           read_number(slot, "vendor") == vendor;
}

/* The first slot (by name) in which a GPU of this vendor is; "": none. */
static void find_slot(unsigned vendor, char slot[64])
{
    DIR *dir = open_slots();
    slot[0] = 0;
    for (const struct dirent *e; dir && (e = readdir(dir));)
        if (strlen(e->d_name) < 64 && (!*slot || strcmp(e->d_name, slot) < 0) &&
            is_gpu(e->d_name, vendor))
            memcpy(slot, e->d_name, strlen(e->d_name) + 1);
    if (dir)
        closedir(dir);
}

/* The family that a word of ID or ID_LIKE names, or -1. */
static int find_family(const char *word, size_t length)
{
    for (int i = 0; i < FAMILIES; i++)
        if (strlen(families[i].id) == length && memcmp(families[i].id, word, length) == 0)
            return i;
    return -1;
}

/* That of the first word of "ubuntu debian", quoted or not, that is one. */
static int family_of(const char *words)
{
    while (*words && *words != '\n') {
        size_t length = strcspn(words, "\"' \n");
        int family = find_family(words, length);
        if (family >= 0)
            return family;
        words += length + (words[length] && words[length] != '\n');
    }
    return -1;
}

/* That of the line NAME= of os-release. */
static int family_in(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, name, n) == 0)
            return family_of(line + n);
    return -1;
}

/* The distribution's family, or -1. */
static int this_family(void)
{
    char *text = read_system("/etc/os-release");
    int family = text ? family_in(text, "ID=") : -1;
    if (text && family < 0)
        family = family_in(text, "ID_LIKE=");
    free(text);
    return family;
}

/* ------------------------------------------------------------------------------------ advice */

/* Whether a usable device that is no processor is this vendor's. */
static bool is_shown(const char *name)
{
    for (int i = 0; i < registry_count(); i++) {
        const BackendRow *row = registry_row(i);
        for (int d = 0; d < row->devices; d++) {
            DeviceInfo info;
            if (row->backend->info(d, &info) != STATUS_OK || info.why[0] || (info.caps & CAP_CPU))
                continue;
            for (int v = 0; v < VENDORS; v++)
                if (strcmp(vendors[v].name, name) == 0 && strstr(info.vendor, vendors[v].word))
                    return true;
        }
    }
    return false;
}

/* What to install for a vendor, in the arena. */
static const char *remedy(const char *vendor, Arena *arena)
{
    int family = this_family();
    for (int i = 0; i < DRIVERS && family >= 0; i++)
        if (strcmp(drivers[i].vendor, vendor) == 0 &&
            strcmp(drivers[i].family, families[family].id) == 0)
            return arena_printf(arena, "On %s: sudo %s %s%s%s", families[family].name,
                                families[family].command, drivers[i].packages,
                                *drivers[i].then ? ", " : "", drivers[i].then);
    return arena_printf(
        arena, "Install %s's driver with OpenCL (ICD), by this distribution's packages", vendor);
}

/* The advice for the vendor of a row, in the arena; NULL where there is none. */
static const char *advice_for(int v, Arena *arena)
{
    char slot[64];
    if (v && strcmp(vendors[v].name, vendors[v - 1].name) == 0) /* another word of the same */
        return NULL;
    find_slot(vendors[v].id, slot);
    if (!*slot || is_shown(vendors[v].name))
        return NULL;
    return arena_printf(
        arena, "a GPU of %s is plugged in (%s), but no driver makes it usable here. %s",
        vendors[v].name, slot, remedy(vendors[v].name, arena));
}

void advice_list(FILE *out)
{
    Arena arena = {0};
    for (int v = 0; v < VENDORS; v++) {
        const char *text = advice_for(v, &arena);
        if (text) {
            log_text(out, "%s", text);
            fputc('\n', out);
        }
    }
    arena_free(&arena);
}

void advice_say(void)
{
    static bool said;
    Arena arena = {0};
    for (int v = 0; v < VENDORS && !said; v++) {
        const char *text = advice_for(v, &arena);
        if (text)
            log_info("%s", text);
    }
    said = true;
    arena_free(&arena);
}

/* ------------------------------------------------------------------------------------ drivers */

const BadDriver *advice_bad_driver(const DeviceInfo *info)
{
    for (int i = 0; i < BADS; i++)
        if (strcmp(info->platform, bad_drivers[i].platform) == 0 &&
            strncmp(info->driver, bad_drivers[i].driver, strlen(bad_drivers[i].driver)) == 0)
            return &bad_drivers[i];
    return NULL;
}

void advice_warn(const char *device, const DeviceInfo *info)
{
    static bool warned[BADS];
    const BadDriver *bad = advice_bad_driver(info);
    if (!bad || warned[bad - bad_drivers])
        return;
    warned[bad - bad_drivers] = true;
    log_warn("%s, driver %s: %s: %s", device, info->driver, bad->what, bad->instead);
}
