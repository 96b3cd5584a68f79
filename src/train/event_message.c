/* Messages of events.proto, packed by protobuf-c. */
#include "train/event_message.h"

#include "base/arena.h"

#include "events.pb-c.h"

/* The messages of one value. */
typedef struct ValueParts {
    Tb__Value value;
    Tb__Metadata metadata;
    Tb__PluginData plugin;
    Tb__Tensor tensor;
    Tb__TensorShape shape;
    Tb__TensorShape__Dim dim, *dims;
    ProtobufCBinaryData strings[EVENT_STRINGS];
} ValueParts;

/* Packing only reads, but generated fields are not const. */
static void *borrow(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

static void fill_metadata(ValueParts *p, const EventValue *v)
{
    p->plugin = (Tb__PluginData)TB__PLUGIN_DATA__INIT;
    p->plugin.plugin_name = borrow(v->plugin);
    p->metadata = (Tb__Metadata)TB__METADATA__INIT;
    p->metadata.plugin_data = &p->plugin;
    if (v->about)
        p->metadata.summary_description = borrow(v->about);
}

static void fill_tensor(ValueParts *p, const EventValue *v)
{
    p->dim = (Tb__TensorShape__Dim)TB__TENSOR_SHAPE__DIM__INIT;
    p->dim.size = v->count;
    p->dims = &p->dim;
    p->shape = (Tb__TensorShape)TB__TENSOR_SHAPE__INIT;
    p->shape.n_dim = 1;
    p->shape.dim = &p->dims;
    for (int i = 0; i < v->count; i++)
        p->strings[i] = (ProtobufCBinaryData){v->strings[i].size, borrow(v->strings[i].bytes)};
    p->tensor = (Tb__Tensor)TB__TENSOR__INIT;
    p->tensor.dtype = TB__TENSOR__TYPE__STRING;
    p->tensor.tensor_shape = &p->shape;
    p->tensor.n_string_val = (size_t)v->count;
    p->tensor.string_val = p->strings;
}

static void fill_value(ValueParts *p, const EventValue *v)
{
    p->value = (Tb__Value)TB__VALUE__INIT;
    p->value.tag = borrow(v->tag);
    if (!v->plugin) {
        p->value.value_case = TB__VALUE__VALUE_SIMPLE_VALUE;
        p->value.simple_value = (float)v->number;
        return;
    }
    fill_metadata(p, v);
    fill_tensor(p, v);
    p->value.metadata = &p->metadata;
    p->value.value_case = TB__VALUE__VALUE_TENSOR;
    p->value.tensor = &p->tensor;
}

static uint8_t *pack(const Tb__Event *event, size_t *size)
{
    *size = tb__event__get_packed_size(event);
    uint8_t *bytes = mem_alloc(*size + 1);
    tb__event__pack(event, bytes);
    return bytes;
}

uint8_t *event_pack(const EventMessage *message, size_t *size)
{
    Arena arena = {0};
    Tb__SessionLog log = TB__SESSION_LOG__INIT;
    Tb__Summary summary = TB__SUMMARY__INIT;
    Tb__Event event = TB__EVENT__INIT;
    event.wall_time = message->wall_time;
    event.step = message->step;
    if (message->version) {
        event.what_case = TB__EVENT__WHAT_FILE_VERSION;
        event.file_version = borrow(message->version);
    } else if (message->start) {
        log.status = TB__SESSION_LOG__STATUS__START;
        event.what_case = TB__EVENT__WHAT_SESSION_LOG;
        event.session_log = &log;
    } else {
        ValueParts *parts = arena_alloc(&arena, (size_t)message->count * sizeof *parts);
        summary.n_value = (size_t)message->count;
        summary.value = arena_alloc(&arena, (size_t)message->count * sizeof *summary.value);
        for (int i = 0; i < message->count; i++) {
            fill_value(&parts[i], &message->values[i]);
            summary.value[i] = &parts[i].value;
        }
        event.what_case = TB__EVENT__WHAT_SUMMARY;
        event.summary = &summary;
    }
    uint8_t *bytes = pack(&event, size);
    arena_free(&arena);
    return bytes;
}
