/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/pack: integers and lengths take their shortest form, byte for byte; whatever is written is
 * read back by proto/mp; without memory there is an error.
 */
#include "proto/pack.h"

#include "common/err.h"
#include "common/mem.h"
#include "proto/mp.h"
#include "tests/unit/common/seed.h"

static struct buf out;

static int reset(void **state)
{
    (void)state;
    mem_fail_after(0, 0);
    buf_deinit(&out);
    return 0;
}

/* The output is these bytes; start again. */
static void wrote(int err, const char *bytes, size_t size)
{
    assert_int_equal(err, 0);
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, bytes, size);
    out.size = 0;
}

#define WROTE(call, literal) wrote(call, literal, sizeof(literal) - 1)

static void scalars(void **state)
{
    (void)state;
    WROTE(pack_nil(&out), "\xc0");
    WROTE(pack_bool(&out, false), "\xc2");
    WROTE(pack_bool(&out, true), "\xc3");
    WROTE(pack_real(&out, 1.5), "\xcb\x3f\xf8\0\0\0\0\0\0");
    WROTE(pack_real(&out, -0.0), "\xcb\x80\0\0\0\0\0\0\0");
}

static void integers(void **state)
{
    (void)state;
    WROTE(pack_uint(&out, 0), "\x00");
    WROTE(pack_uint(&out, 0x7f), "\x7f");
    WROTE(pack_uint(&out, 0x80), "\xcc\x80");
    WROTE(pack_uint(&out, 0xff), "\xcc\xff");
    WROTE(pack_uint(&out, 0x100), "\xcd\x01\x00");
    WROTE(pack_uint(&out, 0xffff), "\xcd\xff\xff");
    WROTE(pack_uint(&out, 0x10000), "\xce\x00\x01\x00\x00");
    WROTE(pack_uint(&out, UINT32_MAX), "\xce\xff\xff\xff\xff");
    WROTE(pack_uint(&out, (uint64_t)UINT32_MAX + 1), "\xcf\0\0\0\x01\0\0\0\0");
    WROTE(pack_uint(&out, UINT64_MAX), "\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    WROTE(pack_int(&out, 5), "\x05");
    WROTE(pack_int(&out, INT64_MAX), "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    WROTE(pack_int(&out, -1), "\xff");
    WROTE(pack_int(&out, -32), "\xe0");
    WROTE(pack_int(&out, -33), "\xd0\xdf");
    WROTE(pack_int(&out, -129), "\xd1\xff\x7f");
    WROTE(pack_int(&out, -32769), "\xd2\xff\xff\x7f\xff");
    WROTE(pack_int(&out, INT64_MIN), "\xd3\x80\0\0\0\0\0\0\0");
}

static void containers(void **state)
{
    (void)state;
    WROTE(pack_array(&out, 0), "\x90");
    WROTE(pack_array(&out, 15), "\x9f");
    WROTE(pack_array(&out, 16), "\xdc\x00\x10");
    WROTE(pack_array(&out, 65536), "\xdd\x00\x01\x00\x00");
    WROTE(pack_map(&out, 0), "\x80");
    WROTE(pack_map(&out, 15), "\x8f");
    WROTE(pack_map(&out, 16), "\xde\x00\x10");
    WROTE(pack_map(&out, 65536), "\xdf\x00\x01\x00\x00");
}

/* Around every length where the form changes. */
static void bodies(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        size_t str_head, bin_head;
        uint8_t str_first, bin_first;
    } rows[] = {
        {0, 1, 2, 0xa0, 0xc4},     {31, 1, 2, 0xbf, 0xc4},  {32, 2, 2, 0xd9, 0xc4},
        {255, 2, 2, 0xd9, 0xc4},   {256, 3, 3, 0xda, 0xc5}, {65535, 3, 3, 0xda, 0xc5},
        {65536, 5, 5, 0xdb, 0xc6},
    };
    static uint8_t body[65536];
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct bytes bytes = {body, rows[i].size};
        out.size = 0;
        assert_int_equal(pack_str(&out, bytes), 0);
        assert_int_equal(out.size, rows[i].str_head + rows[i].size);
        assert_int_equal(out.data[0], rows[i].str_first);
        out.size = 0;
        assert_int_equal(pack_bin(&out, bytes), 0);
        assert_int_equal(out.size, rows[i].bin_head + rows[i].size);
        assert_int_equal(out.data[0], rows[i].bin_first);
    }
    out.size = 0;
    WROTE(pack_str(&out, BYTES_NONE), "\xa0");
}

static void read_back(struct mp *mp)
{
    struct mp_reader reader = mp_reader_of(buf_bytes(&out));
    assert_int_equal(mp_read(&reader, mp), 0);
    assert_true(mp_at_end(&reader));
    out.size = 0;
}

static void round_trips(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (int i = 0; i < 20000; i++) {
        uint64_t number = rng_next(&rng) >> rng_below(&rng, 64);
        int64_t sint = (int64_t)number;
        struct mp mp;
        assert_int_equal(pack_uint(&out, number), 0);
        read_back(&mp);
        assert_true(mp.kind == MP_UINT && mp.uint == number);
        sint = rng_below(&rng, 2) == 0 ? sint : (int64_t)~number;
        assert_int_equal(pack_int(&out, sint), 0);
        read_back(&mp);
        assert_true(mp.kind == (sint < 0 ? MP_SINT : MP_UINT) && mp.sint == sint);
        double real;
        memcpy(&real, &number, sizeof real);
        assert_int_equal(pack_real(&out, real), 0);
        read_back(&mp);
        assert_true(mp.kind == MP_FLOAT && memcmp(&mp.real, &real, sizeof real) == 0);
    }
}

#ifdef CAIRN_FAULTS
static void no_memory(void **state)
{
    (void)state;
    mem_fail_after(1, 1);
    assert_int_equal(pack_nil(&out), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_bool(&out, true), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_uint(&out, 1), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_int(&out, -1000), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_real(&out, 1), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_str(&out, bytes_of("x")), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_bin(&out, bytes_of("x")), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_array(&out, 1000), ERR_OUT_OF_MEMORY);
    assert_int_equal(pack_map(&out, 1000), ERR_OUT_OF_MEMORY);
    assert_int_equal(out.size, 0);
}

/* The head does not fit, or it does and the body does not. */
static void no_memory_for_body(void **state)
{
    (void)state;
    static uint8_t body[4096];
    mem_fail_after(1, 0);
    assert_int_equal(pack_str(&out, bytes_of("x")), ERR_OUT_OF_MEMORY);
    mem_fail_after(1, 0);
    assert_int_equal(pack_bin(&out, bytes_of("x")), ERR_OUT_OF_MEMORY);
    assert_int_equal(out.size, 0);
    assert_int_equal(buf_reserve(&out, 10), 0);
    mem_fail_after(1, 0);
    assert_int_equal(pack_bin(&out, (struct bytes){body, sizeof body}), ERR_OUT_OF_MEMORY);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(scalars, reset),
        cmocka_unit_test_teardown(integers, reset),
        cmocka_unit_test_teardown(containers, reset),
        cmocka_unit_test_teardown(bodies, reset),
        cmocka_unit_test_teardown(round_trips, reset),
#ifdef CAIRN_FAULTS
        cmocka_unit_test_teardown(no_memory, reset),
        cmocka_unit_test_teardown(no_memory_for_body, reset),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
