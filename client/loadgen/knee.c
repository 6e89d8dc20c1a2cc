/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Decides where the knee is.
 *
 * How: nothing is remembered but the points. Each decision looks at all of them: which rates were
 * kept, which were not, and what lies between. A rate that three longer runs did not confirm is the
 * new upper end, whatever was seen at it before.
 *
 * Invariants: every step leads to the end: the grid is finite, each bisection halves a gap, and
 * only KNEE_ROUNDS rates are confirmed.
 * Threads: any; no state. Failures: none.
 */
#include "client/loadgen/knee.h"

#include "client/loadgen/stats.h"
#include "common/num.h"

#include <math.h>
#include <string.h>

#define KNEE_KEEP       0.99 /* of the rate must be done */
#define KNEE_GAP        0.02 /* between the last rate that was kept and the first that was not */
#define KNEE_RISE       2.0  /* without an objective: times the latency at the lowest rate */
#define KNEE_BUSY       0.9  /* of the time on a CPU: loadgen can hardly do more */
#define KNEE_LATE       0.1  /* of the objective: sent too late */
#define KNEE_WAITING    0.05 /* of the time: others have its CPU */

#define KNEE_SLO_MAX_NS 1e12

enum { KNEE_LONGER = 2, KNEE_ROUNDS = 3, KNEE_FAILURES = 2 };

static const double knee_grid[] = {0.05, 0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 1, 1.05};

/* "5ms", "250us", "1s" in ns; false if it is none. */
static bool knee_parse_time(const char *text, double *out_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
    size_t digits = strspn(text, "0123456789.");
    long double value;
    if (!num_read_real((struct bytes){(const uint8_t *)text, digits}, &value) || !(value > 0))
        return false;
    for (size_t i = 0; i < LENGTH_OF(units); i++)
        if (strcmp(text + digits, units[i].unit) == 0) {
            *out_ns = (double)value * units[i].ns;
            return *out_ns <= KNEE_SLO_MAX_NS;
        }
    return false;
}

bool knee_parse_slo(const char *text, struct knee_rules *rules)
{
    long double percent;
    double ns;
    const char *equals = strchr(text, '=');
    if (text[0] != 'p' || equals == NULL ||
        !num_read_real((struct bytes){(const uint8_t *)text + 1, (size_t)(equals - text - 1)},
                       &percent))
        return false;
    if (!(percent > 0 && percent < 100) || !knee_parse_time(equals + 1, &ns))
        return false;
    rules->quantile = (double)(percent / 100);
    rules->slo_ns = ns;
    return true;
}

struct knee_point knee_point_of(const struct knee_rules *rules, const struct knee_step *step,
                                const struct result *result, unsigned threads)
{
    double requests = (double)result_requests(result), seconds = (double)result->elapsed_ns / 1e9;
    struct knee_point point = {
        .phase = step->phase,
        .offered = step->rate,
        .achieved =
            step->rate > 0 ? fmin(result_paced_rate(result), step->rate) : result_rate(result),
        .chance = rules->poisson && requests > 0 ? 3 / sqrt(requests) : 0,
        .latency_ns = (double)hist_quantile(&result->latency, rules->quantile),
        .median_ns = (double)hist_quantile(&result->latency, 0.5),
        .p99_ns = (double)hist_quantile(&result->latency, 0.99),
        .p999_ns = (double)hist_quantile(&result->latency, 0.999),
        .slip_ns = (double)hist_quantile(&result->slip, 0.99),
        .busy = result->busiest,
        .errors = result->counts.errors,
    };
    if (seconds > 0 && threads > 0)
        point.waiting = (double)result->waiting_ns / 1e9 / seconds / threads;
    return point;
}

/* The point of the grid with the lowest rate, which is measured first; NULL before. */
static const struct knee_point *knee_lowest(const struct knee *knee)
{
    for (size_t i = 0; i < knee->n; i++)
        if (knee->points[i].phase == KNEE_GRID)
            return &knee->points[i];
    return NULL;
}

double knee_objective_ns(const struct knee *knee)
{
    const struct knee_point *lowest = knee_lowest(knee);
    if (knee->rules.slo_ns > 0)
        return knee->rules.slo_ns;
    return lowest != NULL ? KNEE_RISE * lowest->latency_ns : 0;
}

