/* Cases of the image oracle: operations with drawn parameters and the PNGs they must give. */
#ifndef PACO_VERIFY_IMAGE_CASES_H
#define PACO_VERIFY_IMAGE_CASES_H

#include "base/status.h"

#include <stdio.h>

/* Runs every case of folder/cases.json on the image file and compares with folder/CASE.png. One
 * line per case goes to `out`: PASS or FAIL, worst difference in levels, differing pixels; then
 * a summary. *failed counts the FAILs, unreadable PNGs among them. STATUS_INPUT or STATUS_IO
 * where the cases or the image cannot be read at all. */
Status image_cases_run(const char *image, const char *folder, FILE *out, int *failed);

#endif
