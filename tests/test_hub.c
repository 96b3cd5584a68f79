/* The hub: who says the secret is a peer, nobody else is; where it listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "comm/watch.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connects to the hub at this address; -1: it does not listen there. */
static int connected(uint32_t address, uint32_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = address, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
        return fd;
    close(fd);
    return -1;
}

static WatchMessage hello_of(const WatchPlace *place, int index)
{
    WatchMessage m = {.magic = WATCH_MAGIC, .kind = WATCH_HELLO, .index = index}; /* pid 0: whoever is lost is killed */
    memcpy(m.secret, place->secret, sizeof m.secret);
    return m;
}

/* Whether the hub closes the connection of who says this, before it says anything itself. */
static bool is_refused(const WatchPlace *place, const WatchMessage *hello)
{
    char byte;
    int fd = connected(htonl(INADDR_LOOPBACK), place->port);
    assert_true(fd >= 0);
    assert_true(watch_send(fd, hello));
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 4000), 1); /* a beat, or the end */
    bool closed = recv(fd, &byte, 1, 0) <= 0;
    close(fd);
    return closed;
}

static void secret_is_needed(void **state)
{
    (void)state;
    Hub *hub;
    WatchPlace place;
    assert_int_equal(hub_open(2, 30, true, &hub, &place), STATUS_OK);
    assert_int_equal(strlen(place.secret), 32);
    for (size_t i = 0; i < sizeof place.secret; i++) { /* the last is the end of the text */
        WatchMessage m = hello_of(&place, 0);
        m.secret[i] ^= 1;
        assert_true(is_refused(&place, &m));
    }
    WatchMessage wrong[5];
    for (int i = 0; i < 5; i++)
        wrong[i] = hello_of(&place, 0);
    wrong[0].magic++;
    wrong[1].kind = WATCH_BEAT;
    wrong[2].kind = WATCH_LOST;
    wrong[3].index = 2;
    wrong[4].index = -1;
    for (int i = 0; i < 5; i++)
        assert_true(is_refused(&place, &wrong[i]));
    assert_false(hub_came(hub));
    assert_null(hub_lost(hub));
    WatchMessage right = hello_of(&place, 1);
    assert_false(is_refused(&place, &right));
    assert_true(hub_came(hub));
    hub_end(hub);
    hub_close(hub);
}

/* Nobody takes the place of a process that is there. */
static void place_is_taken(void **state)
{
    (void)state;
    Hub *hub;
    WatchPlace place;
    char beat;
    assert_int_equal(hub_open(2, 30, true, &hub, &place), STATUS_OK);
    WatchMessage m = hello_of(&place, 0);
    int fd = connected(htonl(INADDR_LOOPBACK), place.port);
    assert_true(fd >= 0 && watch_send(fd, &m));
    assert_int_equal(recv(fd, &beat, 1, 0), 1);
    assert_true(is_refused(&place, &m));
    close(fd);
    hub_end(hub);
    hub_close(hub);
}

/* A hub of this host alone is on the loopback interface, and not on the others. */
static void listens_where_it_must(void **state)
{
    (void)state;
    for (int local = 0; local < 2; local++) {
        Hub *hub;
        WatchPlace place;
        assert_int_equal(hub_open(2, 30, local, &hub, &place), STATUS_OK);
        int fd = connected(htonl(0x7F000002), place.port); /* loopback's, but not where it is bound */
        assert_int_equal(fd < 0, local);
        if (fd >= 0)
            close(fd);
        assert_true(place.addresses[0] != 0);
        if (local)
            assert_true(place.addresses[0] == htonl(INADDR_LOOPBACK) && place.addresses[1] == 0);
        hub_end(hub);
        hub_close(hub);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_is_needed),
        cmocka_unit_test(place_is_taken),
        cmocka_unit_test(listens_where_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
