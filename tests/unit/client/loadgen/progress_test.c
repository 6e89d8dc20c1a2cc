/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/loadgen/progress: what the line and --ndjson say of an interval, and that the line says at
 * once when loadgen itself is what is measured.
 */
#include "client/loadgen/progress.h"

#include "client/loadgen/phase.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static struct progress progress;
static struct snapshot seen;
static struct phase phase;
static struct ndjson ndjson;

static void begin(void)
{
    memset(&seen, 0, sizeof seen);
    hist_init(&seen.latency);
    hist_init(&seen.slip);
    hist_init(&seen.kind[0]);
    phase.workload = &workload_table[WORKLOAD_get];
    phase.requests = 1000000;
    phase.threads = 2;
    progress_init(&progress, 1000, true);
    progress.terminal = progress.bars = false;
    progress.ndjson = &ndjson;
    progress.label = "GET";
    seen.now_ns = 5 * SECOND;
    progress_begin(&progress, &seen);
}

/* A second later: the line, which the caller frees, and what --ndjson has of it. */
static char *second(uint64_t busy_ms, uint64_t late_us, json_t **out_sample)
{
    char *line = NULL, *json = NULL;
    size_t line_size, json_size;
    FILE *usual = stderr;
    hist_add_n(&seen.latency, 1000000, 100);
    hist_add_n(&seen.kind[0], 1000000, 100);
    hist_add_n(&seen.slip, late_us * 1000, 100);
    seen.cpu.thread_ns[1] += busy_ms * 1000000;
    seen.now_ns += SECOND;
    stderr = open_memstream(&line, &line_size);
    ndjson.out = open_memstream(&json, &json_size);
    progress_update(&progress, &phase, &seen);
    fclose(stderr);
    fclose(ndjson.out);
    stderr = usual;
    *out_sample = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(*out_sample);
    free(json);
    return line;
}

/* These words, or neither of the warnings, are on the line of such a second. */
static void says(uint64_t busy_ms, uint64_t late_us, const char *words)
{
    json_t *sample;
    char *line = second(busy_ms, late_us, &sample);
    assert_non_null(strstr(line, "100 requests/s  p50 1.0"));
    if (words != NULL)
        assert_non_null(strstr(line, words));
    else
        assert_true(strstr(line, "saturated") == NULL && strstr(line, "late") == NULL);
    double busy = json_number_value(json_object_get(sample, "client_busy"));
    double late = json_number_value(json_object_get(sample, "slip_p99_ns"));
    assert_true(busy > (double)busy_ms / 1e3 - 1e-9 && busy < (double)busy_ms / 1e3 + 1e-9);
    assert_true(late >= (double)late_us * 1e3 && late <= (double)late_us * 1.01e3);
    json_decref(sample);
    free(line);
}

static void warnings(void **state)
{
    (void)state;
    begin();
    says(500, 20, NULL);
    says(950, 20, "client-saturated: a thread of loadgen is busy 95 %");
    says(500, 20, NULL); /* only the interval counts */
    says(500, 3000, "sent-late: p99 3.0 ms");
    says(900, 1, NULL);
}

static void due(void **state)
{
    (void)state;
    begin();
    assert_false(progress_due(&progress, 6 * SECOND - 1));
    assert_true(progress_due(&progress, 6 * SECOND));
    progress.shown = false;
    ndjson.out = NULL;
    assert_false(progress_due(&progress, 6 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warnings),
        cmocka_unit_test(due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
