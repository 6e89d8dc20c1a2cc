/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads and draws think times.
 *
 * How: exponential and uniform times are inverted; normal deviates are those of G. Box and M.
 * Muller, 1958. A time that is under way at some moment is longer than others, by its own length:
 * it is drawn from x f(x), and what is left of it is a uniform part.
 *
 * Invariants: a time is a function of seed, connection and turn, and at most THINK_MAX_MS.
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT.
 */
#include "client/loadgen/think.h"

#include "client/loadgen/text.h"
#include "common/err.h"
#include "common/num.h"
#include "common/rng.h"

#include <math.h>
#include <string.h>

enum { THINK_MAX_MS = 86400000, THINK_SIGMA_MAX = 3 };

/* ---- reading ---- */

/* The first `size` bytes of a text as a time above 0. */
static bool think_time(const char *text, size_t size, double *out_ns)
{
    char part[NUM_TEXT_SIZE];
    int64_t ms;
    if (size == 0 || size >= sizeof part)
        return false;
    memcpy(part, text, size);
    part[size] = 0;
    if (text_read_time(part, &ms) != 0 || ms <= 0 || ms > THINK_MAX_MS)
        return false;
    *out_ns = (double)ms * 1e6;
    return true;
}

static bool think_range(const char *text, struct think *out)
{
    size_t dash = strcspn(text, "-");
    out->kind = THINK_UNIFORM;
    if (!think_time(text, dash, &out->a))
        return false;
    out->b = out->a;
    return text[dash] == 0 ||
           (think_time(text + dash + 1, strlen(text + dash + 1), &out->b) && out->a <= out->b);
}

static bool think_lognormal(const char *text, struct think *out)
{
    size_t comma = strcspn(text, ",");
    long double sigma;
    if (!think_time(text, comma, &out->a) || text[comma] == 0 ||
        strlen(text + comma + 1) >= NUM_REAL_SIZE ||
        !num_read_real(bytes_of(text + comma + 1), &sigma))
        return false;
    out->b = (double)sigma;
    return out->b >= 0 && out->b <= THINK_SIGMA_MAX;
}

static bool think_read(const char *text, struct think *out)
{
    static const char exponential[] = "exponential:", lognormal[] = "lognormal:";
    if (strncmp(text, exponential, sizeof exponential - 1) == 0) {
        out->kind = THINK_EXPONENTIAL;
        text += sizeof exponential - 1;
        return think_time(text, strlen(text), &out->a);
    }
    if (strncmp(text, lognormal, sizeof lognormal - 1) == 0) {
        out->kind = THINK_LOGNORMAL;
        return think_lognormal(text + sizeof lognormal - 1, out);
    }
    return think_range(text, out);
}

int think_parse(const char *text, struct think *out)
{
    struct think think = {.kind = THINK_NEVER};
    if (text[0] != 0 && !think_read(text, &think))
        return ERR_BAD_ARGUMENT;
    *out = think;
    return 0;
}

/* ---- drawing ---- */

/* Above 0 and below 1. */
static double think_unit(struct rng *rng)
{
    return ((double)(rng_next(rng) >> 11) + 0.5) * 0x1p-53;
}

static double think_draw(const struct think *think, struct rng *rng)
{
    const double whole_turn = 6.283185307179586;
    switch (think->kind) {
    case THINK_UNIFORM:
        return think->a + (think->b - think->a) * think_unit(rng);
    case THINK_EXPONENTIAL:
        return -log(think_unit(rng)) * think->a;
    case THINK_LOGNORMAL: {
        double radius = sqrt(-2 * log(think_unit(rng)));
        return think->a * exp(think->b * radius * cos(whole_turn * think_unit(rng)));
    }
    case THINK_NEVER:
        break;
    }
    return 0;
}

/* What is left of a time that is under way. */
static double think_left(const struct think *think, struct rng *rng)
{
    const double low = think->a * think->a, high = think->b * think->b;
    switch (think->kind) {
    case THINK_UNIFORM:
        return sqrt(low + (high - low) * think_unit(rng)) * think_unit(rng);
    case THINK_LOGNORMAL:
        return think_draw(think, rng) * exp(think->b * think->b) * think_unit(rng);
    case THINK_EXPONENTIAL: /* has no memory */
    case THINK_NEVER:
        break;
    }
    return think_draw(think, rng);
}

uint64_t think_ns(const struct think *think, uint64_t seed, uint64_t conn, uint64_t turn)
{
    struct rng rng = {rng_mix(rng_mix(seed ^ rng_mix(conn)) + turn)};
    double time = turn == 0 ? think_left(think, &rng) : think_draw(think, &rng);
    return (uint64_t)fmin(time, THINK_MAX_MS * 1e6);
}

double think_mean_ns(const struct think *think)
{
    switch (think->kind) {
    case THINK_UNIFORM:
        return (think->a + think->b) / 2;
    case THINK_EXPONENTIAL:
        return think->a;
    case THINK_LOGNORMAL:
        return think->a * exp(think->b * think->b / 2);
    case THINK_NEVER:
        break;
    }
    return 0;
}
