/* Tiles of work-groups; see group.h. */
#include "group.h"

size_t group_threads(const Algorithm *how)
{
    return (size_t)(how->vecs * 4 * (how->rows / how->item_rows));
}

bool group_fits(const Device *device, const Algorithm *how, size_t local)
{
    return group_threads(how) <= device->info.max_group && local <= device->info.local_memory;
}

Status group_check(const Device *device, const Step *step, const Algorithm *how, size_t local,
                   const char *what)
{
    if (!group_fits(device, how, local))
        return status_fail(STATUS_DEVICE,
                           "opencl: %s: %s allows groups of %u and %u bytes of local memory, "
                           "%s need %zu and %zu",
                           step->name, device->info.name, device->info.max_group,
                           device->info.local_memory, what, group_threads(how), local);
    return STATUS_OK;
}

size_t group_each(uint64_t count)
{
    return (size_t)((count + EACH_GROUP - 1) / EACH_GROUP * EACH_GROUP);
}
