/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Is this answer what the oracle expects?
 *
 * Answers are compared element by element, so that the length of an encoding does not matter; str
 * and bin differ.
 *
 * Threads: pure functions. Failures: an answer that has not the form of its operation aborts.
 */
#include "tests/model/compare.h"

#include "common/check.h"
#include "common/err.h"
#include "proto/mp.h"

#define OK(result) REQUIRE((result) == 0)

static bool same_element(const struct mp *a, const struct mp *b)
{
    if (a->kind != b->kind || a->count != b->count)
        return false;
    switch (a->kind) {
    case MP_BOOL:
        return a->boolean == b->boolean;
    case MP_UINT:
    case MP_SINT:
        return a->uint == b->uint;
    case MP_FLOAT:
        return memcmp(&a->real, &b->real, sizeof a->real) == 0;
    case MP_STR:
    case MP_BIN:
    case MP_EXT:
        return bytes_equal(a->bytes, b->bytes);
    case MP_NIL:
    case MP_ARRAY:
    case MP_MAP:
        return true;
    }
    return false;
}

/* Equal element by element, whatever the encoding of lengths; str and bin differ. */
bool value_same(struct bytes want, struct bytes got)
{
    struct mp_reader a = mp_reader_of(want), b = mp_reader_of(got);
    struct mp x = {0}, y = {0};
    while (!mp_at_end(&a) && !mp_at_end(&b)) {
        x.count = y.count = 0;
        if (mp_read(&a, &x) != 0 || mp_read(&b, &y) != 0)
            return false;
        if (x.kind != MP_ARRAY && x.kind != MP_MAP)
            x.count = y.count = 0;
        if (!same_element(&x, &y))
            return false;
    }
    return mp_at_end(&a) && mp_at_end(&b);
}

static struct bytes take_value(struct mp_reader *reader)
{
    const uint8_t *start = reader->at;
    OK(mp_skip(reader, MP_DEPTH_MAX));
    return (struct bytes){start, (size_t)(reader->at - start)};
}

static struct mp take(struct mp_reader *reader)
{
    struct mp mp = {0};
    OK(mp_read(reader, &mp));
    return mp;
}

/* What an error says: {code, message, retryable, data: nil or {actual, index}}. */
struct error_seen {
    struct bytes code;
    bool has_actual;
    uint64_t actual;
    int index;
};

static struct error_seen error_of(struct bytes encoded)
{
    struct mp_reader reader = mp_reader_of(encoded);
    struct error_seen seen = {.index = -1};
    struct mp map = take(&reader);
    REQUIRE(map.kind == MP_MAP && map.count == 4);
    (void)take(&reader);
    seen.code = take(&reader).bytes;
    for (unsigned i = 0; i < 5; i++)
        (void)take(&reader);
    struct mp data = take(&reader);
    for (uint32_t i = 0; data.kind == MP_MAP && i < data.count; i++) {
        bool actual = bytes_equal(take(&reader).bytes, bytes_of("actual"));
        uint64_t number = take(&reader).uint;
        seen.has_actual = seen.has_actual || actual;
        if (actual)
            seen.actual = number;
        else
            seen.index = (int)number;
    }
    return seen;
}

bool error_is(struct bytes encoded, int err)
{
    return encoded.data[0] != 0xc0 && bytes_equal(error_of(encoded).code, bytes_of(err_name(err)));
}

static bool same_error(const struct expect *want, struct bytes got)
{
    struct error_seen seen = error_of(got);
    if (!bytes_equal(seen.code, bytes_of(err_name(want->err))))
        return false;
    if (want->err == ERR_OUT_OF_MEMORY)
        return true; /* wherever it was */
    if (seen.index != want->index)
        return false;
    return want->err != ERR_CONFLICT || (seen.has_actual && seen.actual == want->actual);
}

