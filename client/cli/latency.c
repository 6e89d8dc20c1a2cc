/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Round trips of server.ping, a hundred a second, into histograms.
 *
 *   ping, wait 10 ms, ping ...   ->   hist of the interval   ->   hist of all
 *
 * How: on a terminal the line of what was measured so far is renewed in place; elsewhere each
 * interval has a line of its own. Ctrl-C ends with the summary.
 *
 * Invariants: pings follow one another, so the server never has two from us; what is measured
 * holds the way there and back.
 * Threads: one. Failures: a lost connection is told and tried again each interval; without the
 * first one there is nothing to do.
 */
#include "client/cli/latency.h"

#include "client/cli/print.h"
#include "client/cli/signals.h"
#include "common/clock.h"

#include <signal.h>
#include <unistd.h>

enum { LATENCY_PAUSE_MS = 10 };

struct latency {
    struct session *session;
    struct hist interval, all;
    bool live;    /* stdout is a terminal: renew the line */
    bool stopped; /* Ctrl-C */
};

/* Nanoseconds with three digits and a unit. */
static void latency_time(double ns, char out[16])
{
    const char *unit = ns < 1e6 ? "us" : ns < 1e9 ? "ms" : "s";
    double number = ns / (ns < 1e6 ? 1e3 : ns < 1e9 ? 1e6 : 1e9);
    snprintf(out, 16, "%.*f %s", number < 10 ? 2 : number < 100 ? 1 : 0, number, unit);
}

void latency_line(const struct hist *hist, char out[LATENCY_LINE_BYTES])
{
    char text[5][16];
    latency_time(hist->count > 0 ? (double)hist->min : 0, text[0]);
    latency_time(hist_mean(hist), text[1]);
    latency_time((double)hist_quantile(hist, 0.5), text[2]);
    latency_time((double)hist_quantile(hist, 0.99), text[3]);
    latency_time((double)hist->max, text[4]);
    snprintf(out, LATENCY_LINE_BYTES, "min %s, avg %s, p50 %s, p99 %s, max %s, %llu samples",
             text[0], text[1], text[2], text[3], text[4], (unsigned long long)hist->count);
}

static void latency_show(const struct latency *latency, const struct hist *hist)
{
    char line[LATENCY_LINE_BYTES];
    latency_line(hist, line);
    /* Back to the beginning; what a longer line left behind is erased. */
    printf(latency->live ? "\r%s\033[K" : "%s\n", line);
    fflush(stdout);
}

/* One round trip. EXIT_DONE, or the exit code of what was told. */
static int latency_ping(struct latency *latency)
{
    struct session *session = latency->session;
    struct bytes result;
    int code = session_ready(session, &session->options->timeout, false);
    if (code != EXIT_DONE)
        return code;
    uint64_t begun = clock_mono_ns();
    if (session_call(session, "server.ping", BYTES_NONE, &result) != CAIRN_OK)
        return session->interrupted ? EXIT_DONE : session_tell(&session->error);
    uint64_t ns = clock_mono_ns() - begun;
    hist_add(&latency->interval, ns);
    hist_add(&latency->all, ns);
    return EXIT_DONE;
}

/* Ping for one interval, or until Ctrl-C. */
static int latency_interval(struct latency *latency)
{
    uint64_t end = clock_mono_ns() + (uint64_t)latency->session->options->latency.ms * 1000000u;
    hist_init(&latency->interval);
    int code = EXIT_DONE;
    for (uint64_t now; (now = clock_mono_ns()) < end && !latency->stopped;) {
        bool was_live = latency->live && latency->all.count > 0 && code == EXIT_DONE;
        if (code == EXIT_DONE)
            code = latency_ping(latency);
        if (was_live && code != EXIT_DONE)
            fputc('\n', stdout);
        latency->stopped = latency->session->interrupted;
        uint64_t left_ms = (end - now) / 1000000u;
        signals_wait(-1, code == EXIT_DONE && left_ms > LATENCY_PAUSE_MS ? LATENCY_PAUSE_MS
                                                                         : (int)left_ms);
        latency->stopped = latency->stopped || signals_take(SIGINT);
    }
    return code;
}

static int latency_loop(struct latency *latency)
{
    int64_t limit = latency->session->options->count;
    for (int64_t i = 0; !latency->stopped && !ferror(stdout) && (limit == 0 || i < limit); i++) {
        int code = latency_interval(latency);
        bool lost = code == EXIT_UNREACHABLE && latency->all.count > 0;
        if (code != EXIT_DONE && !lost && !latency->stopped)
            return code;
        if (latency->live && latency->all.count > 0)
            latency_show(latency, &latency->all);
        else if (latency->interval.count > 0 && !latency->stopped)
            latency_show(latency, &latency->interval);
    }
    if (latency->live)
        fputc('\n', stdout);
    char line[LATENCY_LINE_BYTES];
    latency_line(&latency->all, line);
    printf("in all: %s\n", line);
    return EXIT_DONE;
}

int latency_run(struct session *session)
{
    struct latency latency = {.session = session, .live = isatty(STDOUT_FILENO) != 0};
    hist_init(&latency.all);
    session->catches_interrupt = true;
    signals_catch(SIGINT);
    return print_flush(latency_loop(&latency));
}
