/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From the results of vec.* to the replies of vector set commands.
 *
 *   vec.upsert   [7, true]                       BOOL         :1, in RESP3 #t
 *   vec.search   {items: [{key, score}...]...}   HITS_SCORES  key, score, ...; in RESP3 a map
 *
 * Scores of Redis are from 0 to 1: (1 + cosine) / 2.
 *
 * Invariants: as resp_reply.c has them: results are our own, so reading cannot fail.
 * Threads: pure functions.
 * Failures: memory, and a reply larger than limits.reply_bytes.
 */
#include "common/err.h"
#include "proto/json_out.h"
#include "proto/resp_impl.h"

#include <endian.h>

static struct mp vec_read(struct mp_reader *reader)
{
    struct mp mp;
    REQUIRE(mp_read(reader, &mp) == 0);
    return mp;
}

/* Step over what is left of a map and return its field, or nil. */
static struct mp_reader vec_field(struct mp_reader *map, const char *name)
{
    static const uint8_t nil[] = {0xc0};
    struct mp_reader found = {nil, nil + sizeof nil};
    struct mp mp = vec_read(map);
    for (uint32_t i = 0; mp.kind == MP_MAP && i < mp.count; i++) {
        struct mp key = vec_read(map);
        struct mp_reader value = *map;
        REQUIRE(mp_skip(map, MP_DEPTH_MAX) == 0);
        value.end = map->at;
        if (bytes_equal(key.bytes, bytes_of(name)))
            found = value;
    }
    return found;
}

static int64_t vec_number(struct mp_reader map, const char *name)
{
    struct mp_reader value = vec_field(&map, name);
    return vec_read(&value).sint;
}

/* ---- one thing ---- */

static int vec_bool(const struct resp_context *context, struct mp_reader *reader, struct buf *out)
{
    struct mp mp = vec_read(reader);
    for (uint32_t left = mp.kind == MP_ARRAY ? mp.count : 0; left > 0; left--) {
        struct mp_reader at = *reader;
        REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0);
        mp = vec_read(&at);
    }
    bool is = mp.kind == MP_BOOL   ? mp.boolean
              : mp.kind == MP_UINT ? mp.uint != 0
                                   : mp.kind != MP_NIL;
    return resp_put_bool(context, is, out);
}

static bool vec_is_nil(struct mp_reader reader)
{
    return vec_read(&reader).kind == MP_NIL;
}

static int vec_dim(struct mp_reader *reader, struct buf *out)
{
    if (vec_is_nil(*reader))
        return resp_put_error(out, "ERR key does not exist");
    return resp_put_int(out, vec_number(*reader, "dim"));
}

/* A word of vec.info. */
static struct bytes vec_word(struct mp_reader map, const char *name)
{
    struct mp_reader value = vec_field(&map, name);
    return vec_read(&value).bytes;
}

static int vinfo_number(struct buf *out, const char *name, int64_t number)
{
    int err = resp_put_text(out, name);
    return err != 0 ? err : resp_put_int(out, number);
}

static int vinfo_word(struct buf *out, const char *name, struct bytes word)
{
    int err = resp_put_text(out, name);
    return err != 0 ? err : resp_put_bulk(out, word);
}

static int vec_info(const struct resp_context *context, struct mp_reader map, struct buf *out)
{
    if (vec_is_nil(map))
        return resp_put_nil_array(out, context->version);
    struct bytes quantization = vec_word(map, "quantization");
    bool full = bytes_equal(quantization, bytes_of("none"));
    int err = resp_put_map(out, 10, context->version);
    (void)(err == 0 &&
           (err = vinfo_word(out, "quant-type", full ? bytes_of("f32") : quantization)) == 0 &&
           (err = vinfo_number(out, "hnsw-m", vec_number(map, "m"))) == 0 &&
           (err = vinfo_number(out, "vector-dim", vec_number(map, "dim"))) == 0 &&
           (err = vinfo_number(out, "projection-input-dim", 0)) == 0 &&
           (err = vinfo_number(out, "size", vec_number(map, "count"))) == 0 &&
           (err = vinfo_word(out, "metric", vec_word(map, "metric"))) == 0 &&
           (err = vinfo_word(out, "index", vec_word(map, "index"))) == 0 &&
           (err = vinfo_word(out, "state", vec_word(map, "state"))) == 0 &&
           (err = vinfo_number(out, "tail", vec_number(map, "tail"))) == 0 &&
           (err = vinfo_number(out, "bytes", vec_number(map, "bytes"))) == 0);
    return err;
}

