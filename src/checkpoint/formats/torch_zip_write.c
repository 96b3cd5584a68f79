/* PyTorch's zip: data.pkl and byteorder first, as torch.save writes them, one record per run of
 * elements, version last. torch.load takes it with weights_only=True in every version that can;
 * 1.13's refuses all files with a Python float in them, its own too. */
#include "checkpoint/bytes/zip_write.h"
#include "checkpoint/bytes/little.h"
#include "checkpoint/formats/writers.h"
#include "checkpoint/objects/pickle_write.h"

#include <stdio.h>
#include <string.h>

#define FOLDER "archive/" /* the one folder that all records lie in */

static Status put_text(ZipWriter *zip, const char *name, const char *text)
{
    return zip_writer_add(zip, name, text, strlen(text));
}

static Status put_tensor(ZipWriter *zip, uint32_t number, const TensorFetch *fetch,
                         const StoredTensor *tensor)
{
    char name[ZIP_NAME_MOST + 1];
    Elements e;
    snprintf(name, sizeof name, FOLDER "data/%u", number);
    Status status = elements_open(zip->sink, fetch, tensor, &e);
    if (status == STATUS_OK)
        status = zip_writer_add(zip, name, e.values, e.bytes);
    elements_close(&e);
    return status;
}

static Status put_all(ZipWriter *zip, const PickleWriter *w)
{
    TRY(zip_writer_add(zip, FOLDER "data.pkl", w->out.bytes, w->out.size));
    TRY(put_text(zip, FOLDER "byteorder", little_is_native() ? "little" : "big"));
    for (uint32_t i = 0; i < w->records.count; i++)
        TRY(put_tensor(zip, i, w->fetch, w->records.tensors[i]));
    TRY(put_text(zip, FOLDER "version", "3\n"));
    return zip_writer_finish(zip);
}

Status torch_write(Sink *sink, const Object *root, const TensorFetch *fetch)
{
    PickleWriter w = pickle_writer(sink, fetch, false);
    ZipWriter zip = {.sink = sink};
    Status status = pickle_write(&w, root);
    if (status == STATUS_OK)
        status = put_all(&zip, &w);
    zip_writer_free(&zip);
    pickle_writer_free(&w);
    return status;
}
