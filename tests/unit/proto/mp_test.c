/* SPDX-License-Identifier: BSD-3-Clause
 *
 * proto/mp: every first byte, over-long forms, inputs cut at every byte, announced sizes that never
 * come, nesting at and above the bound, equality, UTF-8.
 *
 * Inputs stand at the end of a block of exactly their size, so that the address sanitizer sees any
 * read behind them.
 */
#include "proto/mp.h"

#include "common/err.h"
#include "proto/pack.h"
#include "tests/unit/common/seed.h"

/* Bytes of a literal, as initializer and as expression. */
#define INIT(text)                                                                                 \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
#define LITERAL(text) ((struct bytes)INIT(text))

static struct bytes exact(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.size + (bytes.size == 0));
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return (struct bytes){copy, bytes.size};
}

static void release(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

/* The result of a scan; *out_size is the size of the value if it is 0. */
static int scan(struct bytes input, unsigned depth, size_t *out_size)
{
    struct mp_scan state = {0};
    size_t need = 0;
    struct bytes copy = exact(input);
    int err = mp_scan(&state, copy.data, copy.size, depth, &need);
    if (err == MP_MORE)
        assert_true(need > input.size);
    release(copy);
    *out_size = state.position;
    return err;
}

/* ---- one element ---- */

/* Bytes behind the first, without a body, and what follows from the format; -1: reserved. */
static int head_size(unsigned first)
{
    static const int sizes[32] = {0, -1, 0, 0, 1, 2, 4, 2, 3,  5, 4, 8, 1, 2, 4, 8,
                                  1, 2,  4, 8, 2, 3, 5, 9, 17, 1, 2, 4, 2, 4, 2, 4};
    return first < 0xc0 || first >= 0xe0 ? 0 : sizes[first - 0xc0];
}

static enum mp_kind kind_of(unsigned first)
{
    static const char kinds[] = "N?BBbbbeeeFFUUUUUUUUeeeeesssaamm";
    if (first < 0x80)
        return MP_UINT;
    if (first < 0xc0)
        return first < 0x90 ? MP_MAP : first < 0xa0 ? MP_ARRAY : MP_STR;
    if (first >= 0xe0)
        return MP_SINT;
    switch (kinds[first - 0xc0]) {
    case 'N':
        return MP_NIL;
    case 'B':
        return MP_BOOL;
    case 'b':
        return MP_BIN;
    case 'e':
        return MP_EXT;
    case 'F':
        return MP_FLOAT;
    case 'U':
        return MP_UINT;
    case 's':
        return MP_STR;
    case 'a':
        return MP_ARRAY;
    default:
        return MP_MAP;
    }
}

/* Every first byte, with zeros behind it: empty bodies, numbers of zero. */
static void first_bytes(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[64] = {(uint8_t)first};
        int head = head_size(first);
        size_t body = first >= 0xa0 && first < 0xc0 ? first & 0x1f : 0;
        size_t size = head < 0 ? 1 : 1 + (size_t)head + body;
        for (size_t cut = 0; cut <= size; cut++) {
            struct bytes input = exact((struct bytes){bytes, cut});
            struct mp_reader reader = mp_reader_of(input);
            struct mp mp;
            int err = mp_read(&reader, &mp);
            if (head < 0 && cut > 0)
                assert_int_equal(err, ERR_BAD_REQUEST);
            else
                assert_int_equal(err, cut < size ? MP_MORE : 0);
            assert_ptr_equal(reader.at, err == 0 ? input.data + size : input.data);
            if (err == 0)
                assert_int_equal(mp.kind, kind_of(first));
            release(input);
        }
    }
}