/* ---- vectors ---- */

static int vec_floats(const struct resp_context *context, struct bytes floats, struct buf *out)
{
    size_t dim = floats.size / sizeof(float), start = out->size;
    int err = resp_put_array(out, dim);
    for (size_t i = 0; i < dim && err == 0; i++) {
        uint32_t bits;
        float element;
        memcpy(&bits, floats.data + i * sizeof bits, sizeof bits);
        bits = le32toh(bits);
        memcpy(&element, &bits, sizeof element);
        err = resp_put_real(context, (double)element, out);
        if (err == 0 && out->size - start > context->reply_bytes)
            err = ERR_LIMIT_EXCEEDED;
    }
    return err;
}

/* {key, vector, metadata, version}, or nil. */
static int vec_vector(const struct resp_context *context, struct mp_reader *reader, struct buf *out)
{
    if (vec_is_nil(*reader))
        return resp_put_nil(out, context->version);
    struct mp_reader vector = vec_field(reader, "vector"), elements = vector;
    struct mp mp = vec_read(&elements);
    return mp.kind == MP_BIN ? vec_floats(context, mp.bytes, out)
                             : resp_put_value(context, &vector, false, out);
}

/* ---- attributes ---- */

/* Metadata as JSON, or nil. */
static int vec_json(const struct resp_context *context, struct mp_reader metadata, struct buf *out)
{
    struct buf text = {0};
    if (vec_is_nil(metadata))
        return resp_put_nil(out, context->version);
    int err = json_out((struct bytes){metadata.at, (size_t)(metadata.end - metadata.at)}, 0, &text);
    if (err == 0)
        err = resp_put_bulk(out, buf_bytes(&text));
    buf_deinit(&text);
    return err;
}

/* [{key, metadata, version}] or [nil]. */
static int vec_attributes(const struct resp_context *context, struct mp_reader *reader,
                          struct buf *out)
{
    (void)vec_read(reader);
    return vec_json(context, vec_field(reader, "metadata"), out);
}

/* ---- members and links ---- */

/* [key] or []. */
static int vec_member(const struct resp_context *context, struct mp_reader *reader, struct buf *out)
{
    if (vec_read(reader).count == 0)
        return resp_put_nil(out, context->version);
    return resp_put_bulk(out, vec_read(reader).bytes);
}

/* [[key, score]...] of one level. */
static int vec_level(const struct resp_context *context, bool scores, struct mp_reader *reader,
                     struct buf *out)
{
    uint32_t count = vec_read(reader).count;
    int err = scores ? resp_put_map(out, count, context->version) : resp_put_array(out, count);
    for (uint32_t i = 0; i < count && err == 0; i++) {
        (void)vec_read(reader);
        struct bytes key = vec_read(reader).bytes;
        struct mp score = vec_read(reader);
        err = resp_put_bulk(out, key);
        if (err == 0 && scores)
            err = resp_put_real(context, (1 + score.real) / 2, out);
    }
    return err;
}

static int vec_links(const struct resp_context *context, bool scores, struct mp_reader *reader,
                     struct buf *out)
{
    struct mp levels = vec_read(reader);
    if (levels.kind == MP_NIL)
        return resp_put_nil(out, context->version);
    int err = resp_put_array(out, levels.count);
    for (uint32_t i = 0; i < levels.count && err == 0; i++)
        err = vec_level(context, scores, reader, out);
    return err;
}

/* ---- hits ---- */

