/* Opcodes of names and calls, GLOBAL to BINPERSID. Nothing is imported, called or built: a name
 * becomes a note, a call a note of a call; only OrderedDict becomes what it stands for. */
#ifndef PACO_CHECKPOINT_OBJECTS_PICKLE_CALLS_H
#define PACO_CHECKPOINT_OBJECTS_PICKLE_CALLS_H

#include "checkpoint/objects/pickle_machine.h"

/* GLOBAL and STACK_GLOBAL: the name of a class or function. */
Status op_global(Machine *m);
Status op_stack_global(Machine *m);
/* REDUCE and NEWOBJ. */
Status op_call(Machine *m);
/* BUILD: the state of an object. */
Status op_build(Machine *m);
/* BINPERSID: asks the hook. */
Status op_persistent(Machine *m);
/* Pushes an opaque object, as a call of `name` ("module.name", static) without arguments would be.
 */
Status push_opaque(Machine *m, const char *name);

#endif
