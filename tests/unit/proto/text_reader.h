/* SPDX-License-Identifier: BSD-3-Clause
 *
 * For tests of what reads a text from outside into MessagePack. The test defines read_from, which
 * calls what is tested.
 */
#pragma once

#include "common/err.h"
#include "common/mem.h"
#include "proto/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct problem problem;

/* Into `out`, with `problem`. */
static int read_from(struct bytes text, struct buf *out);

/* From a block of exactly its size, so that a read behind it is seen. */
static int read_text(struct bytes text, struct buf *out)
{
    uint8_t *copy = malloc(text.size + (text.size == 0));
    assert_non_null(copy);
    memcpy(copy, text.data, text.size);
    problem = (struct problem){0};
    int err = read_from((struct bytes){copy, text.size}, out);
    assert_int_equal(problem.err, err);
    free(copy);
    return err;
}

struct refusal {
    const char *text, *why;
};

static void check_refused(const struct refusal *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf out = {0};
        assert_int_equal(read_text(bytes_of(rows[i].text), &out), ERR_BAD_ARGUMENT);
        if (strstr(problem.text, rows[i].why) == NULL)
            fail_msg("%s: %s", rows[i].text, problem.text);
        assert_int_equal(out.size, 0);
        buf_deinit(&out);
    }
}

#ifdef CAIRN_FAULTS
/* Every lack of memory. */
static void check_no_memory(const char *text)
{
    int err = ERR_OUT_OF_MEMORY;
    for (unsigned n = 1; err != 0; n++) {
        struct buf out = {0};
        mem_fail_after(n, 1);
        err = read_from(bytes_of(text), &out);
        mem_fail_after(0, 0);
        assert_true(err == 0 || (err == ERR_OUT_OF_MEMORY && out.size == 0));
        buf_deinit(&out);
    }
}
#endif
