/* Session: a graph on a device, or on the reference. What training, verification and evaluation run
 * on. */
#ifndef PACO_PLAN_SESSION_H
#define PACO_PLAN_SESSION_H

#include "plan/plan.h"

typedef struct Session Session;

typedef struct SessionOptions {
    const char *device;  /* "ref" (float64), "ref32", or a device of the registry ("opencl",
                            "opencl:1", "auto"); or a list of them with commas, of which a process
                            takes that of its place on its host (comm_place) */
    DeviceOptions on;    /* how to open it */
    PlanOptions plan;    /* its comm goes for the reference, too */
} SessionOptions;

enum { SESSION_ARITHMETIC = 384 };

/* Takes the graph over, also on failure. Warns where the device has not the math that is wanted. */
Status session_open(Graph *graph, const SessionOptions *options, Session **session);
void session_close(Session *session);
/* Once every process of plan.comm has opened its session: how they exchange values (plan_group).
 * Nothing where the graph exchanges none. */
void session_join(Session *session);
/* NULL on the reference. */
const Plan *session_plan(const Session *session);
/* "ref (float64)" or the device's name. */
const char *session_device(const Session *session);

/* Where its device is plugged in (DeviceInfo.slot); empty: not known. */
const char *session_slot(const Session *session);
/* What its float32 products are made of. */
Math session_math(const Session *session);
/* Whether it computes in float64. */
bool session_wide(const Session *session);

/* What decides the bits of a step beside graph and state, in one line: device, driver, cores, a
 * hash of what runs each step of a rank, and formats other than float32. Equal lines:
 * equal bits. */
void session_arithmetic(const Session *session, char text[SESSION_ARITHMETIC]);

/* Moves a value between host (logical row-major elements of `type`) and device. */
Status session_write(Session *session, const Value *value, const void *host, DType type);
Status session_read(Session *session, const Value *value, void *host, DType type);
/* A late read, after which the value may change: fetch returns at once; wait, once for each ticket,
 * waits until what was enqueued before the fetch is done. */
Status session_fetch(Session *session, const Value *value, int *ticket);
Status session_wait(Session *session, const Value *value, int ticket, void *host, DType type);
Status session_run(Session *session, Segment segment, const StepParams *state);
/* One whole training step: its segments in their order, those of ranks once for every rank of the
 * share. The state's rank, turn and sum are set here. */
Status session_step(Session *session, StepParams state);
/* Waits until all is done. */
Status session_sync(Session *session);

#endif
