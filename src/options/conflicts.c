#include "options/conflicts.h"

#include "base/log.h"

#include <stdio.h>

void conflicts_note(Conflicts *c, Status status)
{
    if (status == STATUS_OK)
        return;
    if (c->status != STATUS_OK)
        log_error("%s", c->text);
    c->status = status;
    snprintf(c->text, sizeof c->text, "%s", status_text());
}

Status conflicts_end(const Conflicts *c)
{
    return c->status == STATUS_OK ? STATUS_OK : status_fail(c->status, "%s", c->text);
}
