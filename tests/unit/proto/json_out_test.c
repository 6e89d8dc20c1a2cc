/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/json_out: what every kind of value is written as, on one line and on several, and what
 * cannot be. That it reads back is tested with client/cli/json.
 */
#include "proto/json_out.h"

#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(struct bytes packed, unsigned indent, const char *expected)
{
    struct buf text = {0};
    assert_int_equal(json_out(packed, indent, &text), 0);
    if (!bytes_equal(buf_bytes(&text), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)text.size, (const char *)text.data, expected);
    buf_deinit(&text);
}

#define OUT(packed, indent, expected)                                                              \
    check((struct bytes){(const uint8_t *)(packed), sizeof(packed) - 1}, indent, expected)

static void values(void **state)
{
    (void)state;
    OUT("\xc0", 0, "null");
    OUT("\x93\x01\xff\xcb\x3f\xf8\0\0\0\0\0\0", 0, "[1, -1, 1.5]");
    OUT("\xa3"
        "a\"\n",
        0, "\"a\\\"\\n\"");
    OUT("\xc4\x01\xff", 0, "{\"$bin\": \"/w==\"}");
    OUT("\x81\xa1"
        "a\x80",
        0, "{\"a\": {}}");
    OUT("\x81\xa1"
        "a\x91\x01",
        2, "{\n  \"a\": [\n    1\n  ]\n}");
    OUT("\x81\x01\x02", 0, "{\"$map\": [[1, 2]]}");
}

static void refused(void **state)
{
    uint8_t deep[300];
    struct buf text = {0};
    (void)state;
    memset(deep, 0x91, sizeof deep);
    assert_int_equal(json_out((struct bytes){deep, sizeof deep}, 0, &text), ERR_LIMIT_EXCEEDED);
    assert_int_equal(json_out((struct bytes){deep, 3}, 0, &text), ERR_BAD_REQUEST);
    buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