static struct mp read_one(struct bytes input)
{
    struct bytes copy = exact(input);
    struct mp_reader reader = mp_reader_of(copy);
    struct mp mp;
    assert_int_equal(mp_read(&reader, &mp), 0);
    assert_true(mp_at_end(&reader));
    release(copy);
    return mp;
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        bool negative;
        uint64_t bits;
    } rows[] = {
        {INIT("\x7f"), false, 127},
        {INIT("\xcc\x05"), false, 5}, /* over-long */
        {INIT("\xcd\x00\x05"), false, 5},
        {INIT("\xce\0\0\0\x05"), false, 5},
        {INIT("\xcf\0\0\0\0\0\0\0\x05"), false, 5},
        {INIT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), false, UINT64_MAX},
        {INIT("\xcd\x12\x34"), false, 0x1234},
        {INIT("\xce\x12\x34\x56\x78"), false, 0x12345678},
        {INIT("\xd0\x05"), false, 5}, /* signed form, not negative */
        {INIT("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff"), false, INT64_MAX},
        {INIT("\xff"), true, (uint64_t)-1},
        {INIT("\xe0"), true, (uint64_t)-32},
        {INIT("\xd0\xff"), true, (uint64_t)-1},
        {INIT("\xd0\x80"), true, (uint64_t)-128},
        {INIT("\xd1\xff\xff"), true, (uint64_t)-1},
        {INIT("\xd1\x80\x00"), true, (uint64_t)-32768},
        {INIT("\xd2\xff\xff\xff\xfe"), true, (uint64_t)-2},
        {INIT("\xd2\x80\0\0\0"), true, (uint64_t)INT32_MIN},
        {INIT("\xd3\x80\0\0\0\0\0\0\0"), true, (uint64_t)INT64_MIN},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct mp mp = read_one(rows[i].input);
        assert_int_equal(mp.kind, rows[i].negative ? MP_SINT : MP_UINT);
        assert_true(mp.uint == rows[i].bits);
    }
}

static void other_scalars(void **state)
{
    (void)state;
    assert_false(read_one(LITERAL("\xc2")).boolean);
    assert_true(read_one(LITERAL("\xc3")).boolean);
    double reals[] = {read_one(LITERAL("\xca\xbf\xc0\0\0")).real,
                      read_one(LITERAL("\xcb\xbf\xf8\0\0\0\0\0\0")).real, -1.5};
    assert_memory_equal(&reals[0], &reals[2], sizeof reals[0]);
    assert_memory_equal(&reals[1], &reals[2], sizeof reals[0]);
    assert_int_equal(read_one(LITERAL("\xdc\x12\x34")).count, 0x1234);
    assert_int_equal(read_one(LITERAL("\xdd\xff\xff\xff\xff")).count, UINT32_MAX);
    assert_int_equal(read_one(LITERAL("\xde\x00\x02")).count, 2);
    assert_int_equal(read_one(LITERAL("\xdf\xff\xff\xff\xfe")).count, UINT32_MAX - 1);
    assert_int_equal(read_one(LITERAL("\x8f")).count, 15);
    assert_int_equal(read_one(LITERAL("\x93")).count, 3);
}

/* Bodies are handed out as they stand in the input, for ext with the type byte. */
static void bodies(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        enum mp_kind kind;
        size_t head;
    } rows[] = {
        {INIT("\xa3"
              "abc"),
         MP_STR, 1},
        {INIT("\xd9\x03"
              "abc"),
         MP_STR, 2},
        {INIT("\xda\0\x03"
              "abc"),
         MP_STR, 3},
        {INIT("\xdb\0\0\0\x03"
              "abc"),
         MP_STR, 5},
        {INIT("\xc4\x03"
              "abc"),
         MP_BIN, 2},
        {INIT("\xc5\0\x03"
              "abc"),
         MP_BIN, 3},
        {INIT("\xc6\0\0\0\x03"
              "abc"),
         MP_BIN, 5},
        {INIT("\xc7\x03"
              "tabc"),
         MP_EXT, 2},
        {INIT("\xc8\0\x03"
              "tabc"),
         MP_EXT, 3},
        {INIT("\xc9\0\0\0\x03"
              "tabc"),
         MP_EXT, 5},
        {INIT("\xd4"
              "ta"),
         MP_EXT, 1},
        {INIT("\xd6"
              "tabcd"),
         MP_EXT, 1},
        {INIT("\xd8"
              "t0123456789abcdef"),
         MP_EXT, 1},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct mp_reader reader = mp_reader_of(rows[i].input);
        struct mp mp;
        assert_int_equal(mp_read(&reader, &mp), 0);
        assert_int_equal(mp.kind, rows[i].kind);
        assert_ptr_equal(mp.bytes.data, rows[i].input.data + rows[i].head);
        assert_int_equal(mp.bytes.size, rows[i].input.size - rows[i].head);
    }
}

