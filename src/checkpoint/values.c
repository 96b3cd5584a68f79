/* Single values by their key: numbers, wherever PyTorch may have kept them (a tensor of one element
 * has to be read for that), and texts. */
#include "checkpoint/checkpoint.h"

/* A number at a key as a double, and as an integer where it is one. */
static Status number_at(Checkpoint *c, const char *key, double *value, int64_t *integer,
                        bool *whole)
{
    const Object *object = checkpoint_object(c, key);
    *whole = true;
    if (object && (object->kind == OBJECT_INT || object->kind == OBJECT_BOOL)) {
        *integer = object->kind == OBJECT_INT ? object->integer : object->flag;
        *value = (double)*integer;
        return STATUS_OK;
    }
    *whole = false;
    if (object && object->kind == OBJECT_FLOAT) {
        *value = object->number;
        return STATUS_OK;
    }
    const CheckpointTensor *t = checkpoint_find(c, key);
    if (!object)
        return checkpoint_fail(c, key, "is missing");
    if (!t || !t->tensor || t->tensor->count != 1)
        return checkpoint_fail(c, key, "is %s (expected a number)", object_kind_name(object));
    /* Integers and bools stay exact; anything else is read as a double. */
    if (element_converts(t->tensor->type, ELEMENT_INT64)) {
        *whole = true;
        TRY(checkpoint_read(c, t, ELEMENT_INT64, integer));
        *value = (double)*integer;
        return STATUS_OK;
    }
    return checkpoint_read(c, t, ELEMENT_FLOAT64, value);
}

Status checkpoint_number(Checkpoint *c, const char *key, double *value)
{
    int64_t integer;
    bool whole;
    return number_at(c, key, value, &integer, &whole);
}

Status checkpoint_integer(Checkpoint *c, const char *key, int64_t *value)
{
    double number = 0;
    int64_t integer = 0;
    bool whole;
    TRY(number_at(c, key, &number, &integer, &whole));
    if (!whole)
        return checkpoint_fail(c, key, "is %g (expected an integer)", number);
    *value = integer;
    return STATUS_OK;
}

const char *checkpoint_text(const Checkpoint *c, const char *key)
{
    const Object *object = checkpoint_object(c, key);
    return object && object->kind == OBJECT_TEXT ? object->text : NULL;
}
