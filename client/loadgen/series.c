/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps what happened when.
 *
 * How: the caller hands in all that was recorded so far; what was there at the last row is
 * subtracted. Rows are merged by adding their buckets, never by averaging percentiles.
 *
 * Invariants: rows follow each other without a gap; memory is fixed.
 * Threads: the main thread. Failures: none.
 */
#include "client/loadgen/series.h"

#include <string.h>

void series_init(struct series *series, const struct snapshot *begun)
{
    memset(series, 0, sizeof *series);
    series->interval_ns = SERIES_INTERVAL_NS;
    series->begun_ns = series->seen_ns = begun->now_ns;
    series->cpu_before = begun->cpu;
    series->conn_before = begun->conn_ns;
    hist_init(&series->before);
    hist_init(&series->slip_before);
}

bool series_due(const struct series *series, uint64_t now_ns)
{
    return now_ns - series->seen_ns >= series->interval_ns;
}

void series_join(struct series_row *into, const struct series_row *from)
{
    into->length_ns += from->length_ns;
    into->requests += from->requests;
    into->errors += from->errors;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
    cells_merge(&into->slip, &from->slip);
    snapshot_used_add(&into->used, &from->used);
    into->conn_ns += from->conn_ns;
}

double series_connections(const struct series_row *row)
{
    return row->length_ns > 0 ? (double)row->conn_ns / (double)row->length_ns : 0;
}

static void series_halve(struct series *series)
{
    for (unsigned i = 0; i < SERIES_ROWS / 2; i++) {
        series->row[i] = series->row[2 * i];
        series_join(&series->row[i], &series->row[2 * i + 1]);
    }
    series->n = SERIES_ROWS / 2;
    series->interval_ns *= 2;
}

static void series_fill(struct series_row *row, const struct hist *all, const struct hist *before)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        uint64_t n = all->bucket[i] - before->bucket[i];
        row->bucket[i] += (uint32_t)n;
        row->requests += n;
        if (n > 0)
            row->max_ns = hist_bucket_top(i) < all->max ? hist_bucket_top(i) : all->max;
    }
}

void series_update(struct series *series, const struct snapshot *seen, bool last)
{
    struct series_row row = {.start_ns = series->seen_ns - series->begun_ns,
                             .length_ns = seen->now_ns - series->seen_ns,
                             .errors = seen->errors - series->errors,
                             .used = snapshot_used(&series->cpu_before, &seen->cpu),
                             .conn_ns = seen->conn_ns - series->conn_before};
    if (!series_due(series, seen->now_ns) && !last)
        return;
    series_fill(&row, &seen->latency, &series->before);
    cells_add(&row.slip, &seen->slip, &series->slip_before);
    bool rest = 2 * row.length_ns < series->interval_ns; /* too short for rates of its own */
    if (last && rest && series->n > 0) {
        series_join(&series->row[series->n - 1], &row);
    } else if (row.length_ns > 0) {
        if (series->n == SERIES_ROWS)
            series_halve(series);
        series->row[series->n++] = row;
    }
    series->seen_ns = seen->now_ns;
    series->errors = seen->errors;
    series->before = seen->latency;
    series->slip_before = seen->slip;
    series->cpu_before = seen->cpu;
    series->conn_before = seen->conn_ns;
}

void series_append(struct series *into, const struct series *from)
{
    uint64_t end = 0;
    if (into->n > 0)
        end = into->row[into->n - 1].start_ns + into->row[into->n - 1].length_ns;
    for (unsigned i = 0; i < from->n; i++) {
        if (into->n == SERIES_ROWS)
            series_halve(into);
        into->row[into->n] = from->row[i];
        into->row[into->n++].start_ns += end;
    }
}

uint64_t series_quantile(const struct series_row *row, double q)
{
    double wanted = q * (double)row->requests;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS && row->requests > 0; i++) {
        seen += row->bucket[i];
        if (seen > 0 && (double)seen >= wanted)
            return hist_bucket_top(i) < row->max_ns ? hist_bucket_top(i) : row->max_ns;
    }
    return row->max_ns;
}

enum { SERIES_DRIFT_ROWS = 15 }; /* three seconds */

uint64_t series_requests(const struct series_row *rows, unsigned n)
{
    uint64_t requests = 0;
    for (unsigned i = 0; i < n; i++)
        requests += rows[i].requests;
    return requests;
}

double series_rate(const struct series_row *rows, unsigned n)
{
    double seconds = 0;
    for (unsigned i = 0; i < n; i++)
        seconds += (double)rows[i].length_ns / 1e9;
    return seconds > 0 ? (double)series_requests(rows, n) / seconds : 0;
}

uint64_t series_quantile_of(const struct series_row *rows, unsigned n, double q)
{
    struct series_row all = rows[0];
    for (unsigned i = 1; i < n; i++)
        series_join(&all, &rows[i]);
    return series_quantile(&all, q);
}

double series_drift(const struct series *series)
{
    unsigned third = series->n / 3;
    if (series->n < SERIES_DRIFT_ROWS)
        return 0;
    double first = series_rate(series->row, third);
    double last = series_rate(series->row + series->n - third, third);
    double high = first > last ? first : last;
    return high > 0 ? (first > last ? first - last : last - first) / high : 0;
}
