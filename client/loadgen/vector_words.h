/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Words of a request that stand for vectors and what belongs to them, in MessagePack-RPC:
 *
 *   __collection__   the name of --collection
 *   __vector__       the vector of the key before it, as bin of float32
 *   __metadata__     its metadata: {"u": a number that --filter-selectivity asks for}
 *   __entries__      an array of --batch [key, vector, metadata]
 *   __query__        a vector to search for, another one with each request
 *   __queries__      an array of --batch of them
 *   __search__       options of a search: {"vector", "k", "ef", "filter" ...}
 *   __narrow__       the same without a vector
 */
#pragma once

#include "client/loadgen/vector_plan.h"
#include "common/buf.h"

enum vector_word {
    VECTOR_WORD_COLLECTION,
    VECTOR_WORD_VECTOR,
    VECTOR_WORD_METADATA,
    VECTOR_WORD_ENTRIES,
    VECTOR_WORD_QUERY,
    VECTOR_WORD_QUERIES,
    VECTOR_WORD_SEARCH,
    VECTOR_WORD_NARROW,
    VECTOR_WORDS,
};

/* False: it is none of them. */
MUST_USE bool vector_word_find(struct bytes word, enum vector_word *out);

/* The most bytes one takes. */
size_t vector_word_bytes(const struct vector_plan *plan, enum vector_word word);

/* Append it to `out`, which has room. key: the number of the key before it; index: that of the
 * request. */
void vector_word_put(const struct vector_plan *plan, enum vector_word word, uint64_t key,
                     uint64_t index, struct buf *out);

/* The first query that request number `index` searches for; of a batch others follow, and after the
 * last the first. */
uint64_t vector_first_query(const struct vector_plan *plan, uint64_t index, bool many);

/* The text of a key, and the number in it; false: it is none of ours. */
enum { VECTOR_KEY_DIGITS = 12 };
MUST_USE bool vector_key_read(const struct vector_plan *plan, struct bytes key, uint64_t *out);
