/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the MessagePack reader against msgpack-c: for the same bytes both say "complete", "cut" or
 * "wrong", consume the same size and read the same scalars. The verdict on the whole is also that
 * of any pieces, and of every way to read (mp_scan, mp_skip, mp_read).
 *
 * msgpack-c reserves memory for announced counts at once, and takes an ext 32 of 2^32-1 bytes for
 * an empty one; such inputs are only given to our side.
 */
#include "common/check.h"
#include "common/err.h"
#include "common/rng.h"
#include "proto/mp.h"

#include <msgpack.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT_MAX = 4096 }; /* elements that msgpack-c may be asked to reserve */

/* A copy that ends where its memory ends. */
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* May msgpack-c see this? Only looks at elements before the first that is cut or wrong. */
static bool modest(struct bytes input)
{
    struct mp_reader reader = mp_reader_of(input);
    struct mp mp;
    while (mp_read(&reader, &mp) == 0)
        if ((mp.kind == MP_ARRAY || mp.kind == MP_MAP) && mp.count > COUNT_MAX)
            return false;
    return reader.end - reader.at < 5 || reader.at[0] != 0xc9 ||
           memcmp(reader.at + 1, "\xff\xff\xff\xff", 4) != 0;
}

static void compare(struct mp_reader *reader, const msgpack_object *object);

static void compare_bytes(const struct mp *mp, enum mp_kind kind, const char *data, size_t size)
{
    REQUIRE(mp->kind == kind && mp->bytes.size == size);
    REQUIRE(size == 0 || memcmp(mp->bytes.data, data, size) == 0);
}

static void compare_scalar(const struct mp *mp, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        REQUIRE(mp->kind == MP_NIL);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        REQUIRE(mp->kind == MP_BOOL && mp->boolean == object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        REQUIRE(mp->kind == MP_UINT && mp->uint == object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        REQUIRE(mp->kind == MP_SINT && mp->sint == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        REQUIRE(mp->kind == MP_FLOAT);
        REQUIRE(memcmp(&mp->real, &object->via.f64, sizeof mp->real) == 0);
        break;
    case MSGPACK_OBJECT_STR:
        compare_bytes(mp, MP_STR, object->via.str.ptr, object->via.str.size);
        break;
    case MSGPACK_OBJECT_BIN:
        compare_bytes(mp, MP_BIN, object->via.bin.ptr, object->via.bin.size);
        break;
    case MSGPACK_OBJECT_EXT:
        REQUIRE(mp->kind == MP_EXT && mp->bytes.size == (size_t)object->via.ext.size + 1);
        REQUIRE((int8_t)mp->bytes.data[0] == object->via.ext.type);
        REQUIRE(memcmp(mp->bytes.data + 1, object->via.ext.ptr, object->via.ext.size) == 0);
        break;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        REQUIRE(false);
    }
}

/* Read one value and hold it against the object; containers recurse at most MP_DEPTH_MAX times. */
static void compare(struct mp_reader *reader, const msgpack_object *object)
{
    struct mp mp = {.kind = MP_NIL};
    REQUIRE(mp_read(reader, &mp) == 0);
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        REQUIRE(mp.kind == MP_ARRAY && mp.count == object->via.array.size);
        for (uint32_t i = 0; i < mp.count; i++)
            compare(reader, &object->via.array.ptr[i]);
    } else if (object->type == MSGPACK_OBJECT_MAP) {
        REQUIRE(mp.kind == MP_MAP && mp.count == object->via.map.size);
        for (uint32_t i = 0; i < mp.count; i++) {
            compare(reader, &object->via.map.ptr[i].key);
            compare(reader, &object->via.map.ptr[i].val);
        }
    } else {
        compare_scalar(&mp, object);
    }
}

static void check_against_library(struct bytes input, int err, size_t position)
{
    msgpack_unpacked unpacked;
    size_t offset = 0;
    if (!modest(input))
        return;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return result =
        msgpack_unpack_next(&unpacked, (const char *)input.data, input.size, &offset);
    switch (result) {
    case MSGPACK_UNPACK_SUCCESS:
    case MSGPACK_UNPACK_EXTRA_BYTES: {
        struct mp_reader reader = mp_reader_of(input);
        REQUIRE(err == 0 && position == offset);
        compare(&reader, &unpacked.data);
        REQUIRE((size_t)(reader.at - input.data) == offset);
        break;
    }
    case MSGPACK_UNPACK_CONTINUE:
        REQUIRE(err == MP_MORE);
        break;
    case MSGPACK_UNPACK_PARSE_ERROR:
        REQUIRE(err == ERR_BAD_REQUEST);
        break;
    case MSGPACK_UNPACK_NOMEM_ERROR: /* its depth limit is ours */
        REQUIRE(err == ERR_LIMIT_EXCEEDED);
        break;
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* The same in pieces, each in memory of its own that ends with it. */
static void check_pieces(struct bytes input, int expected, size_t position, struct rng *rng)
{
    struct mp_scan scan = {0};
    size_t end = 0, need = 0;
    int err = MP_MORE;
    while (err == MP_MORE && end < input.size) {
        end += 1 + (size_t)rng_below(rng, rng_below(rng, 4) == 0 ? input.size : 8);
        end = end < input.size ? end : input.size;
        uint8_t *piece = copy_of(input.data, end);
        err = mp_scan(&scan, piece, end, MP_DEPTH_MAX, &need);
        REQUIRE(err != MP_MORE || need > end);
        REQUIRE(err != MP_MORE || expected != 0 || need <= position); /* a true lower bound */
        free(piece);
    }
    REQUIRE(err == expected);
    REQUIRE(scan.position == position);
}

static void check_skip(struct bytes input, int expected, size_t position)
{
    struct mp_reader reader = mp_reader_of(input);
    struct bytes body;
    bool text;
    REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == expected);
    REQUIRE(reader.at == input.data + (expected == 0 ? position : 0));
    if (expected == 0)
        REQUIRE(
            mp_equal((struct bytes){input.data, position}, (struct bytes){input.data, position}));
    reader = mp_reader_of(input);
    if (mp_read_bytes(&reader, &body, &text) == 0)
        REQUIRE(expected == 0 && reader.at == body.data + body.size);
    (void)mp_utf8_valid(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = copy_of(data, size);
    struct bytes input = {copy, size};
    struct rng rng = {size};
    struct mp_scan scan = {0};
    size_t need = 0;
    for (size_t i = 0; i < size; i++)
        rng.state = rng.state * 31 + data[i];
    int err = mp_scan(&scan, input.data, input.size, MP_DEPTH_MAX, &need);
    REQUIRE(err != MP_MORE || need > size);
    REQUIRE(scan.position <= size);
    if (size > 0) {
        check_pieces(input, err, scan.position, &rng);
        check_skip(input, err, scan.position);
        check_against_library(input, err, scan.position);
    }
    free(copy);
    return 0;
}
