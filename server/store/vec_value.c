/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The values of the records of collections of vectors.
 *
 *   collection  | array of 4 | number u64 | generation u64 | bin: configuration | created ms |
 *   configuration  | dim u16 | m u16 | ef_construction u16 | metric u8 | index u8 | quant. u8 |
 *   vector      | slot u32 | dim u16 | form u8 | coded u8 | elements | metadata |
 *
 * Number and generation stand in their long forms (group_generation), all else in the shortest.
 * The configuration is little-endian.
 *
 * Invariants: what the check functions take, no reader can stumble over: lengths fit, enums are
 * ones we know, elements are finite, metadata is one whole map.
 *
 * Threads: any; pure. Failures: memory, in vec_write_vector.
 */
#include "server/store/vec_value.h"

#include "common/err.h"
#include "proto/mp.h"
#include "server/ds/hnsw.h"
#include "server/ds/rows_code.h"

#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdio.h>

const char *const vec_metric_names[METRIC_COUNT] = {"cosine", "l2", "dot"};
const char *const vec_index_names[VEC_INDEX_COUNT] = {"flat", "hnsw", "auto"};
const char *const vec_quantization_names[VEC_QUANTIZATION_COUNT] = {"none", "int8", "int8_only"};

static void put_u16(uint8_t *to, uint32_t value)
{
    uint16_t little = htole16((uint16_t)value);
    memcpy(to, &little, sizeof little);
}

static uint32_t get_u16(const uint8_t *from)
{
    uint16_t little;
    memcpy(&little, from, sizeof little);
    return le16toh(little);
}

/* ---- collections ---- */

enum { CONFIG_BYTES = 9, UINT64_HEAD = 0xcf, BIN8_HEAD = 0xc4, ARRAY_HEAD = 0x94 };

static uint8_t *collection_put_u64(uint8_t *to, uint64_t value)
{
    *to = UINT64_HEAD;
    value = htobe64(value);
    memcpy(to + 1, &value, sizeof value);
    return to + 1 + sizeof value;
}

size_t vec_write_collection(const struct vec_collection *collection,
                            uint8_t out[static VEC_COLLECTION_BYTES_MAX])
{
    const struct vec_config *config = &collection->config;
    uint8_t *at = out;
    *at++ = ARRAY_HEAD;
    at = collection_put_u64(at, collection->number);
    at = collection_put_u64(at, collection->generation);
    *at++ = BIN8_HEAD;
    *at++ = CONFIG_BYTES;
    put_u16(at, config->dim);
    put_u16(at + 2, config->m);
    put_u16(at + 4, config->ef_construction);
    at[6] = (uint8_t)config->metric;
    at[7] = (uint8_t)config->index;
    at[8] = (uint8_t)config->quantization;
    at = collection_put_u64(at + CONFIG_BYTES, (uint64_t)collection->created_at_ms);
    return (size_t)(at - out);
}

static bool collection_take_u64(struct mp_reader *reader, uint64_t *out)
{
    struct mp mp;
    if (mp_read(reader, &mp) != 0 || mp.kind != MP_UINT)
        return false;
    *out = mp.uint;
    return true;
}

static bool collection_take_config(struct mp_reader *reader, struct vec_config *out)
{
    struct mp mp;
    if (mp_read(reader, &mp) != 0 || mp.kind != MP_BIN || mp.bytes.size != CONFIG_BYTES)
        return false;
    const uint8_t *at = mp.bytes.data;
    if (at[6] >= METRIC_COUNT || at[7] >= VEC_INDEX_COUNT || at[8] >= VEC_QUANTIZATION_COUNT)
        return false;
    *out = (struct vec_config){.dim = get_u16(at),
                               .m = get_u16(at + 2),
                               .ef_construction = get_u16(at + 4),
                               .metric = (enum metric)at[6],
                               .index = (enum vec_index)at[7],
                               .quantization = (enum vec_quantization)at[8]};
    return out->dim >= 1 && out->dim <= ROWS_DIM_MAX && out->m >= HNSW_M_MIN &&
           out->m <= HNSW_M_MAX && out->ef_construction >= VEC_EF_CONSTRUCTION_MIN &&
           out->ef_construction <= VEC_EF_CONSTRUCTION_MAX;
}

bool vec_read_collection(struct bytes value, struct vec_collection *out_collection)
{
    struct mp_reader reader = mp_reader_of(value);
    struct vec_collection collection;
    uint64_t created;
    struct mp mp;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_ARRAY || mp.count != 4 ||
        !collection_take_u64(&reader, &collection.number) ||
        !collection_take_u64(&reader, &collection.generation) ||
        !collection_take_config(&reader, &collection.config) ||
        !collection_take_u64(&reader, &created) || created > INT64_MAX || !mp_at_end(&reader))
        return false;
    collection.created_at_ms = (int64_t)created;
    *out_collection = collection;
    return true;
}

/* ---- vectors ---- */

enum { AT_DIM = 4, AT_FORM = 6, AT_CODED = 7 }; /* the slot is record_count */

static size_t vector_stored_bytes(uint32_t dim, bool coded)
{
    return coded ? code_stored_bytes(dim) : dim * sizeof(float);
}

