/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the handlers of vec.* share: collections in a transaction, keys of their vectors, vectors as
 * they come and as they are replied.
 *
 *   vec_open       lock the partition of the collection, read its record
 *   vec_key        where a vector of it is
 *   vec_take       a vector of a request as floats
 *   vec_walk_...   its vectors in the order of their keys, a slice under the lock at a time
 *
 * A collection that is not there is NOT_FOUND, but for vec.info (nil), vec.drop (false), vec.list.
 */
#pragma once

#include "proto/filter.h"
#include "server/ops/ops.h"
#include "server/store/group.h"
#include "server/store/vindex.h"

enum {
    VEC_OVERHEAD = 192, /* memory of a record besides its bytes, roughly */
    VEC_RECORD_KEY_MAX = GROUP_PREFIX_MAX + VEC_KEY_MAX,
};

struct vec {
    struct op_ctx *ctx;
    struct record_key key; /* kind collection; the bytes are the caller's */
    uint64_t hash;
    const struct record *record; /* NULL: there is none */
    struct vec_collection collection;
    struct group group;
    uint8_t prefix[GROUP_PREFIX_MAX];
    size_t prefix_size;
};

/* Lock the partition of this collection and read it. 0 (->record is NULL if there is none),
 * TXN_RETRY, or an error. */
MUST_USE int vec_open(struct op_ctx *ctx, struct bytes name, struct vec *out);
/* The same, and NOT_FOUND if there is none. */
MUST_USE int vec_open_existing(struct op_ctx *ctx, struct bytes name, struct vec *out);
/* What vec_open_existing says then. */
int vec_absent(struct op_ctx *ctx);
/* The same of a partition that is locked. */
MUST_USE int vec_read(struct op_ctx *ctx, struct bytes name, struct vec *out);

/* What a collection is to be, of which what was not given takes what it has by default. */
struct vec_creation {
    bool wanted; /* vec.upsert: make it if it is not there */
    struct vec_config config;
    bool metric_given, index_given, m_given, ef_construction_given, quantization_given;
};

/* Read the options of vec.create. 0, BAD_ARGUMENT or LIMIT_EXCEEDED. */
MUST_USE int vec_creation_read(struct op_ctx *ctx, const struct args_vec_create *a,
                               struct vec_creation *out);
/* It is there: is it what was given, but for the dimension? 0 or ALREADY_EXISTS. */
MUST_USE int vec_creation_compare(const struct vec *v, const struct vec_creation *creation);
/* It is not, and there is room for it (vec_admit): plan to make it. *v can then be written to. */
MUST_USE int vec_creation_plan(struct vec *v, const struct vec_creation *creation, bool text);

/* Plan to delete it, and with it, at the commit, all that is in it. */
MUST_USE int vec_plan_drop(struct vec *v);

/* A write adds so many bytes: is there room? Reads the collection again. An atomic batch has made
 * room for all of its calls (batch_admit_vectors). */
MUST_USE int vec_admit(struct vec *v, uint64_t need);

/* Memory that writing a vector of such a collection may take besides what is in the request. */
size_t vec_row_bytes(const struct vec_config *config);

/* Its partition, and its index with a reference; ERR_INTERNAL if there is none. */
const struct partition *vec_partition(const struct vec *v);
MUST_USE int vec_index(const struct vec *v, struct vindex **out_vindex);

/* Vectors in it, in logarithmic time. */
uint64_t vec_count(const struct vec *v);
/* How many records stand before them in the order of the partition. */
uint64_t vec_rank(const struct vec *v);

/* What is wrong with an argument, or, if index >= 0, with an element of it; returns err. */
int vec_wrong(struct op_ctx *ctx, int err, const char *arg, long index, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* ---- keys ---- */

struct vec_key {
    struct record_key key; /* of `bytes` */
    uint64_t hash;
    uint8_t bytes[VEC_RECORD_KEY_MAX];
};

/* The name of a collection; a key: at most VEC_NAME_MAX, VEC_KEY_MAX bytes, else an error. */
MUST_USE int vec_check_name(struct op_ctx *ctx, struct bytes name);
MUST_USE int vec_check_key(struct op_ctx *ctx, struct bytes key, const char *arg, long index);

/* The key of a record; and back. */
void vec_key(const struct vec *v, struct bytes key, struct vec_key *out);
struct bytes vec_key_of(const struct record *record);

const struct record *vec_find(struct vec *v, struct bytes key, struct vec_key *out_key);

/* ---- vectors ---- */

struct vec_input {
    const void *elements; /* of any alignment */
    uint32_t dim;
    enum vec_form form;
};

/* Read an encoded vector. An array is written to `room`, for ROWS_DIM_MAX. 0 or an error. */
MUST_USE int vec_take(struct op_ctx *ctx, struct bytes encoded, const char *arg, long index,
                      float *room, struct vec_input *out);

/* Does it suit the collection? 0 or BAD_ARGUMENT. */
MUST_USE int vec_suits(const struct vec *v, const void *elements, uint32_t dim, const char *arg,
                       long index);

/* As it came. */
void vec_reply_vector(struct reply *reply, const struct vec_vector *vector);
void vec_reply_metadata(struct reply *reply, const struct vec_vector *vector);
/* {key, vector, metadata, version}. */
void vec_reply_record(struct reply *reply, const struct record *record, bool with_vector);

/* Compile a filter into *out, for the caller to mem_free; NULL if there is none. It views the
 * bytes. */
MUST_USE int vec_filter(struct bytes encoded, struct problem *problem, struct filter **out);

static inline bool vec_is_set(const struct arg *arg)
{
    return arg->present && arg->boolean;
}

static inline struct bytes vec_bytes(const struct arg *arg)
{
    return arg->present ? arg->bytes : BYTES_NONE;
}

/* ---- walking ---- */

enum { VEC_WALK_SLICE = 256 };

struct vec_walk {
    struct bytes name, prefix;   /* the caller's, */
    struct bytes to;             /* too: only keys < this; none: no bound */
    const struct filter *filter; /* NULL: all */
    uint64_t generation;         /* 0: not begun */
    bool ended;                  /* there are no more */
    size_t at_size;
    uint8_t at[VEC_KEY_MAX + 1]; /* keys from here on */
};

/* What is walked. Those not given are none. */
struct vec_range {
    struct bytes prefix, from, to; /* to: none or empty: no bound */
    struct bytes behind;           /* begin behind this key */
};

void vec_walk_init(struct vec_walk *walk, struct bytes name, const struct vec_range *range,
                   const struct filter *filter);

/* Called for each that matches, under the lock; false: not any more. */
typedef bool (*vec_visit_fn)(void *context, const struct record *record);

/* Look at up to VEC_WALK_SLICE vectors. *out_more: visit has not said no, and there are more. 0,
 * TXN_RETRY, or an error: NOT_FOUND if the collection is gone. */
MUST_USE int vec_walk_slice(struct vec_walk *walk, struct op_ctx *ctx, vec_visit_fn visit,
                            void *context, bool *out_more);