static void bytes_only(void **state)
{
    (void)state;
    struct bytes bytes = BYTES_NONE;
    bool text = false;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t input[64] = {(uint8_t)first};
        struct mp_reader reader = {input, input + sizeof input};
        enum mp_kind kind = kind_of(first);
        bool wanted = (kind == MP_STR || kind == MP_BIN) && first != 0xc1;
        assert_int_equal(mp_read_bytes(&reader, &bytes, &text), wanted ? 0 : ERR_BAD_REQUEST);
        assert_true(wanted == (reader.at != input));
        if (wanted)
            assert_int_equal(text, kind == MP_STR);
        for (size_t cut = 0; wanted && cut < (size_t)(reader.at - input); cut++) {
            struct bytes copy = exact((struct bytes){input, cut});
            struct mp_reader short_of = mp_reader_of(copy);
            assert_int_equal(mp_read_bytes(&short_of, &bytes, &text), MP_MORE);
            assert_ptr_equal(short_of.at, copy.data);
            release(copy);
        }
    }
}

/* ---- whole values ---- */

/* Announced sizes that are not there: refused to be believed, with a true lower bound. */
static void announced(void **state)
{
    (void)state;
    static const struct {
        struct bytes input;
        uint64_t need;
    } rows[] = {
        {INIT("\xdd\xff\xff\xff\xff"), 5 + (uint64_t)UINT32_MAX},
        {INIT("\xdf\xff\xff\xff\xff"), 5 + 2 * (uint64_t)UINT32_MAX},
        {INIT("\xdb\xff\xff\xff\xff"), 5 + (uint64_t)UINT32_MAX},
        {INIT("\xc6\xff\xff\xff\xff"), 5 + (uint64_t)UINT32_MAX},
        {INIT("\xc9\xff\xff\xff\xff"), 5 + (uint64_t)UINT32_MAX},
        {INIT("\x92\xc6\x00\x10\x00\x00"), 1 + 5 + 0x100000 + 1},
        {INIT("\xdd\x7f\xff\xff\xff\xdd\x7f\xff\xff\xff"), 10 + 2 * (uint64_t)INT32_MAX - 1},
        {INIT(""), 1},
        {INIT("\xcd"), 2},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct mp_scan state_of = {0};
        struct bytes copy = exact(rows[i].input);
        size_t need = 0;
        assert_int_equal(mp_scan(&state_of, copy.data, copy.size, 32, &need), MP_MORE);
        assert_true(need == rows[i].need);
        struct mp_reader reader = mp_reader_of(copy);
        assert_int_equal(mp_skip(&reader, 32), MP_MORE);
        assert_ptr_equal(reader.at, copy.data);
        release(copy);
    }
}

static void nesting(void **state)
{
    (void)state;
    static const uint8_t opens[2] = {0x91, 0x81};
    size_t size;
    for (unsigned depth = 0; depth <= MP_DEPTH_MAX + 8; depth++) {
        uint8_t input[2 * (MP_DEPTH_MAX + 8) + 1];
        for (unsigned map = 0; map < 2; map++) {
            size_t n = 0;
            for (unsigned i = 0; i < depth; i++) {
                if (map == 1 && i > 0)
                    input[n++] = 0xa0; /* a key; the value nests */
                input[n++] = opens[map];
            }
            if (map == 1 && depth > 0)
                input[n++] = 0xa0;
            input[n++] = 0xc0;
            struct bytes bytes = {input, n};
            assert_int_equal(scan(bytes, MP_DEPTH_MAX, &size),
                             depth <= MP_DEPTH_MAX ? 0 : ERR_LIMIT_EXCEEDED);
            assert_int_equal(scan(bytes, 7, &size), depth <= 7 ? 0 : ERR_LIMIT_EXCEEDED);
            assert_int_equal(scan(bytes, 0, &size), depth == 0 ? 0 : ERR_LIMIT_EXCEEDED);
        }
    }
}

