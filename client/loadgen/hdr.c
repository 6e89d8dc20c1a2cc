/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes .hgrm files, and names those of client/loadgen/hdr_log.
 *
 * How: percentiles come in HdrHistogram's steps: five for each half of what is left, so that the
 * tail has as many lines as the rest; a value that has been written already is left out.
 *
 * Invariants: the last line is the maximum, at percentile 1.
 * Threads: the main thread. Failures: ERR_IO.
 */
#include "client/loadgen/hdr.h"

#include "client/loadgen/hdr_log.h"
#include "common/err.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>

enum { HDR_NAME_SIZE = 160 /* of a test and a step */, HDR_PATH_SIZE = 4096 };

enum { HDR_STEPS = 5 }; /* for each half of the distance to percentile 1 */

/* The next percentile to print, 0..1. */
static double hdr_next(double share)
{
    double half = pow(2, floor(log2(1 / (1 - share))) + 1);
    return share + 1 / (HDR_STEPS * half);
}

static uint64_t hdr_count_up_to(const struct hist *hist, uint64_t value)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        if (hist_bucket_top(i) <= value || value >= hist->max)
            count += hist->bucket[i];
    return count;
}

/* The deviation, as exact as buckets are. */
static double hdr_deviation(const struct hist *hist)
{
    double mean = hist_mean(hist), squares = 0;
    for (unsigned i = 0; i < HIST_BUCKETS && hist->count > 0; i++) {
        double off = (double)hist_bucket_top(i) - mean;
        squares += hist->bucket[i] == 0 ? 0 : (double)hist->bucket[i] * off * off;
    }
    return hist->count > 0 ? sqrt(squares / (double)hist->count) : 0;
}

void hdr_write(FILE *out, const struct hist *hist)
{
    fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    uint64_t seen = 0;
    for (double share = 0; hist->count > 0 && seen < hist->count; share = hdr_next(share)) {
        uint64_t value = hist_quantile(hist, share);
        uint64_t count = hdr_count_up_to(hist, value);
        if (count == seen)
            continue;
        seen = count;
        if (count < hist->count)
            fprintf(out, "%12.3f %2.12f %10" PRIu64 " %14.2f\n", (double)value / 1e6, share, count,
                    1 / (1 - share));
    }
    if (hist->count > 0)
        fprintf(out, "%12.3f %2.12f %10" PRIu64 "\n", (double)hist->max / 1e6, 1.0, hist->count);
    fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", hist_mean(hist) / 1e6,
            hdr_deviation(hist) / 1e6);
    fprintf(out, "#[Max     = %12.3f, Total count    = %12" PRIu64 "]\n", (double)hist->max / 1e6,
            hist->count);
    fprintf(out, "#[Buckets = %12d, SubBuckets     = %12d]\n", HIST_TOP_BITS - HIST_SUB_BITS + 1,
            1 << HIST_SUB_BITS);
}

/* A name as part of that of a file. */
static void hdr_plain(const char *name, char *out, size_t size)
{
    size_t at = 0;
    for (; *name != 0 && at + 1 < size; name++)
        out[at++] = (char)(isalnum((unsigned char)*name) ? *name : '_');
    out[at] = 0;
}

/* Open PREFIX_test_what.suffix. NULL when told. */
static FILE *hdr_open(const char *prefix, const char *test, const char *what, const char *suffix,
                      char out_path[static HDR_PATH_SIZE], char *out_detail)
{
    char name[HDR_NAME_SIZE], part[64];
    hdr_plain(test, name, sizeof name);
    hdr_plain(what, part, sizeof part);
    (void)snprintf(out_path, HDR_PATH_SIZE, "%s_%s%s%s.%s", prefix, name, part[0] != 0 ? "_" : "",
                   part, suffix);
    FILE *out = fopen(out_path, "we");
    if (out == NULL)
        (void)snprintf(out_detail, HDR_DETAIL_SIZE, "--hdr: cannot write %.200s: %s", out_path,
                       strerror(errno));
    return out;
}

static int hdr_close(FILE *out, int err, const char *path, char *out_detail)
{
    bool good = ferror(out) == 0;
    good = fclose(out) == 0 && good;
    if (good && err == 0)
        return 0;
    (void)snprintf(out_detail, HDR_DETAIL_SIZE, "--hdr: cannot write %.200s: %s", path,
                   err != 0 ? "out of memory" : strerror(errno));
    return ERR_IO;
}

static int hdr_write_file(const char *prefix, const char *test, const char *what,
                          const struct hist *hist, char *out_detail)
{
    char path[HDR_PATH_SIZE];
    FILE *out = hdr_open(prefix, test, what, "hgrm", path, out_detail);
    if (out == NULL)
        return ERR_IO;
    hdr_write(out, hist);
    return hdr_close(out, 0, path, out_detail);
}

static int hdr_write_log(const char *prefix, const char *test, const struct result *result,
                         char *out_detail)
{
    char path[HDR_PATH_SIZE];
    FILE *out = hdr_open(prefix, test, "", "hlog", path, out_detail);
    if (out == NULL)
        return ERR_IO;
    return hdr_close(out, hdr_log_write(out, result), path, out_detail);
}

int hdr_write_files(const char *prefix, const char *step, const struct result *result,
                    char out_detail[static HDR_DETAIL_SIZE])
{
    const struct workload *workload = result->workload;
    char name[HDR_NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s%s%s", workload->name, step[0] != 0 ? "_" : "", step);
    int err = hdr_write_file(prefix, name, "", &result->latency, out_detail);
    if (err == 0 && result->offered > 0)
        err = hdr_write_file(prefix, name, "service", &result->service, out_detail);
    for (unsigned i = 0; i < workload->n_shapes && err == 0 && workload_mixes(workload); i++)
        err = hdr_write_file(prefix, name, workload->shapes[i]->name, &result->by_shape[i],
                             out_detail);
    return err != 0 ? err : hdr_write_log(prefix, name, result, out_detail);
}
