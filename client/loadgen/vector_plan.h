/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the options say about vectors: the collection, what is in it, how it is searched.
 */
#pragma once

#include "client/loadgen/options.h"
#include "client/loadgen/vector_oracle.h"
#include "client/loadgen/vector_set.h"

struct vector_plan {
    bool used;               /* some test is about vectors */
    struct vector_spec spec; /* as asked for; what there is stands in the set */
    const char *collection, *index, *quantization, *key_prefix;
    uint64_t m, ef_construction;
    uint64_t k;
    uint64_t ef;    /* 0: the server's own choice */
    uint64_t batch; /* vectors of upsert_many, queries of search_many */
    bool exact;
    bool recall;                        /* is to be known */
    uint64_t sample;                    /* of so many queries; 0: of all */
    uint64_t patience_ns;               /* how long an index may be built */
    const struct vector_set *set;       /* NULL until made */
    const struct vector_oracle *oracle; /* NULL: the recall is not to be known, or not yet */
};

enum { VECTOR_EFS_MAX = 32 };

/* Operating points, --ef. */
struct vector_efs {
    uint64_t ef[VECTOR_EFS_MAX];
    size_t n;
};

/* Read the options; `used` is left false. 0, or ERR_BAD_ARGUMENT with a sentence. */
MUST_USE int vector_plan_make(const struct options *options, struct vector_plan *out,
                              char out_detail[static VECTOR_DETAIL_SIZE]);

/* The values of --ef, at least one. False: it is no list of numbers. */
MUST_USE bool vector_efs_parse(const char *text, struct vector_efs *out);

/* Does this recall, and with it the oracle, belong to a plan? The mode of --recall. */
MUST_USE bool vector_recall_parse(const char *text, bool *out_recall, uint64_t *out_sample);

/* Vectors of the next batch of a load, the last being smaller. */
static inline uint64_t vector_batch_size(uint64_t n, uint64_t batch, uint64_t first)
{
    return n - first < batch ? n - first : batch;
}
