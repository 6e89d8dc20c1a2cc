/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes vectors into requests.
 *
 * How: one row for each word: how large it can be, and how it is written.
 *
 * Invariants: nothing is allocated: the caller has made room, which vector_word_bytes bounds.
 * Threads: any; what is read is constant. Failures: none.
 */
#include "client/loadgen/vector_words.h"

#include "client/loadgen/frame.h"
#include "common/num.h"
#include "proto/pack.h"

#include <string.h>

enum {
    WORD_HEAD = 5,      /* what tells the length of anything, at most */
    WORD_METADATA = 16, /* {"u": a number} */
    WORD_OPTIONS = 128, /* k, ef, filter and the like */
};

/* What is to be written. */
struct word_place {
    const struct vector_plan *plan;
    uint64_t key, index;
};

/* Room was made for all of it. */
static void word_room(int err)
{
    REQUIRE(err == 0);
}

static void word_name(struct buf *out, const char *name)
{
    word_room(pack_str(out, bytes_of(name)));
}

static void word_floats(const float *vector, size_t dim, struct buf *out)
{
    word_room(pack_bin(out, (struct bytes){(const uint8_t *)vector, dim * sizeof *vector}));
}

static void word_metadata(const struct word_place *at, struct buf *out)
{
    word_room(pack_map(out, 1));
    word_name(out, "u");
    word_room(pack_real(out, vector_uniform(at->plan->set, at->key)));
}

static void word_collection(const struct word_place *at, struct buf *out)
{
    word_name(out, at->plan->collection);
}

static void word_vector(const struct word_place *at, struct buf *out)
{
    word_floats(vector_row(at->plan->set, at->key), at->plan->set->spec.dim, out);
}

/* The text of a key: its prefix and digits. */
static void word_key(const struct vector_plan *plan, uint64_t key, struct buf *out)
{
    size_t prefix = strlen(plan->key_prefix);
    uint8_t text[256];
    REQUIRE(prefix + VECTOR_KEY_DIGITS <= sizeof text);
    memcpy(text, plan->key_prefix, prefix);
    frame_put_digits(text + prefix, key);
    word_room(pack_str(out, (struct bytes){text, prefix + VECTOR_KEY_DIGITS}));
}

static void word_entries(const struct word_place *at, struct buf *out)
{
    uint64_t n = at->plan->set->spec.n, blocks = (n + at->plan->batch - 1) / at->plan->batch;
    uint64_t first = at->index % blocks * at->plan->batch;
    uint64_t count = vector_batch_size(n, at->plan->batch, first);
    word_room(pack_array(out, count));
    for (uint64_t i = 0; i < count; i++) {
        const struct word_place entry = {at->plan, first + i, at->index};
        word_room(pack_array(out, 3));
        word_key(at->plan, first + i, out);
        word_vector(&entry, out);
        word_metadata(&entry, out);
    }
}

static void word_query(const struct word_place *at, struct buf *out)
{
    word_floats(vector_query(at->plan->set, vector_first_query(at->plan, at->index, false)),
                at->plan->set->spec.dim, out);
}

static void word_queries(const struct word_place *at, struct buf *out)
{
    uint64_t first = vector_first_query(at->plan, at->index, true);
    word_room(pack_array(out, at->plan->batch));
    for (uint64_t i = 0; i < at->plan->batch; i++)
        word_floats(vector_query(at->plan->set, (first + i) % at->plan->set->spec.queries),
                    at->plan->set->spec.dim, out);
}

/* {"u": {"$lt": 0.1}} */
static void word_filter(double selectivity, struct buf *out)
{
    word_room(pack_map(out, 1));
    word_name(out, "u");
    word_room(pack_map(out, 1));
    word_name(out, "$lt");
    word_room(pack_real(out, selectivity));
}