enum knee_verdict knee_judge(const struct knee *knee, const struct knee_point *point)
{
    double objective = knee_objective_ns(knee);
    bool done = point->achieved >= point->offered * (KNEE_KEEP - point->chance);
    bool quick = point->offered <= 0 || point->latency_ns <= objective;
    if (point->errors > 0)
        return KNEE_FAILED;
    if (done && quick)
        return KNEE_KEPT;
    if (point->busy >= KNEE_BUSY || point->waiting > KNEE_WAITING ||
        point->slip_ns > KNEE_LATE * objective)
        return KNEE_CLIENT;
    return done ? KNEE_TOO_SLOW : KNEE_TOO_FEW;
}

const char *knee_verdict_text(enum knee_verdict verdict)
{
    static const char *const texts[] = {
        [KNEE_KEPT] = "kept",     [KNEE_TOO_FEW] = "rate not kept", [KNEE_TOO_SLOW] = "too slow",
        [KNEE_FAILED] = "errors", [KNEE_CLIENT] = "client-limited",
    };
    return texts[verdict];
}

/* ---- what the points say ---- */

static bool knee_same(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmin(a, b);
}

/* Runs of the phase confirm at a rate. */
struct knee_count {
    unsigned runs, kept;
};

static struct knee_count knee_confirmed(const struct knee *knee, double rate)
{
    struct knee_count count = {0, 0};
    for (size_t i = 0; i < knee->n; i++) {
        const struct knee_point *point = &knee->points[i];
        if (point->phase != KNEE_CONFIRM || !knee_same(point->offered, rate))
            continue;
        count.runs++;
        count.kept += knee_judge(knee, point) == KNEE_KEPT;
    }
    return count;
}

static bool knee_refuted(const struct knee *knee, double rate)
{
    struct knee_count count = knee_confirmed(knee, rate);
    return count.runs - count.kept >= KNEE_FAILURES;
}

/* Rates that were confirmed or refuted, or are about to be. */
static unsigned knee_rounds(const struct knee *knee)
{
    unsigned rounds = 0;
    double last = 0;
    for (size_t i = 0; i < knee->n; i++)
        if (knee->points[i].phase == KNEE_CONFIRM && !knee_same(knee->points[i].offered, last)) {
            last = knee->points[i].offered;
            rounds++;
        }
    return rounds;
}

/* Between which rates the knee lies. */
struct knee_bracket {
    double low, high;      /* kept, not kept; 0: none */
    enum knee_verdict why; /* `high` was not kept */
};

/* The lowest rate that three longer runs did not confirm; INFINITY: none. */
static double knee_ceiling(const struct knee *knee)
{
    double ceiling = INFINITY;
    for (size_t i = 0; i < knee->n; i++)
        if (knee->points[i].phase == KNEE_CONFIRM && knee_refuted(knee, knee->points[i].offered))
            ceiling = fmin(ceiling, knee->points[i].offered);
    return ceiling;
}

/* A point counts by itself if it is of the grid or of a bisection. */
static bool knee_counts(const struct knee_point *point)
{
    return point->phase == KNEE_GRID || point->phase == KNEE_BISECT;
}

static struct knee_bracket knee_bracket(const struct knee *knee)
{
    struct knee_bracket bracket = {0, 0, KNEE_KEPT};
    double ceiling = knee_ceiling(knee), high = INFINITY;
    for (size_t i = 0; i < knee->n; i++) {
        const struct knee_point *point = &knee->points[i];
        if (knee_counts(point) && point->offered < ceiling && !knee_same(point->offered, ceiling) &&
            knee_judge(knee, point) == KNEE_KEPT)
            bracket.low = fmax(bracket.low, point->offered);
    }
    for (size_t i = 0; i < knee->n; i++) {
        const struct knee_point *point = &knee->points[i];
        enum knee_verdict verdict = knee_judge(knee, point);
        bool refuted = point->phase == KNEE_CONFIRM && knee_refuted(knee, point->offered);
        if (verdict == KNEE_KEPT || !(knee_counts(point) || refuted))
            continue;
        if (point->offered > bracket.low && point->offered < high) {
            high = point->offered;
            bracket.why = verdict;
        }
    }
    bracket.high = isfinite(high) ? high : 0;
    return bracket;
}