int vec_write_stored(struct buf *out, const struct vec_vector *vector)
{
    uint8_t head[VEC_HEAD_BYTES] = {0};
    int err = buf_reserve(out, sizeof head + vector->stored.size + vector->metadata.size);
    if (err != 0)
        return err;
    put_u16(head + AT_DIM, vector->dim);
    head[AT_FORM] = (uint8_t)vector->form;
    head[AT_CODED] = vector->coded;
    (void)((err = buf_append(out, head, sizeof head)) == 0 &&
           (err = buf_append(out, vector->stored.data, vector->stored.size)) == 0 &&
           (err = buf_append(out, vector->metadata.data, vector->metadata.size)) == 0);
    return err;
}

int vec_write_vector(struct buf *out, uint32_t dim, enum vec_form form, const void *elements,
                     struct bytes metadata)
{
    struct vec_vector vector = {dim, form, false, {elements, dim * sizeof(float)}, metadata};
    return vec_write_stored(out, &vector);
}

int vec_write_coded(struct buf *out, uint32_t dim, enum vec_form form, const void *elements,
                    struct bytes metadata)
{
    uint8_t stored[ROWS_CODE_HEAD + ROWS_DIM_MAX];
    struct vec_vector vector = {dim, form, true, {stored, code_stored_bytes(dim)}, metadata};
    REQUIRE(dim <= ROWS_DIM_MAX);
    code_store(elements, dim, stored);
    return vec_write_stored(out, &vector);
}

struct vec_vector vec_read_vector(struct bytes value)
{
    uint32_t dim = get_u16(value.data + AT_DIM);
    bool coded = value.data[AT_CODED] != 0;
    size_t size = vector_stored_bytes(dim, coded), head = VEC_HEAD_BYTES + size;
    return (struct vec_vector){.dim = dim,
                               .form = (enum vec_form)value.data[AT_FORM],
                               .coded = coded,
                               .stored = {value.data + VEC_HEAD_BYTES, size},
                               .metadata = {value.data + head, value.size - head}};
}

const void *vec_elements(const struct vec_vector *vector, float *room)
{
    if (!vector->coded)
        return vector->stored.data;
    code_load(vector->stored.data, vector->dim, room);
    return room;
}

static bool vector_metadata_sound(struct bytes metadata)
{
    struct mp_reader reader = mp_reader_of(metadata), head = reader;
    struct mp mp;
    return metadata.size == 0 || (mp_read(&head, &mp) == 0 && mp.kind == MP_MAP &&
                                  mp_skip(&reader, MP_DEPTH_MAX) == 0 && mp_at_end(&reader));
}

/* The sum of the squares, which is finite exactly if all elements are. */
static double vector_square(const void *elements, uint32_t dim)
{
    enum { LANES = 4 }; /* sums that do not wait for each other */
    const uint8_t *at = elements;
    double sums[LANES] = {0};
    float lane[LANES];
    uint32_t i = 0;
    for (; i + LANES <= dim; i += LANES) {
        memcpy(lane, at + i * sizeof(float), sizeof lane);
        for (unsigned k = 0; k < LANES; k++)
            sums[k] += (double)lane[k] * (double)lane[k];
    }
    for (; i < dim; i++) {
        memcpy(lane, at + i * sizeof(float), sizeof(float));
        sums[0] += (double)lane[0] * (double)lane[0];
    }
    return sums[0] + sums[1] + sums[2] + sums[3];
}

bool vec_check_vector(struct bytes value, struct vec_vector *out_vector)
{
    if (value.size < VEC_HEAD_BYTES)
        return false;
    uint32_t dim = get_u16(value.data + AT_DIM);
    if (dim < 1 || dim > ROWS_DIM_MAX || value.data[AT_FORM] >= VEC_FORM_COUNT ||
        value.data[AT_CODED] > 1 ||
        value.size < VEC_HEAD_BYTES + vector_stored_bytes(dim, value.data[AT_CODED] != 0))
        return false;
    struct vec_vector vector = vec_read_vector(value);
    const uint8_t *stored = vector.stored.data;
    if (vector.coded ? !code_check_stored(stored, dim) : !isfinite(vector_square(stored, dim)))
        return false;
    if (!vector_metadata_sound(vector.metadata))
        return false;
    *out_vector = vector;
    return true;
}

static uint32_t vector_first_odd(const void *elements, uint32_t dim)
{
    float element = 0;
    uint32_t i = 0;
    for (; i < dim; i++) {
        memcpy(&element, (const uint8_t *)elements + i * sizeof element, sizeof element);
        if (!isfinite(element))
            break;
    }
    return i;
}

bool vec_check_elements(enum metric metric, const void *elements, uint32_t dim,
                        char out_text[static VEC_TEXT_BYTES])
{
    /* With less than a quarter, neither sums of products nor squares of differences overflow in 32
     * bits; and what has no normal square has no length to divide by. */
    const double most = (double)FLT_MAX / 4, least = (double)FLT_MIN;
    double square = vector_square(elements, dim);
    if (!isfinite(square))
        (void)snprintf(out_text, VEC_TEXT_BYTES, "element %u is not a finite 32-bit float",
                       vector_first_odd(elements, dim));
    else if (square > most)
        (void)snprintf(out_text, VEC_TEXT_BYTES,
                       "the squares of the elements add up to more than %.2g", most);
    else if (metric == METRIC_COSINE && square == 0)
        (void)snprintf(out_text, VEC_TEXT_BYTES,
                       "all elements are zero, which has no direction for cosine");
    else if (metric == METRIC_COSINE && square < least)
        (void)snprintf(out_text, VEC_TEXT_BYTES,
                       "the squares of the elements add up to less than %.2g", least);
    else
        return true;
    return false;
}
