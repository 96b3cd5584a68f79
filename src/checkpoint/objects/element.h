/* Element types of stored tensors: one table for PyTorch's, the storages' and safetensors' names,
 * and conversion of values. It is about files; what a device computes in is another matter. */
#ifndef PACO_CHECKPOINT_OBJECTS_ELEMENT_H
#define PACO_CHECKPOINT_OBJECTS_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ELEMENT(name, PyTorch's dtype, stem of the storage class or "", safetensors' name or "", bytes,
 * class). Class F float, I integer, B bool, N readable only as it stands (no conversion). */
#define ELEMENT_LIST(X)                                 \
    X(FLOAT64, "float64", "Double", "F64", 8, 'F')      \
    X(FLOAT32, "float32", "Float", "F32", 4, 'F')       \
    X(FLOAT16, "float16", "Half", "F16", 2, 'F')        \
    X(BFLOAT16, "bfloat16", "BFloat16", "BF16", 2, 'F') \
    X(INT64, "int64", "Long", "I64", 8, 'I')            \
    X(INT32, "int32", "Int", "I32", 4, 'I')             \
    X(INT16, "int16", "Short", "I16", 2, 'I')           \
    X(INT8, "int8", "Char", "I8", 1, 'I')               \
    X(UINT8, "uint8", "Byte", "U8", 1, 'I')             \
    X(BOOL, "bool", "Bool", "BOOL", 1, 'B')             \
    X(UINT16, "uint16", "", "U16", 2, 'N')              \
    X(UINT32, "uint32", "", "U32", 4, 'N')              \
    X(UINT64, "uint64", "", "U64", 8, 'N')

typedef enum ElementType {
#define X(name, torch, storage, safetensors, bytes, kind) ELEMENT_##name,
    ELEMENT_LIST(X)
#undef X
    ELEMENT_TYPES
} ElementType;

/* Bytes of one element. */
size_t element_bytes(ElementType type);
/* PyTorch's name, "float32". */
const char *element_name(ElementType type);
/* safetensors' name, "F32". */
const char *element_safetensors(ElementType type);
/* Stem of PyTorch's storage class, "Float"; "" where there is none. */
const char *element_storage(ElementType type);
/* Looks a name up; false when unknown. `length` bytes of text, not zero-terminated. */
bool element_from_storage(const char *stem, size_t length, ElementType *type);
bool element_from_safetensors(const char *name, ElementType *type);
bool element_from_name(const char *name, ElementType *type);

/* Whether element_convert can turn `from` into `into`: anything into itself; floats, integers and
 * bool into float64 and float32; integers and bool into int64. */
bool element_converts(ElementType from, ElementType into);
/* Converts `count` elements, nearest-even where rounding is needed. bool becomes 0 or 1, also when
 * it stays bool. Places must not overlap. */
void element_convert(ElementType from, const void *values, ElementType into, void *out,
                     size_t count);
/* Reverses the bytes of each of `count` elements in place (big-endian files). */
void element_swap(ElementType type, void *values, size_t count);

#endif
