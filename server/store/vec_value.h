/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The values of the records of collections of vectors.
 *
 *   collection  name
 *               --> [number, generation, bin: configuration, created ms]
 *   vector      | group prefix | key |
 *               --> | slot u32 | dim u16 | form u8 | coded u8 | elements | metadata |
 *
 * Little-endian. The slot is where the row stands in the index of this process; on disk it means
 * nothing. It is written while others search, so only the index reads it (record_count). form:
 * whether the vector came as bin or as an array, and goes back so. coded: 0, dim floats; 1, a
 * stored code (rows_code.h) of 4 + dim bytes. metadata: a MessagePack map, or nothing.
 * docs/formats.md has them drawn.
 */
#pragma once

#include "common/buf.h"
#include "server/ds/rows.h"

enum vec_index { VEC_FLAT, VEC_HNSW, VEC_AUTO, VEC_INDEX_COUNT };
/* int8: codes beside the floats, in the index; int8_only: codes in their place, in the records. */
enum vec_quantization { VEC_NONE, VEC_INT8, VEC_INT8_ONLY, VEC_QUANTIZATION_COUNT };
enum vec_form { VEC_BIN, VEC_ARRAY, VEC_FORM_COUNT };

/* Words on the wire, in the order of the enums. */
extern const char *const vec_metric_names[METRIC_COUNT];
extern const char *const vec_index_names[VEC_INDEX_COUNT];
extern const char *const vec_quantization_names[VEC_QUANTIZATION_COUNT];

enum {
    VEC_HEAD_BYTES = 8,
    VEC_NAME_MAX = 255,            /* bytes of the name of a collection */
    VEC_KEY_MAX = 1024,            /* bytes of a key in it */
    VEC_AUTO_FROM = 10000,         /* auto: a graph from so many vectors on */
    VEC_COLLECTION_BYTES_MAX = 64, /* of the value of a collection */
    VEC_EF_CONSTRUCTION_MIN = 8,
    VEC_EF_CONSTRUCTION_MAX = 2000,
    VEC_TEXT_BYTES = 96, /* room for what vec_check_elements says */
};

struct vec_config {
    uint32_t dim; /* 1..ROWS_DIM_MAX */
    enum metric metric;
    enum vec_index index;
    enum vec_quantization quantization;
    uint32_t m, ef_construction;
};

struct vec_collection {
    uint64_t number, generation;
    struct vec_config config;
    int64_t created_at_ms;
};

/* Returns how many bytes it wrote. */
size_t vec_write_collection(const struct vec_collection *collection,
                            uint8_t out[static VEC_COLLECTION_BYTES_MAX]);
/* False: these bytes are none, or say what cannot be. */
bool vec_read_collection(struct bytes value, struct vec_collection *out_collection);

struct vec_vector {
    uint32_t dim;
    enum vec_form form;
    bool coded;
    struct bytes stored;   /* dim floats, or a stored code; of any alignment */
    struct bytes metadata; /* encoded map, or none */
};

/* Append the value of a vector, slot 0. `elements`: dim floats, of any alignment. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int vec_write_vector(struct buf *out, uint32_t dim, enum vec_form form,
                              const void *elements, struct bytes metadata);
/* The same as codes; and of a vector as it is. */
MUST_USE int vec_write_coded(struct buf *out, uint32_t dim, enum vec_form form,
                             const void *elements, struct bytes metadata);
MUST_USE int vec_write_stored(struct buf *out, const struct vec_vector *vector);

/* The elements, for which there is room if they have to be made of codes (dim floats); of any
 * alignment: to be read by kernels and memcpy only. */
const void *vec_elements(const struct vec_vector *vector, float *room);

/* Are its dim and coding those of the collection? */
static inline bool vec_belongs(const struct vec_config *config, const struct vec_vector *vector)
{
    return vector->dim == config->dim && vector->coded == (config->quantization == VEC_INT8_ONLY);
}
/* False: these bytes are none (elements not finite included). */
bool vec_check_vector(struct bytes value, struct vec_vector *out_vector);
/* The same of a value that was checked when it was made a record. */
struct vec_vector vec_read_vector(struct bytes value);

/* Can these elements (of any alignment) be searched by this metric? False: out_text says why not,
 * such as "element 3 is not a finite 32-bit float". What is fine can be multiplied and subtracted
 * in 32 bits without overflow. */
bool vec_check_elements(enum metric metric, const void *elements, uint32_t dim,
                        char out_text[static VEC_TEXT_BYTES]);