/* Empty containers count as a level too; siblings do not add up. */
static void nesting_of_siblings(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(scan(LITERAL("\x90"), 0, &size), ERR_LIMIT_EXCEEDED);
    assert_int_equal(scan(LITERAL("\x92\x91\x90\x80"), 3, &size), 0);
    assert_int_equal(scan(LITERAL("\x92\x91\x90\x80"), 2, &size), ERR_LIMIT_EXCEEDED);
    assert_int_equal(scan(LITERAL("\x95\x90\x90\x80\x91\xc0\x90"), 2, &size), 0);
}

static void reserved(void **state)
{
    (void)state;
    size_t size;
    assert_int_equal(scan(LITERAL("\xc1"), 32, &size), ERR_BAD_REQUEST);
    assert_int_equal(scan(LITERAL("\x93\x01\xc1"), 32, &size), ERR_BAD_REQUEST);
    struct bytes input = LITERAL("\x92\x01\xc1");
    struct mp_reader reader = mp_reader_of(input);
    assert_int_equal(mp_skip(&reader, 32), ERR_BAD_REQUEST);
    assert_ptr_equal(reader.at, input.data);
}

/* ---- random values ---- */

static void put_body(struct rng *rng, struct buf *out)
{
    uint8_t body[300];
    struct bytes bytes = {body, (size_t)rng_below(rng, rng_below(rng, 8) == 0 ? 300 : 40)};
    for (size_t i = 0; i < bytes.size; i++)
        body[i] = (uint8_t)rng_next(rng);
    if (rng_below(rng, 3) == 0) { /* ext 8 */
        uint8_t head[3] = {0xc7, (uint8_t)bytes.size, 42};
        bytes.size &= 0xff;
        assert_int_equal(buf_append(out, head, 3), 0);
        assert_int_equal(buf_append(out, body, bytes.size), 0);
    } else {
        assert_int_equal(rng_below(rng, 2) == 0 ? pack_str(out, bytes) : pack_bin(out, bytes), 0);
    }
}

/* A random value of at most `depth` levels. */
static void put_value(struct rng *rng, unsigned depth, struct buf *out)
{
    uint64_t bits = rng_next(rng) >> rng_below(rng, 64);
    unsigned choice = (unsigned)rng_below(rng, depth > 0 ? 10 : 7);
    unsigned count = (unsigned)rng_below(rng, rng_below(rng, 10) == 0 ? 20 : 4);
    static const char reals[2] = "\xca\xcb";
    if (choice == 0) {
        assert_int_equal(rng_below(rng, 2) == 0 ? pack_nil(out) : pack_bool(out, bits & 1), 0);
    } else if (choice == 1) {
        assert_int_equal(pack_uint(out, bits), 0);
    } else if (choice == 2) {
        assert_int_equal(pack_int(out, (int64_t)~bits), 0);
    } else if (choice == 3) {
        bool wide = bits & 1;
        assert_int_equal(buf_append(out, &reals[wide], 1), 0);
        assert_int_equal(buf_append(out, &bits, wide ? 8 : 4), 0);
    } else if (choice < 7) {
        put_body(rng, out);
    } else {
        bool map = choice == 9;
        assert_int_equal(map ? pack_map(out, count) : pack_array(out, count), 0);
        for (unsigned i = 0; i < (map ? 2 * count : count); i++)
            put_value(rng, depth - 1, out);
    }
}