static int vec_score(const struct resp_context *context, struct mp_reader hit, struct buf *out)
{
    struct mp_reader value = vec_field(&hit, "score");
    struct mp mp = vec_read(&value);
    return resp_put_real(context, (1 + mp.real) / 2, out);
}

/* What an item of a search is told with. */
struct vec_with {
    bool scores, attributes;
};

static int vec_hit(const struct resp_context *context, struct mp_reader hit, struct vec_with with,
                   struct buf *out)
{
    int err = resp_put_bulk(out, vec_word(hit, "key"));
    if (err == 0 && with.scores && with.attributes && context->version == 3)
        err = resp_put_array(out, 2); /* the value of the key in a map */
    if (err == 0 && with.scores)
        err = vec_score(context, hit, out);
    if (err == 0 && with.attributes)
        err = vec_json(context, vec_field(&hit, "metadata"), out);
    return err;
}

static int vec_hits(const struct resp_context *context, enum resp_shape shape,
                    struct mp_reader *reader, struct buf *out)
{
    bool both = shape == RESP_SHAPE_HITS_BOTH;
    struct vec_with with = {both || shape == RESP_SHAPE_HITS_SCORES,
                            both || shape == RESP_SHAPE_HITS_ATTRIBUTES};
    struct mp_reader items = vec_field(reader, "items");
    uint32_t count = vec_read(&items).count;
    size_t start = out->size;
    bool map = context->version == 3 && (with.scores || with.attributes);
    int err = map ? resp_put_map(out, count, context->version)
                  : resp_put_array(out, (size_t)count * (1u + with.scores + with.attributes));
    for (uint32_t i = 0; i < count && err == 0; i++) {
        err = vec_hit(context, items, with, out);
        REQUIRE(mp_skip(&items, MP_DEPTH_MAX) == 0);
        if (err == 0 && out->size - start > context->reply_bytes)
            err = ERR_LIMIT_EXCEEDED;
    }
    return err;
}

int resp_reply_vec(const struct resp_context *context, enum resp_shape shape,
                   struct mp_reader *reader, struct buf *out)
{
    if (shape == RESP_SHAPE_BOOL)
        return vec_bool(context, reader, out);
    if (shape == RESP_SHAPE_DIM)
        return vec_dim(reader, out);
    if (shape == RESP_SHAPE_VINFO)
        return vec_info(context, *reader, out);
    if (shape == RESP_SHAPE_VECTOR)
        return vec_vector(context, reader, out);
    if (shape == RESP_SHAPE_ATTRIBUTES)
        return vec_attributes(context, reader, out);
    if (shape == RESP_SHAPE_MEMBER)
        return vec_member(context, reader, out);
    if (shape == RESP_SHAPE_LINKS || shape == RESP_SHAPE_LINKS_SCORES)
        return vec_links(context, shape == RESP_SHAPE_LINKS_SCORES, reader, out);
    return vec_hits(context, shape, reader, out);
}

bool resp_reply_absent(const struct resp_context *context, enum resp_shape shape,
                       const struct problem *problem, struct buf *out, int *out_err)
{
    if (problem->inside)
        *out_err = resp_put_error(out, "ERR element not found in set");
    else if (shape == RESP_SHAPE_CARD)
        *out_err = resp_put_int(out, 0);
    else if (shape == RESP_SHAPE_BOOL)
        *out_err = resp_put_bool(context, false, out);
    else if (shape == RESP_SHAPE_VECTOR || shape == RESP_SHAPE_ATTRIBUTES ||
             shape == RESP_SHAPE_MEMBER || shape == RESP_SHAPE_LINKS ||
             shape == RESP_SHAPE_LINKS_SCORES)
        *out_err = resp_put_nil(out, context->version);
    else if (shape == RESP_SHAPE_VALUES || shape == RESP_SHAPE_HITS ||
             shape == RESP_SHAPE_HITS_SCORES || shape == RESP_SHAPE_HITS_ATTRIBUTES ||
             shape == RESP_SHAPE_HITS_BOTH)
        *out_err = resp_put_array(out, 0);
    else
        return false;
    return true;
}
