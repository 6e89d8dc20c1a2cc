/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command loadgen verify.
 *
 *   log, sorted by key -> for each VERIFY_BATCH keys: ask for all, take all replies -> judge
 *
 * How: of two writes of a key whose times overlap either may be the last. One that was answered
 * before another was sent cannot be, and neither can one that is not in the log at all. A value
 * says which write it is.
 *
 * Invariants: a write that was never answered may be there or not.
 * Threads: the main thread. Failures: exit codes.
 */
#include "client/loadgen/verify.h"

#include "client/loadgen/plan.h"
#include "client/loadgen/target.h"
#include "client/loadgen/text.h"
#include "client/loadgen/writer.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

enum { VERIFY_BATCH = 64, VERIFY_SHOWN = 10, VERIFY_READ = 64 * 1024 };

enum { VERIFY_EXIT_USAGE = 2, VERIFY_EXIT_BAD = 3 };

static const char *const verify_names[VERIFY_VERDICTS] = {
    [VERIFY_HOLDS] = "holds", [VERIFY_UNANSWERED] = "unanswered", [VERIFY_LOST] = "lost",
    [VERIFY_STALE] = "stale", [VERIFY_DAMAGED] = "damaged",       [VERIFY_FOREIGN] = "foreign",
};

/* ---- judging ---- */

static bool verify_acknowledged(const struct ack *acks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (acks[i].answered != 0)
            return true;
    return false;
}

/* When this write was answered at the latest: 0 if it is not in the log, UINT64_MAX if it is
 * open. */
static uint64_t verify_answered(const struct ack *acks, size_t n, uint64_t write)
{
    uint64_t latest = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t answered = acks[i].answered != 0 ? acks[i].answered : UINT64_MAX;
        if (acks[i].write == write && answered > latest)
            latest = answered;
    }
    return latest;
}

enum verify_verdict verify_judge(const struct ack *acks, size_t n,
                                 const struct value_source *source, struct bytes value)
{
    if (value.data == NULL)
        return verify_acknowledged(acks, n) ? VERIFY_LOST : VERIFY_HOLDS;
    if (value_wrong_at(source, value, acks[0].key) != SIZE_MAX)
        return VERIFY_DAMAGED;
    uint64_t answered = verify_answered(acks, n, value_write(value));
    if (answered == 0)
        return VERIFY_FOREIGN;
    if (answered == UINT64_MAX)
        return VERIFY_UNANSWERED;
    for (size_t i = 0; i < n; i++)
        if (acks[i].answered != 0 && acks[i].sent > answered)
            return VERIFY_STALE;
    return VERIFY_HOLDS;
}

/* ---- asking ---- */

struct verify {
    struct options options;
    struct address address;
    struct target target;
    int fd;
    struct frame frame; /* asks for a key */
    char key[PLAN_KEY_SIZE];
    struct buf output, input;
    struct ack *acks;
    size_t n_acks, writes; /* writes: acknowledged ones */
    struct value_source source;
    uint64_t counts[VERIFY_VERDICTS], shown;
    struct failure failure;
};

/* The acks of the key that begins at acks[at]. */
static size_t verify_run_of(const struct verify *verify, size_t at)
{
    size_t n = 1;
    while (at + n < verify->n_acks && verify->acks[at + n].key == verify->acks[at].key)
        n++;
    return n;
}

static void verify_note(struct verify *verify, size_t at, size_t n, struct bytes value)
{
    const struct ack *acks = verify->acks + at;
    enum verify_verdict verdict = verify_judge(acks, n, &verify->source, value);
    verify->counts[verdict]++;
    if (verdict == VERIFY_HOLDS || verdict == VERIFY_UNANSWERED || verify->shown++ >= VERIFY_SHOWN)
        return;
    fprintf(stderr, "loadgen verify: key %012" PRIu64 ": %s", acks[0].key, verify_names[verdict]);
    if (verdict == VERIFY_DAMAGED)
        fprintf(stderr, " from byte %zu of %zu on",
                value_wrong_at(&verify->source, value, acks[0].key), value.size);
    else if (verdict != VERIFY_LOST)
        fprintf(stderr, ", it is write %" PRIu64, value_write(value));
    fputc('\n', stderr);
}

static int verify_lost_server(struct verify *verify, const char *what)
{
    return failure_set(&verify->failure, FAILURE_CLOSED, "%s %s", verify->target.name, what);
}