/* {items, cursor} */
static bool same_page(const struct expect *want, struct bytes got)
{
    struct mp_reader reader = mp_reader_of(got);
    REQUIRE(take(&reader).count == 2);
    REQUIRE(bytes_equal(take(&reader).bytes, bytes_of("items")));
    struct mp_reader items = mp_reader_of(take_value(&reader));
    (void)take(&items);
    if (!value_same(buf_bytes(&want->result),
                    (struct bytes){items.at, (size_t)(items.end - items.at)}))
        return false;
    REQUIRE(bytes_equal(take(&reader).bytes, bytes_of("cursor")));
    struct mp cursor = take(&reader);
    if (cursor.kind == MP_NIL)
        return !want->cursor_must;
    return want->cursor_may && bytes_equal(cursor.bytes, buf_bytes(&want->cursor));
}

uint32_t walk_page(struct bytes result, struct bytes *out_items, uint64_t *out_cursor)
{
    struct mp_reader reader = mp_reader_of(result);
    REQUIRE(take(&reader).count == 2);
    REQUIRE(bytes_equal(take(&reader).bytes, bytes_of("items")));
    struct mp_reader items = mp_reader_of(take_value(&reader));
    struct mp list = take(&items);
    *out_items = (struct bytes){items.at, (size_t)(items.end - items.at)};
    REQUIRE(bytes_equal(take(&reader).bytes, bytes_of("cursor")));
    struct mp cursor = take(&reader);
    REQUIRE(list.kind == MP_ARRAY && cursor.kind == MP_UINT && cursor.uint < (uint64_t)1 << 53);
    *out_cursor = cursor.uint;
    return list.count;
}

static bool has_item(struct bytes items, struct bytes item)
{
    struct mp_reader reader = mp_reader_of(items);
    while (!mp_at_end(&reader))
        if (value_same(take_value(&reader), item))
            return true;
    return false;
}

/* Not more than was asked for, and nothing that is not there. */
static bool same_walk(const struct expect *want, struct bytes got)
{
    struct bytes items;
    uint64_t cursor;
    uint32_t count = walk_page(got, &items, &cursor);
    struct mp_reader reader = mp_reader_of(items);
    for (uint32_t i = 0; i < count; i++)
        if (!has_item(buf_bytes(&want->result), take_value(&reader)))
            return false;
    return count <= want->high && mp_at_end(&reader);
}

/* [[error, result]...], where the oracle wrote codes for errors. */
static bool same_batch(struct bytes want, struct bytes got)
{
    struct mp_reader a = mp_reader_of(want), b = mp_reader_of(got);
    struct mp list = take(&a);
    if (list.count != take(&b).count)
        return false;
    for (uint32_t i = 0; i < list.count; i++) {
        REQUIRE(take(&a).count == 2 && take(&b).count == 2);
        struct bytes x = take_value(&a), y = take_value(&b);
        struct mp_reader code = mp_reader_of(x);
        bool equal = x.data[0] == 0xc0
                         ? value_same(x, y)
                         : y.data[0] != 0xc0 && bytes_equal(error_of(y).code, take(&code).bytes);
        if (!equal || !value_same(take_value(&a), take_value(&b)))
            return false;
    }
    return true;
}

bool reply_same(const struct call *c, const struct expect *want, const struct rpc_response *got)
{
    if (want->err != 0)
        return got->error.data[0] != 0xc0 && same_error(want, got->error);
    if (got->error.data[0] != 0xc0)
        return false;
    if (want->walk)
        return same_walk(want, got->result);
    if (want->page)
        return same_page(want, got->result);
    if (want->range) {
        struct mp_reader reader = mp_reader_of(got->result);
        struct mp mp = take(&reader);
        return mp.kind == MP_UINT && mp.uint >= want->low && mp.uint <= want->high;
    }
    if (c->op == OP_batch)
        return same_batch(buf_bytes(&want->result), got->result);
    return value_same(buf_bytes(&want->result), got->result);
}
