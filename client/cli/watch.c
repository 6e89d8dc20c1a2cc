/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Printing the events of a watch.
 *
 *   12  put     user:1  {"a": 1}      version, type, key, and the value with --values
 *   90  lagged  from 13               versions 13 to 90 were missed
 *
 * How: with --json each event is one line of JSON as the server sent it. Lines are written out
 * after each notification, so that a pipe sees them at once.
 *
 * Invariants: where SIGINT is caught, it ends the watch and leaves the connection usable.
 * Threads: one. Failures: "cairn: CODE message" on stderr.
 */
#include "client/cli/watch.h"

#include "client/cli/run.h"
#include "client/cli/signals.h"
#include "common/err.h"
#include "proto/pack.h"

#include <signal.h>
#include <unistd.h>

enum { WATCH_SLICE_MS = 50 };

/* Parts of an event, packed; data NULL: it has none. */
struct watch_event {
    struct bytes version, type, key, value, from_version;
};

static bool watch_parse(struct bytes packed, struct watch_event *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    const struct {
        const char *name;
        struct bytes *part;
    } parts[] = {{"version", &out->version},
                 {"type", &out->type},
                 {"key", &out->key},
                 {"value", &out->value},
                 {"from_version", &out->from_version}};
    struct bytes name, value;
    struct mp head;
    bool text;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &name, &text) != 0 || !print_skip(&reader, &value))
            return false;
        for (size_t j = 0; j < LENGTH_OF(parts); j++)
            if (bytes_equal(name, bytes_of(parts[j].name)))
                *parts[j].part = value;
    }
    return out->version.data != NULL && out->type.data != NULL;
}

static int watch_print(struct printer *printer, struct bytes packed)
{
    struct watch_event event = {.version = BYTES_NONE};
    if (printer->json)
        return print_result(printer, packed);
    if (!watch_parse(packed, &event))
        return ERR_BAD_REQUEST;
    int err = print_part(printer, event.version, true);
    fputc('\t', printer->out);
    if (err == 0)
        err = print_part(printer, event.type, true);
    fputc('\t', printer->out);
    if (event.from_version.data != NULL)
        fputs("from ", printer->out);
    struct bytes key = event.from_version.data != NULL ? event.from_version : event.key;
    if (err == 0 && key.data != NULL)
        err = print_part(printer, key, true);
    if (err == 0 && event.value.data != NULL)
        err = print_part(printer, event.value, false);
    fputc('\n', printer->out);
    return err;
}

/* [id, event...], if it is of this watch. 0 or a negative enum err. */
static int watch_print_all(struct printer *printer, uint64_t watch, struct bytes params)
{
    struct mp_reader reader = mp_reader_of(params);
    struct mp head, id;
    struct bytes event;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY || mp_read(&reader, &id) != 0)
        return ERR_BAD_REQUEST;
    if (id.kind != MP_UINT || id.uint != watch)
        return 0;
    int err = 0;
    for (uint32_t i = 1; i < head.count && err == 0; i++)
        err = print_skip(&reader, &event) ? watch_print(printer, event) : ERR_BAD_REQUEST;
    return err;
}

/* The id in the reply to watch.open; 0: it is none. */
static uint64_t watch_id(struct bytes reply)
{
    struct mp_reader reader = mp_reader_of(reply);
    struct bytes name, value;
    struct mp mp;
    uint64_t id = 0;
    bool text;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_MAP)
        return 0;
    for (uint32_t i = 0, count = mp.count; i < count; i++) {
        if (mp_read_bytes(&reader, &name, &text) != 0 || !print_skip(&reader, &value))
            return 0;
        struct mp_reader inner = mp_reader_of(value);
        if (bytes_equal(name, bytes_of("watch")) && mp_read(&inner, &mp) == 0 && mp.kind == MP_UINT)
            id = mp.uint;
    }
    return id;
}

/* Wait for a notification; in slices where SIGINT is caught. *out_interrupted: it came. */
static int watch_wait(struct session *session, uint32_t timeout_ms,
                      struct cairn_notification *out_told, bool *out_interrupted)
{
    uint64_t waited_ms = 0;
    bool slices = session->catches_interrupt;
    int status = CAIRN_TIMEOUT;
    cairn_set_timeout(session->c, slices ? WATCH_SLICE_MS : timeout_ms);
    do {
        status = cairn_notified(session->c, out_told);
        *out_interrupted = slices && signals_take(SIGINT);
        waited_ms += WATCH_SLICE_MS;
    } while (status == CAIRN_TIMEOUT && slices && !*out_interrupted &&
             (timeout_ms == UINT32_MAX || waited_ms < timeout_ms));
    session->error = *cairn_error(session->c);
    return status;
}

static int watch_follow(struct session *session, uint64_t watch, uint32_t timeout_ms,
                        struct printer *printer)
{
    struct cairn_notification told;
    bool interrupted = false;
    int code = EXIT_DONE;
    while (code == EXIT_DONE && !interrupted) {
        int status = watch_wait(session, timeout_ms, &told, &interrupted);
        if (interrupted)
            fputc('\n', stderr); /* behind the ^C that the terminal shows */
        if (status != CAIRN_OK)
            return interrupted ? EXIT_DONE : session_tell(&session->error);
        struct bytes params = {told.params.data, told.params.size};
        int err = watch_print_all(printer, watch, params);
        code = err != 0 ? run_internal(err) : print_flush(EXIT_DONE);
    }
    return code;
}

/* The connection goes on: end the watch. */
static int watch_end(struct session *session, uint64_t watch)
{
    struct bytes ignored;
    struct buf params;
    buf_init(&params);
    int err = pack_array(&params, 1);
    if (err == 0)
        err = pack_uint(&params, watch);
    int code = EXIT_DONE;
    cairn_set_timeout(session->c, session->timeout_ms);
    if (err != 0)
        code = run_internal(err);
    else if (session_call(session, "watch.close", buf_bytes(&params), &ignored) != CAIRN_OK)
        code = session_tell(&session->error);
    buf_deinit(&params);
    return code;
}

int watch_run(struct session *session, struct bytes params, uint32_t timeout_ms,
              struct printer *printer)
{
    struct bytes reply;
    if (session_call(session, "watch.open", params, &reply) != CAIRN_OK)
        return session_tell(&session->error);
    uint64_t watch = watch_id(reply);
    if (watch == 0)
        return run_internal(ERR_BAD_REQUEST);
    if (isatty(STDERR_FILENO) && isatty(STDOUT_FILENO))
        fprintf(stderr, "cairn: watching; Ctrl-C ends it\n");
    int code = watch_follow(session, watch, timeout_ms, printer);
    if (session->has_lines && cairn_usable(session->c)) {
        int end_code = watch_end(session, watch);
        code = code != EXIT_DONE ? code : end_code;
    }
    return code;
}
