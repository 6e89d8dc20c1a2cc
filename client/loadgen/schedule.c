/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arrival times.
 *
 * How: the law is the integral of the rate; arrivals of rate one go through its inverse, which
 * keeps even ones even and random ones random. Those of a constant rate follow from the number
 * alone, so that no rounding adds up; those of Poisson are a sum of gaps, -log(u).
 *
 * Invariants: times never go down; none lies where bursts are off.
 * Threads: one for each schedule. Failures: ERR_BAD_ARGUMENT.
 */
#include "client/loadgen/schedule.h"

#include "client/loadgen/text.h"
#include "common/err.h"
#include "common/num.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of a burst: what begins the next does not end this one. */
#define SCHEDULE_ROUNDING 1e-9

enum { SCHEDULE_RATE_MAX = 100000000, SCHEDULE_TIME_MAX_MS = 604800000 };

/* ---- reading ---- */

/* What stands before this mark, which comes next, or is the end; *text goes behind it. */
static bool schedule_cut(const char **text, char mark, char out[static NUM_TEXT_SIZE])
{
    size_t size = strcspn(*text, ":");
    if (size == 0 || size >= NUM_TEXT_SIZE || (*text)[size] != mark)
        return false;
    memcpy(out, *text, size);
    out[size] = 0;
    *text += size + (mark != 0);
    return true;
}

/* A time above 0; without a unit, seconds. */
static bool schedule_cut_time(const char **text, char mark, uint64_t *out_ns)
{
    char part[NUM_TEXT_SIZE];
    int64_t ms;
    if (!schedule_cut(text, mark, part))
        return false;
    if (text_read_time(part, &ms) != 0 || ms <= 0 || ms > SCHEDULE_TIME_MAX_MS)
        return false;
    *out_ns = (uint64_t)ms * 1000000u;
    return true;
}

static bool schedule_cut_rate(const char **text, char mark, double *out)
{
    char part[NUM_TEXT_SIZE];
    long double rate;
    if (!schedule_cut(text, mark, part) || !num_read_real(bytes_of(part), &rate))
        return false;
    *out = (double)rate;
    return rate >= 0 && rate <= SCHEDULE_RATE_MAX;
}

int schedule_read_burst(const char *text, struct schedule_law *law)
{
    bool good =
        schedule_cut_time(&text, ':', &law->on_ns) && schedule_cut_time(&text, 0, &law->off_ns);
    return good ? 0 : ERR_BAD_ARGUMENT;
}

int schedule_read_ramp(const char *text, struct schedule_law *law)
{
    bool good = schedule_cut_rate(&text, ':', &law->from) &&
                schedule_cut_rate(&text, ':', &law->rate) &&
                schedule_cut_time(&text, 0, &law->ramp_ns);
    return good && law->rate > 0 ? 0 : ERR_BAD_ARGUMENT;
}

void schedule_format(const struct schedule_law *law, char out_text[static SCHEDULE_TEXT_SIZE])
{
    char rate[TEXT_SIZE], other[TEXT_SIZE], on[NUM_TEXT_SIZE], off[NUM_TEXT_SIZE];
    const char *arrivals = law->poisson ? "random arrivals" : "even arrivals";
    text_count((uint64_t)(law->rate + 0.5), rate);
    num_format_duration_ms((int64_t)(law->on_ns / 1000000), on);
    num_format_duration_ms((int64_t)(law->off_ns / 1000000), off);
    if (law->ramp_ns > 0) {
        text_count((uint64_t)(law->from + 0.5), other);
        num_format_duration_ms((int64_t)(law->ramp_ns / 1000000), on);
        (void)snprintf(out_text, SCHEDULE_TEXT_SIZE, "from %s to %s requests/s within %s, %s",
                       other, rate, on, arrivals);
    } else if (law->on_ns > 0) {
        double cycle = (double)(law->on_ns + law->off_ns);
        text_count((uint64_t)(law->rate * cycle / (double)law->on_ns + 0.5), other);
        (void)snprintf(out_text, SCHEDULE_TEXT_SIZE,
                       "%s requests/s in bursts of %s/s for %s and none for %s, %s", rate, other,
                       on, off, arrivals);
    } else {
        (void)snprintf(out_text, SCHEDULE_TEXT_SIZE, "%s requests/s, %s", rate, arrivals);
    }
}

