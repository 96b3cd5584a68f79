/* An engine that is an installation of MPI: a module of its own for each, compiled by that
 * installation's mpicc (MPIs differ in their ABI). The one text of src that includes mpi.h; nothing
 * links against it. */
#include "comm/engine.h"

#include <mpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Transfer {
    MPI_Request request;
    bool used;
} Transfer;

static Transfer *transfers; /* [room] */
static int room, size, own;

/* Over one connection of Open MPI's what a large message waits for, the receiver's word that it is
 * ready, stands behind what that one sends itself: sums then take 1.5 times what their bytes do at
 * 200 Mbit/s, with two connections 1.0 times. Open MPI reads this when it starts; a user's word
 * counts. */
static void open_second_connection(void)
{
#ifdef OPEN_MPI
    setenv("OMPI_MCA_btl_tcp_links", "2", 0);
#endif
}

static Status engine_start(int *count, int *index)
{
    int level;
    open_second_connection();
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return status_fail(STATUS_PEER, "MPI_Init failed");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_rank(MPI_COMM_WORLD, &own);
    *count = size;
    *index = own;
    return STATUS_OK;
}

static void engine_finish(void)
{
    MPI_Finalize();
    free(transfers);
    transfers = NULL;
    room = 0;
}

static void engine_abort(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
}

/* The number of a transfer that is free; -1: there is no memory. */
static int take(void)
{
    int i = 0;
    while (i < room && transfers[i].used)
        i++;
    if (i == room) {
        int more = room ? 2 * room : 64;
        Transfer *all = realloc(transfers, (size_t)more * sizeof *all);
        if (!all)
            return -1;
        memset(all + room, 0, (size_t)(more - room) * sizeof *all);
        transfers = all;
        room = more;
    }
    transfers[i].used = true;
    return i;
}

/* The transfer, unless it could not begin. */
static int begun(int transfer, int error)
{
    if (transfer >= 0 && error != MPI_SUCCESS)
        transfers[transfer].used = false;
    return error == MPI_SUCCESS ? transfer : -1;
}

/* BEGIN(call, arguments up to the request) */
#define BEGIN(call, ...)                                                                           \
    int i = take();                                                                                \
    return i < 0 ? -1 : begun(i, call(__VA_ARGS__, &transfers[i].request))

static int engine_send(const void *data, size_t bytes, int to)
{
    BEGIN(MPI_Isend, data, (int)bytes, MPI_BYTE, to, 0, MPI_COMM_WORLD);
}

static int engine_receive(void *data, size_t bytes, int from)
{
    BEGIN(MPI_Irecv, data, (int)bytes, MPI_BYTE, from, 0, MPI_COMM_WORLD);
}

static int engine_gather(void *data, size_t each)
{
    BEGIN(MPI_Iallgather, MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, (int)each, MPI_BYTE,
          MPI_COMM_WORLD);
}

static int engine_broadcast(void *data, size_t bytes)
{
    BEGIN(MPI_Ibcast, data, (int)bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static int engine_sum(void *data, size_t count, bool wide)
{
    BEGIN(MPI_Iallreduce, MPI_IN_PLACE, data, (int)count, wide ? MPI_DOUBLE : MPI_FLOAT, MPI_SUM,
          MPI_COMM_WORLD);
}

static int engine_done(int i)
{
    int done = 0;
    if (MPI_Test(&transfers[i].request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return -1;
    transfers[i].used = !done;
    return done;
}

__attribute__((visibility("default"))) const CommEngine *paco_engine(void);

const CommEngine *paco_engine(void)
{
    static char name[MPI_MAX_LIBRARY_VERSION_STRING];
    static const CommEngine engine = {COMM_ENGINE_ABI,  name,        engine_start,   engine_finish,
                                      engine_abort,     engine_send, engine_receive, engine_gather,
                                      engine_broadcast, engine_sum,  engine_done};
    int length;
    MPI_Get_library_version(name, &length);
    char *digits = name + strcspn(name, "0123456789"); /* around them stands how it was built */
    digits[strspn(digits, "0123456789.abrc")] = '\0';
    memmove(name, digits, strlen(digits) + 1);
    return &engine;
}
