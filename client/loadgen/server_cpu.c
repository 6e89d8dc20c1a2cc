/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads a server's CPU time.
 *
 * How: one question is on its way at a time. An answer that comes later than it was waited for is
 * of another moment: it is read before the next question, and thrown away. So a server that stands
 * still costs one wait, and the intervals meanwhile have no figure, rather than a wrong one.
 *
 * Invariants: never more than one connection, which no request that is measured uses.
 * Threads: the main thread, while workers run. Failures: none; what is not known is told as such.
 */
#include "client/loadgen/server_cpu.h"

#include "client/loadgen/cpu.h"
#include "common/clock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    SERVER_CPU_ANSWER_MAX = 64 * 1024,
    SERVER_CPU_READ = 4096,
    SERVER_CPU_WAIT_NS = 50000000, /* a quarter of the shortest interval */
};
#define SERVER_CPU_PATIENT_NS UINT64_C(2000000000)

static const char *server_cpu_source(const struct server_cpu *cpu)
{
    if (cpu->pid > 0)
        return "process";
    return probe_is_resp(&cpu->target) ? "INFO cpu" : "server.info";
}

static const char *server_cpu_question(const struct server_cpu *cpu)
{
    return probe_is_resp(&cpu->target) ? "cpu" : "server.info";
}

static void server_cpu_close(struct server_cpu *cpu)
{
    if (cpu->fd >= 0)
        close(cpu->fd);
    cpu->fd = -1;
}

void server_cpu_begin(struct server_cpu *cpu, const struct target *target, int64_t pid, bool ask)
{
    struct failure failure = {.kind = FAILURE_NONE};
    *cpu = (struct server_cpu){.pid = pid, .target = *target, .fd = -1};
    cpu->target.login.brief = true; /* what a server counts as its requests is told apart so */
    buf_init(&cpu->answer);
    if (pid > 0 || ask)
        cpu->told.source = server_cpu_source(cpu);
    if (cpu->target.timeout_ms > (int)(SERVER_CPU_PATIENT_NS / 1000000u))
        cpu->target.timeout_ms = (int)(SERVER_CPU_PATIENT_NS / 1000000u);
    if (pid == 0 && ask && target_connect(&cpu->target, &cpu->fd, &failure) != 0)
        cpu->fd = -1;
}

void server_cpu_end(struct server_cpu *cpu)
{
    server_cpu_close(cpu);
    buf_deinit(&cpu->answer);
}

static bool server_cpu_send(struct server_cpu *cpu)
{
    struct buf request;
    buf_init(&request);
    bool sent = probe_encode(&cpu->target, server_cpu_question(cpu), &request) == 0 &&
                send(cpu->fd, request.data, request.size, MSG_NOSIGNAL) == (ssize_t)request.size;
    buf_deinit(&request);
    return sent;
}

/* More of the answer. False: none came until then, which is no error if the connection is still
 * there. */
static bool server_cpu_receive(struct server_cpu *cpu, uint64_t deadline)
{
    uint64_t now = clock_mono_ns();
    uint64_t left_ns = deadline > now ? deadline - now : 0;
    struct pollfd poll_fd = {.fd = cpu->fd, .events = POLLIN};
    const struct timespec wait = {.tv_sec = (time_t)(left_ns / 1000000000u),
                                  .tv_nsec = (long)(left_ns % 1000000000u)};
    int ready = ppoll(&poll_fd, 1, &wait, NULL);
    if (ready <= 0)
        return ready < 0 && errno == EINTR && left_ns > 0;
    if (cpu->answer.size > SERVER_CPU_ANSWER_MAX ||
        buf_reserve(&cpu->answer, SERVER_CPU_READ) != 0) {
        server_cpu_close(cpu);
        return false;
    }
    ssize_t n = recv(cpu->fd, cpu->answer.data + cpu->answer.size, SERVER_CPU_READ, 0);
    if (n > 0)
        cpu->answer.size += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        server_cpu_close(cpu);
    return cpu->fd >= 0;
}

/* What a whole answer says; 0: nothing. */
static uint64_t server_cpu_of(struct server_cpu *cpu)
{
    struct bytes content;
    struct probe probe;
    if (!probe_answer(&cpu->target, &cpu->answer, &content))
        return 0;
    if (probe_is_resp(&cpu->target))
        probe_from_resp((const char *)content.data, &probe);
    else
        probe_from_info(content, &probe);
    return probe.cpu_ns;
}

/* The answer to the question on its way. False: it is not there, or is none. */
static bool server_cpu_answer(struct server_cpu *cpu, uint64_t deadline, uint64_t *out_ns)
{
    enum driver_status status = DRIVER_MORE;
    struct driver_reply reply;
    for (;;) {
        if (cpu->answer.size > 0)
            status = cpu->target.driver->parse_reply(buf_bytes(&cpu->answer), &reply);
        if (status != DRIVER_MORE)
            break;
        if (!server_cpu_receive(cpu, deadline))
            return false;
    }
    *out_ns = status == DRIVER_VALUE ? server_cpu_of(cpu) : 0;
    cpu->waiting = false;
    cpu->answer.size = 0;
    if (*out_ns == 0)
        server_cpu_close(cpu);
    return *out_ns != 0;
}

/* Ask, and wait. What was asked before and is not there yet is waited for only by the patient. */
static bool server_cpu_ask(struct server_cpu *cpu, bool patient, uint64_t *out_ns)
{
    uint64_t begin = clock_mono_ns();
    uint64_t deadline = begin + (patient ? SERVER_CPU_PATIENT_NS : SERVER_CPU_WAIT_NS);
    if (cpu->waiting && !server_cpu_answer(cpu, patient ? deadline : begin, out_ns))
        return false;
    begin = clock_mono_ns();
    if (!server_cpu_send(cpu)) {
        server_cpu_close(cpu);
        return false;
    }
    cpu->waiting = true;
    cpu->told.asked++;
    if (!server_cpu_answer(cpu, deadline, out_ns))
        return false;
    cpu->told.answered++;
    cpu->told.answer_ns += clock_mono_ns() - begin;
    return true;
}

bool server_cpu_read(struct server_cpu *cpu, bool patient, uint64_t *out_ns)
{
    if (cpu->told.source == NULL)
        return false;
    if (cpu->pid > 0)
        return cpu_time_of(cpu->pid, out_ns) == 0;
    cpu->told.wanted++;
    return cpu->fd >= 0 && server_cpu_ask(cpu, patient, out_ns);
}

void server_cpu_add(struct server_cpu_told *into, const struct server_cpu_told *from)
{
    into->source = from->source != NULL ? from->source : into->source;
    into->wanted += from->wanted;
    into->asked += from->asked;
    into->answered += from->answered;
    into->answer_ns += from->answer_ns;
}

bool server_cpu_missing(const struct server_cpu_told *told, bool known)
{
    return told->source != NULL && (!known || 2 * told->answered < told->wanted);
}