/* The options of a search behind `begun` others. */
static void word_options(const struct vector_plan *plan, size_t begun, struct buf *out)
{
    bool filter = plan->set->spec.selectivity < 1;
    word_room(pack_map(out, begun + 1 + (plan->ef > 0) + filter + plan->exact));
    word_name(out, "k");
    word_room(pack_uint(out, plan->k));
    if (plan->ef > 0) {
        word_name(out, "ef");
        word_room(pack_uint(out, plan->ef));
    }
    if (plan->exact) {
        word_name(out, "exact");
        word_room(pack_bool(out, true));
    }
    if (filter) {
        word_name(out, "filter");
        word_filter(plan->set->spec.selectivity, out);
    }
}

static void word_search(const struct word_place *at, struct buf *out)
{
    word_options(at->plan, 1, out);
    word_name(out, "vector");
    word_query(at, out);
}

static void word_narrow(const struct word_place *at, struct buf *out)
{
    word_options(at->plan, 0, out);
}

static size_t word_vector_bytes(const struct vector_plan *plan)
{
    return WORD_HEAD + plan->set->spec.dim * sizeof(float);
}

static const struct word {
    const char *text;
    void (*put)(const struct word_place *at, struct buf *out);
} words[VECTOR_WORDS] = {
    [VECTOR_WORD_COLLECTION] = {"__collection__", word_collection},
    [VECTOR_WORD_VECTOR] = {"__vector__", word_vector},
    [VECTOR_WORD_METADATA] = {"__metadata__", word_metadata},
    [VECTOR_WORD_ENTRIES] = {"__entries__", word_entries},
    [VECTOR_WORD_QUERY] = {"__query__", word_query},
    [VECTOR_WORD_QUERIES] = {"__queries__", word_queries},
    [VECTOR_WORD_SEARCH] = {"__search__", word_search},
    [VECTOR_WORD_NARROW] = {"__narrow__", word_narrow},
};

bool vector_word_find(struct bytes word, enum vector_word *out)
{
    for (unsigned i = 0; i < VECTOR_WORDS; i++)
        if (bytes_equal(word, bytes_of(words[i].text))) {
            *out = (enum vector_word)i;
            return true;
        }
    return false;
}

size_t vector_word_bytes(const struct vector_plan *plan, enum vector_word word)
{
    size_t vector = word_vector_bytes(plan), key = strlen(plan->key_prefix) + VECTOR_KEY_DIGITS;
    switch (word) {
    case VECTOR_WORD_ENTRIES:
        return WORD_HEAD + plan->batch * (1 + WORD_HEAD + key + vector + WORD_METADATA);
    case VECTOR_WORD_QUERIES:
        return WORD_HEAD + plan->batch * vector;
    case VECTOR_WORD_COLLECTION:
        return WORD_HEAD + strlen(plan->collection);
    case VECTOR_WORD_METADATA:
        return WORD_METADATA;
    case VECTOR_WORD_VECTOR:
    case VECTOR_WORD_QUERY:
    case VECTOR_WORD_SEARCH:
    case VECTOR_WORD_NARROW:
    case VECTOR_WORDS:
        break;
    }
    return vector + WORD_OPTIONS;
}

void vector_word_put(const struct vector_plan *plan, enum vector_word word, uint64_t key,
                     uint64_t index, struct buf *out)
{
    const struct word_place at = {plan, key % plan->set->spec.n, index};
    words[word].put(&at, out);
}

uint64_t vector_first_query(const struct vector_plan *plan, uint64_t index, bool many)
{
    return index * (many ? plan->batch : 1) % plan->set->spec.queries;
}

bool vector_key_read(const struct vector_plan *plan, struct bytes key, uint64_t *out)
{
    size_t prefix = strlen(plan->key_prefix);
    if (key.size != prefix + VECTOR_KEY_DIGITS ||
        !bytes_start_with(key, bytes_of(plan->key_prefix)))
        return false;
    *out = 0;
    for (size_t i = prefix; i < key.size; i++) {
        if (key.data[i] < '0' || key.data[i] > '9')
            return false;
        *out = *out * 10 + (uint64_t)(key.data[i] - '0');
    }
    return *out < plan->set->spec.n;
}
