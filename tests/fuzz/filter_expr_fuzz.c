/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes what RESP clients send as text: proto/filter_expr and proto/json_read. Whatever the bytes,
 * each says yes or why not and leaves nothing behind on no; what it writes on yes is one whole
 * value, which the filter compiler takes or finds too large.
 */
#include "common/check.h"
#include "common/err.h"
#include "proto/filter.h"
#include "proto/filter_expr.h"
#include "proto/json_read.h"
#include "proto/mp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Is it one whole value, or nothing after an error? */
static void check(int err, const struct problem *problem, const struct buf *out)
{
    REQUIRE(err == 0 || err == ERR_BAD_ARGUMENT || err == ERR_LIMIT_EXCEEDED);
    REQUIRE(err == problem->err && (err == 0) == (problem->text[0] == 0));
    REQUIRE((err == 0) == (out->size > 0));
    struct mp_reader reader = mp_reader_of(buf_bytes(out));
    REQUIRE(err != 0 || (mp_skip(&reader, MP_DEPTH_MAX) == 0 && mp_at_end(&reader)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct filter filter;
    struct problem problem = {0};
    struct buf out = {0};
    uint8_t *copy = malloc(size + (size == 0)); /* ends where its memory ends */
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    int err = filter_expr_read((struct bytes){copy, size}, &out, &problem);
    check(err, &problem, &out);
    if (err == 0)
        err = filter_compile(&filter, buf_bytes(&out), &problem);
    REQUIRE(err == 0 || problem.err == err);
    out.size = 0;
    problem = (struct problem){0};
    err = json_read_object((struct bytes){copy, size}, MP_DEPTH_MAX, &out, &problem);
    check(err, &problem, &out);
    buf_deinit(&out);
    free(copy);
    return 0;
}