/* Cutting the input at one place, or everywhere, changes nothing. */
static void check_cuts(struct bytes value)
{
    struct mp_scan steps = {0};
    size_t need, step = value.size > 600 ? value.size / 150 : 1;
    for (size_t cut = 0; cut < value.size; cut += step) {
        struct mp_scan state = {0};
        struct bytes part = exact((struct bytes){value.data, cut});
        assert_int_equal(mp_scan(&state, part.data, cut, 32, &need), MP_MORE);
        assert_true(need > cut && need <= value.size);
        assert_int_equal(mp_scan(&steps, part.data, cut, 32, &need), MP_MORE);
        struct mp_reader reader = mp_reader_of(part);
        assert_int_equal(mp_skip(&reader, 32), MP_MORE);
        release(part);
        assert_int_equal(mp_scan(&state, value.data, value.size, 32, &need), 0);
        assert_int_equal(state.position, value.size);
    }
    assert_int_equal(mp_scan(&steps, value.data, value.size, 32, &need), 0);
    assert_int_equal(steps.position, value.size);
}

static void random_values(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    struct buf value;
    buf_init(&value);
    for (int round = 0; round < 120; round++) {
        value.size = 0;
        put_value(&rng, (unsigned)rng_below(&rng, 6), &value);
        check_cuts(buf_bytes(&value));
        size_t size = value.size;
        assert_int_equal(buf_append(&value, "\xc1\xc1", 2), 0); /* what follows is not looked at */
        struct mp_reader reader = mp_reader_of(buf_bytes(&value));
        assert_int_equal(mp_skip(&reader, 32), 0);
        assert_ptr_equal(reader.at, value.data + size);
    }
    buf_deinit(&value);
}

/* ---- equality ---- */

