/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A server in a thread of the test, on a free port of the loopback: it greets, and then does what
 * the test wants, good or bad.
 */
#pragma once

#include "client/include/cairn.h"
#include "client/lib/frame.h"
#include "common/buf.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SMALL_REPLY = 4096 }; /* the largest reply that fake_connect takes */

/* What a test lets the server do on one connection, after the greeting. */
typedef void (*fake_script)(int fd);

struct fake {
    int listener;
    char address[32];
    fake_script script;
    int connections; /* how many to serve, one after another */
    pthread_t thread;
};

static inline void send_all(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        p += n;
        size -= (size_t)n;
    }
}

/* Read one whole request; its msgid, or -1 at the end of the stream. */
static inline int64_t read_request(int fd)
{
    struct buf buf;
    struct frame frame = {0};
    int64_t msgid = -1;
    uint8_t byte;
    buf_init(&buf);
    while (recv(fd, &byte, 1, 0) == 1) {
        struct mp mp = {.count = 0};
        assert_int_equal(buf_append(&buf, &byte, 1), 0);
        if (frame_scan(&frame, buf_bytes(&buf), SIZE_MAX / 4) != 0)
            continue;
        struct mp_reader reader = mp_reader_of(buf_bytes(&buf));
        for (int i = 0; i < 3; i++)
            assert_int_equal(mp_read(&reader, &mp), 0);
        msgid = (int64_t)mp.uint;
        break;
    }
    buf_deinit(&buf);
    return msgid;
}

/* [1, msgid, error, result]; both are encoded, NULL is nil. */
static inline void make_reply(struct buf *out, int64_t msgid, const char *error, size_t error_size,
                              const char *result, size_t result_size)
{
    assert_int_equal(pack_array(out, 4), 0);
    assert_int_equal(pack_uint(out, 1), 0);
    assert_int_equal(pack_uint(out, (uint64_t)msgid), 0);
    assert_int_equal(buf_append(out, error != NULL ? error : "\xc0", error ? error_size : 1), 0);
    assert_int_equal(buf_append(out, result != NULL ? result : "\xc0", result ? result_size : 1),
                     0);
}

static inline void reply(int fd, int64_t msgid, const char *error, size_t error_size,
                         const char *result, size_t result_size)
{
    struct buf out;
    buf_init(&out);
    make_reply(&out, msgid, error, error_size, result, result_size);
    send_all(fd, out.data, out.size);
    buf_deinit(&out);
}

#define REPLY_OK(fd, msgid, result)   reply(fd, msgid, NULL, 0, result, sizeof(result) - 1)
#define REPLY_ERROR(fd, msgid, error) reply(fd, msgid, error, sizeof(error) - 1, NULL, 0)

static inline void *fake_main(void *data)
{
    struct fake *fake = data;
    for (int i = 0; i < fake->connections; i++) {
        int fd = accept(fake->listener, NULL, NULL);
        int64_t hello = read_request(fd);
        if (hello >= 0) {
            REPLY_OK(fd, hello, "\x80");
            fake->script(fd);
        }
        close(fd);
    }
    return NULL;
}

static inline void fake_start(struct fake *fake, fake_script script, int connections)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    fake->script = script;
    fake->connections = connections;
    fake->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fake->listener, (const struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fake->listener, 16), 0);
    assert_int_equal(getsockname(fake->listener, (struct sockaddr *)&in, &size), 0);
    snprintf(fake->address, sizeof fake->address, "127.0.0.1:%d", ntohs(in.sin_port));
    assert_int_equal(pthread_create(&fake->thread, NULL, fake_main, fake), 0);
}

static inline void fake_stop(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    close(fake->listener);
}

static inline struct cairn *fake_connect(struct fake *fake, fake_script script, uint32_t timeout_ms)
{
    struct cairn_options options = {.timeout_ms = timeout_ms, .max_reply_bytes = SMALL_REPLY};
    struct cairn_error error;
    fake_start(fake, script, 1);
    struct cairn *c = cairn_connect(fake->address, &options, &error);
    assert_non_null(c);
    return c;
}

/* Wait until the client is gone. */
static inline void drain(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) == 1)
        continue;
}
