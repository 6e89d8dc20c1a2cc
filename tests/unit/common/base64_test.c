/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/base64: the examples of RFC 4648, everything there and back, and what is no base64.
 */
#include "common/base64.h"

#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(const char *plain, const char *text)
{
    struct buf out = {0};
    assert_int_equal(base64_encode(bytes_of(plain), &out), 0);
    assert_true(bytes_equal(buf_bytes(&out), bytes_of(text)));
    out.size = 0;
    assert_int_equal(base64_decode(bytes_of(text), &out), 0);
    assert_true(bytes_equal(buf_bytes(&out), bytes_of(plain)));
    buf_deinit(&out);
}

static void examples(void **state)
{
    (void)state;
    check("f", "Zg==");
    check("fo", "Zm8=");
    check("foo", "Zm9v");
    check("foob", "Zm9vYg==");
    check("fooba", "Zm9vYmE=");
    check("foobar", "Zm9vYmFy");
}

static void refused(void **state)
{
    static const char *const texts[] = {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "Zm9v=", "Z*=="};
    struct buf out = {0};
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(texts); i++) {
        assert_int_equal(base64_decode(bytes_of(texts[i]), &out), ERR_BAD_ARGUMENT);
        assert_int_equal(out.size, 0);
    }
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(examples), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