/* The next share of the grid; 0: it is done. */
static double knee_next_share(const struct knee *knee)
{
    size_t measured = 0, failures = 0;
    for (size_t i = 0; i < knee->n; i++) {
        if (knee->points[i].phase != KNEE_GRID)
            continue;
        measured++;
        failures = knee_judge(knee, &knee->points[i]) == KNEE_KEPT ? 0 : failures + 1;
    }
    return measured < LENGTH_OF(knee_grid) && failures < KNEE_FAILURES ? knee_grid[measured] : 0;
}

/* Whole requests a second, where that is exact enough. */
static double knee_round(double rate)
{
    return rate >= 1000 ? round(rate) : rate;
}

struct knee_step knee_next(const struct knee *knee)
{
    const struct knee_step done = {.phase = KNEE_DONE};
    uint64_t window_ns = knee->rules.window_ns;
    if (knee->n == 0)
        return (struct knee_step){KNEE_MAXIMUM, 0, window_ns};
    const struct knee_point *maximum = &knee->points[0];
    double share = knee_next_share(knee);
    if (knee->n == KNEE_POINTS_MAX || !(maximum->achieved > 0) || maximum->errors > 0)
        return done;
    if (share > 0)
        return (struct knee_step){KNEE_GRID, knee_round(share * maximum->achieved), window_ns};
    struct knee_bracket bracket = knee_bracket(knee);
    if (!(bracket.low > 0))
        return done;
    double middle = knee_round((bracket.low + bracket.high) / 2);
    if (bracket.high > bracket.low * (1 + KNEE_GAP) && middle > bracket.low)
        return (struct knee_step){KNEE_BISECT, middle, window_ns};
    bool begun = knee_confirmed(knee, bracket.low).runs > 0;
    if (knee_confirmed(knee, bracket.low).runs < KNEE_RUNS &&
        (begun || knee_rounds(knee) < KNEE_ROUNDS))
        return (struct knee_step){KNEE_CONFIRM, bracket.low, KNEE_LONGER * window_ns};
    return done;
}

/* ---- the answer ---- */

static struct knee_span knee_span(double *values, size_t n)
{
    double median = stats_median(values, n);
    return (struct knee_span){median, values[0], values[n - 1]};
}

static enum knee_outcome knee_outcome(const struct knee *knee, const struct knee_bracket *bracket)
{
    if (knee_next(knee).phase != KNEE_DONE)
        return KNEE_UNFINISHED;
    if (!(bracket->low > 0))
        return KNEE_NOWHERE;
    if (knee_confirmed(knee, bracket->low).runs < KNEE_RUNS)
        return KNEE_UNCONFIRMED;
    if (!(bracket->high > 0))
        return KNEE_BEYOND;
    return bracket->why == KNEE_CLIENT ? KNEE_CLIENT_LIMITED : KNEE_FOUND;
}

struct knee_answer knee_answer(const struct knee *knee)
{
    struct knee_bracket bracket = knee_bracket(knee);
    struct knee_answer answer = {.outcome = knee_outcome(knee, &bracket), .rate = bracket.low};
    double achieved[KNEE_RUNS], latency_ns[KNEE_RUNS];
    size_t n = 0;
    for (size_t i = 0; i < knee->n && n < KNEE_RUNS; i++) {
        const struct knee_point *point = &knee->points[i];
        if (point->phase != KNEE_CONFIRM || !knee_same(point->offered, bracket.low))
            continue;
        achieved[n] = point->achieved;
        latency_ns[n++] = point->latency_ns;
    }
    if (n > 0) {
        answer.achieved = knee_span(achieved, n);
        answer.latency_ns = knee_span(latency_ns, n);
    }
    return answer;
}

const char *knee_outcome_text(enum knee_outcome outcome)
{
    static const char *const texts[] = {
        [KNEE_UNFINISHED] = "unfinished",
        [KNEE_FOUND] = "found",
        [KNEE_CLIENT_LIMITED] = "client-limited",
        [KNEE_BEYOND] = "beyond",
        [KNEE_NOWHERE] = "nowhere",
        [KNEE_UNCONFIRMED] = "unconfirmed",
    };
    return texts[outcome];
}