static void equality(void **state)
{
    (void)state;
    static const struct {
        struct bytes a, b;
        bool equal;
    } rows[] = {
        {INIT("\x05"), INIT("\xcf\0\0\0\0\0\0\0\x05"), true},
        {INIT("\x05"), INIT("\xd3\0\0\0\0\0\0\0\x05"), true},
        {INIT("\xff"), INIT("\xd2\xff\xff\xff\xff"), true},
        {INIT("\xff"), INIT("\xcc\xff"), false},
        {INIT("\xd3\xff\xff\xff\xff\xff\xff\xff\xff"), INIT("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
         false},
        {INIT("\x01"), INIT("\xca\x3f\x80\0\0"), false},
        {INIT("\xca\x3f\x80\0\0"), INIT("\xcb\x3f\xf0\0\0\0\0\0\0"), true},
        {INIT("\xc2"), INIT("\xc3"), false},
        {INIT("\xc0"), INIT("\xc2"), false},
        {INIT("\xa1"
              "x"),
         INIT("\xc4\x01"
              "x"),
         true},
        {INIT("\xa1"
              "x"),
         INIT("\xdb\0\0\0\x01"
              "x"),
         true},
        {INIT("\xa1"
              "x"),
         INIT("\xa1"
              "y"),
         false},
        {INIT("\xa1"
              "x"),
         INIT("\xa2"
              "xx"),
         false},
        {INIT("\xd4"
              "tx"),
         INIT("\xc7\x01"
              "tx"),
         true},
        {INIT("\xd4"
              "tx"),
         INIT("\xd4"
              "ux"),
         false},
        {INIT("\xd4"
              "tx"),
         INIT("\xa2"
              "tx"),
         false},
        {INIT("\x92\x01\x02"), INIT("\xdc\0\x02\x01\xcc\x02"), true},
        {INIT("\x92\x01\x02"), INIT("\x92\x02\x01"), false},
        {INIT("\x92\x01\x02"), INIT("\x81\x01\x02"), false},
        {INIT("\x82\x01\x02\x03\x04"), INIT("\xde\0\x02\x01\x02\x03\x04"), true},
        {INIT("\x82\x01\x02\x03\x04"), INIT("\x82\x03\x04\x01\x02"), false},
        {INIT("\x92\x91\x01\x02"), INIT("\x92\x91\x01\x91"), false},
        {INIT("\x91\x92\x01\x02"), INIT("\x92\x91\x01\x02"), false},
        {INIT("\x90"), INIT("\x91\xc0"), false},
        {INIT("\x01"), INIT("\x01\x01"), false},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        assert_int_equal(mp_equal(rows[i].a, rows[i].b), rows[i].equal);
        assert_int_equal(mp_equal(rows[i].b, rows[i].a), rows[i].equal);
        assert_true(mp_equal(rows[i].a, rows[i].a) && mp_equal(rows[i].b, rows[i].b));
    }
    assert_true(mp_equal(BYTES_NONE, BYTES_NONE));
    assert_false(mp_equal(BYTES_NONE, LITERAL("\xc0")));
}

/* ---- UTF-8 ---- */

static bool utf8(struct bytes text)
{
    struct bytes copy = exact(text);
    bool valid = mp_utf8_valid(copy);
    release(copy);
    return valid;
}

static void utf8_examples(void **state)
{
    (void)state;
    static const struct bytes valid[] = {
        INIT(""),
        INIT("plain text of more than eight bytes"),
        INIT("a\0b"),
        INIT("\x7f"),
        INIT("\xc2\x80"),         /* U+0080 */
        INIT("\xdf\xbf"),         /* U+07FF */
        INIT("\xe0\xa0\x80"),     /* U+0800 */
        INIT("\xed\x9f\xbf"),     /* U+D7FF */
        INIT("\xee\x80\x80"),     /* U+E000 */
        INIT("\xef\xbf\xbf"),     /* U+FFFF */
        INIT("\xf0\x90\x80\x80"), /* U+10000 */
        INIT("\xf4\x8f\xbf\xbf"), /* U+10FFFF */
        INIT("12345678\xc3\xa9"
             "12345678"),
    };
    static const struct bytes invalid[] = {
        INIT("\x80"), /* continuation alone */
        INIT("\xbf"),
        INIT("\xc0\x80"), /* over-long */
        INIT("\xc1\xbf"),
        INIT("\xe0\x9f\xbf"),
        INIT("\xf0\x8f\xbf\xbf"),
        INIT("\xed\xa0\x80"), /* surrogates */
        INIT("\xed\xbf\xbf"),
        INIT("\xf4\x90\x80\x80"), /* above U+10FFFF */
        INIT("\xf5\x80\x80\x80"),
        INIT("\xff"),
        INIT("\xfe"),
        INIT("\xc3"), /* cut */
        INIT("\xe2\x82"),
        INIT("\xe2"),
        INIT("\xf0\x9f\x98"),
        INIT("\xf0\x9f"),
        INIT("\xc3("), /* broken off */
        INIT("\xe2(\xa1"),
        INIT("\xe2\x82("),
        INIT("\xf0\x9f\x98("),
        INIT("12345678\xff"),
        INIT("1234567\x80"
             "12345678"),
    };
    for (size_t i = 0; i < LENGTH_OF(valid); i++)
        assert_true(utf8(valid[i]));
    for (size_t i = 0; i < LENGTH_OF(invalid); i++)
        assert_false(utf8(invalid[i]));
}

/* Code points as the Unicode standard lists them: all, and nothing else of up to three bytes. */
static size_t utf8_encode(uint32_t point, uint8_t out[4])
{
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t first[5] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(first[n] | point);
    return n;
}

static void utf8_all_points(void **state)
{
    (void)state;
    uint8_t text[4];
    for (uint32_t point = 0; point < 0x120000; point++) {
        bool valid = point < 0x110000 && (point < 0xd800 || point > 0xdfff);
        size_t n = utf8_encode(point, text);
        assert_int_equal(mp_utf8_valid((struct bytes){text, n}), valid);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bytes),     cmocka_unit_test(numbers),
        cmocka_unit_test(other_scalars),   cmocka_unit_test(bodies),
        cmocka_unit_test(bytes_only),      cmocka_unit_test(announced),
        cmocka_unit_test(nesting),         cmocka_unit_test(nesting_of_siblings),
        cmocka_unit_test(reserved),        cmocka_unit_test(random_values),
        cmocka_unit_test(equality),        cmocka_unit_test(utf8_examples),
        cmocka_unit_test(utf8_all_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