/* ---- the law ---- */

static double schedule_gap_ns(const struct schedule_law *law)
{
    return 1e9 / law->rate;
}

/* The integral of the rate over the ramp is from*t + (rate - from)*t^2 / (2*ramp). */
static double schedule_ramp_ns(const struct schedule_law *law, double requests)
{
    double ramp = (double)law->ramp_ns / 1e9, whole = (law->from + law->rate) / 2 * ramp;
    if (requests >= whole)
        return (double)law->ramp_ns + (requests - whole) * schedule_gap_ns(law);
    if (requests <= 0)
        return 0;
    double root = sqrt(law->from * law->from + 2 * requests * (law->rate - law->from) / ramp);
    return 2e9 * requests / (law->from + root);
}

static double schedule_burst_ns(const struct schedule_law *law, double requests)
{
    double on = (double)law->on_ns, cycle = on + (double)law->off_ns;
    double each = cycle / schedule_gap_ns(law); /* requests in a burst */
    double before = floor(requests / each + SCHEDULE_ROUNDING);
    double within = fmax((requests - before * each) / each, 0);
    return before * cycle + fmin(within * on, on - 1);
}

double schedule_time_ns(const struct schedule_law *law, double requests)
{
    if (law->ramp_ns > 0)
        return schedule_ramp_ns(law, requests);
    if (law->on_ns > 0)
        return schedule_burst_ns(law, requests);
    return requests * schedule_gap_ns(law);
}

double schedule_count(const struct schedule_law *law, uint64_t time_ns)
{
    double time = (double)time_ns, ramp = (double)law->ramp_ns;
    if (law->ramp_ns > 0) {
        double within = fmin(time, ramp);
        double mean = law->from + (law->rate - law->from) * within / ramp / 2;
        return (mean * within + law->rate * (time - within)) / 1e9;
    }
    if (law->on_ns > 0) {
        uint64_t cycle = law->on_ns + law->off_ns, rest = time_ns % cycle;
        double on = fmin((double)rest / (double)law->on_ns, 1);
        return ((double)(time_ns / cycle) + on) * (double)cycle / schedule_gap_ns(law);
    }
    return time / schedule_gap_ns(law);
}

double schedule_mean_rate(const struct schedule_law *law, uint64_t requests, uint64_t duration_ns)
{
    if (law->ramp_ns == 0 && law->on_ns == 0)
        return law->rate;
    if (duration_ns > 0)
        return schedule_count(law, duration_ns) / (double)duration_ns * 1e9;
    double time = schedule_time_ns(law, (double)requests);
    return time > 0 ? (double)requests / time * 1e9 : law->rate;
}

/* ---- arrivals ---- */

void schedule_init(struct schedule *schedule, const struct schedule_law *law, uint64_t seed,
                   unsigned thread, unsigned threads)
{
    *schedule = (struct schedule){
        .law = *law,
        .stride = threads,
        .rng = {rng_mix(seed ^ rng_mix(thread + 0x9e3779b97f4a7c15u))},
    };
}

uint64_t schedule_next_ns(struct schedule *schedule, uint64_t index)
{
    const struct schedule_law *law = &schedule->law;
    if (!law->poisson)
        return (uint64_t)schedule_time_ns(law, (double)index);
    double uniform = ((double)(rng_next(&schedule->rng) >> 11) + 0.5) * 0x1p-53;
    schedule->at += -log(uniform) * schedule->stride;
    return (uint64_t)schedule_time_ns(law, schedule->at);
}