/* Wait for more input. */
static int verify_receive(struct verify *verify)
{
    struct pollfd poll_fd = {.fd = verify->fd, .events = POLLIN};
    if (buf_reserve(&verify->input, VERIFY_READ) != 0)
        return failure_set(&verify->failure, FAILURE_LOCAL, "out of memory");
    if (poll(&poll_fd, 1, verify->target.timeout_ms) <= 0)
        return verify_lost_server(verify, "has sent nothing for --timeout");
    ssize_t n = recv(verify->fd, verify->input.data + verify->input.size, VERIFY_READ, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return verify_lost_server(verify, "closed the connection");
    verify->input.size += n > 0 ? (size_t)n : 0;
    return 0;
}

static int verify_send(struct verify *verify)
{
    size_t sent = 0;
    while (sent < verify->output.size) {
        struct pollfd poll_fd = {.fd = verify->fd, .events = POLLOUT};
        ssize_t n =
            send(verify->fd, verify->output.data + sent, verify->output.size - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (errno != EAGAIN || poll(&poll_fd, 1, verify->target.timeout_ms) <= 0)
            return verify_lost_server(verify, "takes no requests");
    }
    verify->output.size = 0;
    return 0;
}

/* Take one whole reply off the input, waiting for it. */
static int verify_reply(struct verify *verify, size_t *used, struct driver_reply *reply,
                        enum driver_status *out_status)
{
    for (;;) {
        struct bytes data = {verify->input.data + *used, verify->input.size - *used};
        *out_status =
            data.size == 0 ? DRIVER_MORE : verify->target.driver->parse_reply(data, reply);
        if (*out_status == DRIVER_BAD)
            return verify_lost_server(verify, "sent something that is no reply");
        if (*out_status == DRIVER_ERROR)
            return failure_set(&verify->failure, FAILURE_REPLY, "%s refuses: %.*s",
                               verify->target.name, (int)reply->text.size,
                               (const char *)reply->text.data);
        if (*out_status != DRIVER_MORE) {
            *used += reply->size;
            return 0;
        }
        int err = verify_receive(verify);
        if (err != 0)
            return err;
    }
}

/* Ask for the keys that begin at these places of the log, and judge the replies. Ids are places in
 * the batch, as replies may come in any order. */
static int verify_batch(struct verify *verify, const size_t *at, const size_t *run, unsigned n)
{
    struct frame_fill fill = {.source = &verify->source};
    if (buf_reserve(&verify->output, n * frame_size_max(&verify->frame, 0, 0)) != 0)
        return failure_set(&verify->failure, FAILURE_LOCAL, "out of memory");
    for (unsigned i = 0; i < n; i++) {
        fill.id = i;
        fill.keys[0] = verify->acks[at[i]].key;
        frame_emit(&verify->frame, &fill, &verify->output);
    }
    int err = verify_send(verify);
    size_t used = 0;
    for (unsigned i = 0; i < n && err == 0; i++) {
        struct driver_reply reply;
        enum driver_status status;
        err = verify_reply(verify, &used, &reply, &status);
        if (err != 0)
            break;
        uint32_t place = reply.has_id ? reply.id : i;
        if (place >= n)
            return verify_lost_server(verify, "answers what it was not asked");
        /* A value that is no string of bytes is one that nobody wrote, but it is there. */
        struct bytes value = reply.value.data != NULL ? reply.value : bytes_of("");
        verify_note(verify, at[place], run[place], status == DRIVER_NIL ? BYTES_NONE : value);
    }
    buf_consume(&verify->input, used);
    return err;
}

static int verify_all(struct verify *verify)
{
    size_t at[VERIFY_BATCH], run[VERIFY_BATCH];
    int err = 0;
    for (size_t next = 0; next < verify->n_acks && err == 0;) {
        unsigned n = 0;
        for (; n < VERIFY_BATCH && next < verify->n_acks; n++) {
            at[n] = next;
            run[n] = verify_run_of(verify, next);
            next += run[n];
        }
        err = verify_batch(verify, at, run, n);
    }
    return err;
}

/* ---- the command ---- */

static bool verify_good(const struct verify *verify)
{
    return verify->counts[VERIFY_LOST] + verify->counts[VERIFY_STALE] +
               verify->counts[VERIFY_DAMAGED] + verify->counts[VERIFY_FOREIGN] ==
           0;
}

static void verify_print(const struct verify *verify, uint64_t keys)
{
    char writes[TEXT_SIZE], of_keys[TEXT_SIZE];
    text_count(verify->writes, writes);
    text_count(keys, of_keys);
    printf("%s  %s acknowledged writes of %s keys\n", verify->target.name, writes, of_keys);
    static const char *const texts[VERIFY_VERDICTS] = {
        "as acknowledged",
        "a write that was not answered",
        "LOST",
        "STALE: an older write",
        "DAMAGED",
        "FOREIGN: a write that is not in the log",
    };
    for (unsigned i = 0; i < VERIFY_VERDICTS; i++) {
        char count[TEXT_SIZE];
        text_count(verify->counts[i], count);
        if (i <= VERIFY_LOST || verify->counts[i] > 0)
            printf("  %12s  %s\n", count, texts[i]);
    }
    puts(verify_good(verify) ? "Nothing that was acknowledged is lost."
                             : "The server does not hold what it has acknowledged.");
}

static void verify_write(const struct verify *verify, uint64_t keys)
{
    struct writer json;
    writer_init(&json, stdout);
    writer_open(&json, NULL, '{');
    writer_text(&json, "tool", "loadgen verify");
    writer_uint(&json, "acknowledged", verify->writes);
    writer_uint(&json, "keys", keys);
    for (unsigned i = 0; i < VERIFY_VERDICTS; i++)
        writer_uint(&json, verify_names[i], verify->counts[i]);
    writer_bool(&json, "good", verify_good(verify));
    writer_close(&json, '}');
}

static void verify_report(const struct verify *verify)
{
    uint64_t keys = 0;
    for (unsigned i = 0; i < VERIFY_VERDICTS; i++)
        keys += verify->counts[i];
    if (verify->options.json)
        verify_write(verify, keys);
    else
        verify_print(verify, keys);
}

static int verify_wrong(const char *detail)
{
    fprintf(stderr, "loadgen verify: %s\n", detail);
    return VERIFY_EXIT_USAGE;
}

static int verify_load(struct verify *verify)
{
    char detail[ACKS_DETAIL_SIZE];
    size_t min, max;
    if (acks_read(verify->options.ack_log, &verify->acks, &verify->n_acks, &min, &max, detail) != 0)
        return verify_wrong(detail);
    for (size_t i = 0; i < verify->n_acks; i++)
        verify->writes += verify->acks[i].answered != 0;
    if (value_init(&verify->source, min, max, true, 0) != 0)
        return verify_wrong("out of memory");
    return 0;
}

/* Connect, ask, judge. 0, or ERR_IO with verify->failure. */
static int verify_ask(struct verify *verify)
{
    struct command command;
    struct target *target = &verify->target;
    int err = target_init(target, &verify->address, (int)verify->options.timeout, &verify->failure);
    if (err == 0)
        err = target_connect(target, &verify->fd, &verify->failure);
    if (err != 0)
        return err;
    frame_init(&verify->frame);
    (void)snprintf(verify->key, sizeof verify->key, "%s" COMMAND_DIGITS,
                   verify->options.key_prefix);
    const struct shape *get = workload_table[WORKLOAD_get].shapes[0];
    REQUIRE(shape_command(get, target->driver->spelling, verify->key, &command));
    err = target->driver->encode(&command, false, BYTES_NONE, &verify->frame);
    if (err != 0)
        err = failure_set(&verify->failure, FAILURE_LOCAL, "out of memory");
    else
        err = verify_all(verify);
    buf_deinit(&verify->frame.bytes);
    close(verify->fd);
    return err;
}

static int verify_run(struct verify *verify)
{
    int code = verify_load(verify);
    if (code != 0)
        return code;
    if (verify_ask(verify) != 0) {
        fprintf(stderr, "loadgen verify: %s\n", verify->failure.text);
        return VERIFY_EXIT_BAD;
    }
    verify_report(verify);
    return verify_good(verify) ? 0 : VERIFY_EXIT_BAD;
}

static const char verify_usage[] =
    "Usage: loadgen verify --ack-log FILE [-u URI | -h HOST -p PORT | -s PATH] [--json]\n"
    "\n"
    "Reads every key of which FILE, the --ack-log of an earlier run, says that a write was\n"
    "acknowledged, and tells whether the server holds that write or a later one. Kill it in "
    "between.\n"
    "\n"
    "  loadgen --workload crash --ack-log acks -u URI     until the server dies\n"
    "  loadgen verify --ack-log acks -u URI               when it is back\n"
    "\n"
    "Exit status: 0 nothing is lost; 2 wrong usage; 3 something is, or the server cannot be "
    "asked.\n";

int verify_main(int argc, char **argv)
{
    static struct verify verify;
    char detail[OPTIONS_DETAIL_SIZE];
    struct options *options = &verify.options;
    if (options_parse(argc, argv, options, detail) != 0)
        return verify_wrong(detail);
    if (options->help) {
        fputs(verify_usage, stdout);
        return 0;
    }
    if (options->ack_log[0] == 0 || options->n_words > 0)
        return verify_wrong(
            "give --ack-log FILE and where the server is; see loadgen verify --help");
    if (address_of_options(options, &verify.address, detail) != 0)
        return verify_wrong(detail);
    clock_init();
    buf_init(&verify.output);
    buf_init(&verify.input);
    int code = verify_run(&verify);
    buf_deinit(&verify.output);
    buf_deinit(&verify.input);
    value_deinit(&verify.source);
    mem_free(verify.acks);
    return code;
}
