/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/vec_text: every float reads back from its shortest number, and only vectors of replies
 * are changed.
 */
#include "client/cli/vec_text.h"

#include "client/cli/json.h"
#include "common/rng.h"
#include "proto/op.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { RANDOM_FLOATS = 200000 };

/* The same float, and by no fewer digits. */
static void check(float element)
{
    char text[64];
    double number = vec_text_shortest(element);
    float back = (float)number;
    assert_memory_equal(&back, &element, sizeof back);
    snprintf(text, sizeof text, "%.15g", number);
    back = (float)strtod(text, NULL);
    assert_memory_equal(&back, &element, sizeof back);
    snprintf(text, sizeof text, "%.9g", number);
    back = (float)strtod(text, NULL);
    assert_memory_equal(&back, &element, sizeof back);
}

static void written(float element, const char *expected)
{
    char text[64];
    snprintf(text, sizeof text, "%.15g", vec_text_shortest(element));
    assert_string_equal(text, expected);
}

static void floats(void **state)
{
    struct rng rng = {11};
    (void)state;
    written(0.1f, "0.1");
    written(-0.3f, "-0.3");
    written(0.0f, "0");
    written(-0.0f, "-0");
    written(1.0f, "1");
    written(16777216.0f, "16777216");
    written(1e10f, "10000000000");
    written(3.14159274f, "3.1415927");
    written(1e-30f, "1e-30");
    written(FLT_MAX, "3.4028235e+38");
    written(FLT_TRUE_MIN, "1e-45");
    written(FLT_MIN, "1.1754944e-38");
    for (int i = 0; i < RANDOM_FLOATS; i++) {
        uint32_t bits = (uint32_t)rng_next(&rng);
        float element;
        memcpy(&element, &bits, sizeof element);
        if (isfinite(element))
            check(element);
        check((float)((double)(int32_t)bits / 2147483648.0));
    }
}

static void reply(const char *json, const char *expected)
{
    struct usage usage;
    struct buf packed, out, text;
    buf_init(&packed);
    buf_init(&out);
    buf_init(&text);
    assert_int_equal(json_in(bytes_of(json), &packed, &usage), 0);
    assert_int_equal(vec_text_reply(buf_bytes(&packed), &out), 0);
    assert_int_equal(json_out_exact(buf_bytes(&out), &text), 0);
    if (!bytes_equal(buf_bytes(&text), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)text.size, (const char *)text.data, expected);
    buf_deinit(&packed);
    buf_deinit(&out);
    buf_deinit(&text);
}

static void replies(void **state)
{
    (void)state;
    reply("null", "null");
    reply("{\"key\": \"a\", \"vector\": {\"$bin\": \"zczMPQAAAEA=\"}, \"version\": 3}",
          "{\"key\": \"a\", \"vector\": [0.1, 2.0], \"version\": 3}");
    reply("{\"vector\": [0.10000000149011612, 2, 0.1]}", "{\"vector\": [0.1, 2, 0.1]}");
    reply("{\"vector\": {\"$bin\": \"zczM\"}}", "{\"vector\": {\"$bin\": \"zczM\"}}");
    reply("{\"vector\": null}", "{\"vector\": null}");
    reply("[{\"vector\": {\"$bin\": \"zczMPQ==\"}}, null]", "[{\"vector\": [0.1]}, null]");
    reply("[{\"items\": [{\"vector\": {\"$bin\": \"zczMPQ==\"}}]}]",
          "[{\"items\": [{\"vector\": [0.1]}]}]");
    reply("{\"items\": [\"a\", \"b\"], \"cursor\": null}",
          "{\"items\": [\"a\", \"b\"], \"cursor\": null}");
    reply("{\"metadata\": {\"vector\": {\"$bin\": \"zczMPQ==\"}, \"items\": [1.5]}}",
          "{\"metadata\": {\"vector\": {\"$bin\": \"zczMPQ==\"}, \"items\": [1.5]}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats),
        cmocka_unit_test(replies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
