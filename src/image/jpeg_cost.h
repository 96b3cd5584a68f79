/* What decoding a JPEG will cost, from its markers, before it is begun. */
#ifndef PACO_IMAGE_JPEG_COST_H
#define PACO_IMAGE_JPEG_COST_H

#include "image/decode_job.h"

#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h>

/* Memory that libjpeg takes beside the pixels, of a file whose header it has read. STATUS_LIMIT
 * where scans are more work, or blocks more memory, than a file of this size is worth;
 * STATUS_INPUT where a component has no scan of its mean values (DC), without which no encoder
 * writes a progressive file. */
Status jpeg_cost(const struct jpeg_decompress_struct *info, const DecodeJob *job, size_t *beside);

#endif
