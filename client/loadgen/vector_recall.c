/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keeps replies and looks at them.
 *
 *   kept: | query, 8 bytes | size, 4 bytes | result as it came | ...
 *
 * How: the result of vec.search is a map with items, each a map with a key, which is the number of
 * a vector; that of vec.search_many an array of such. How far a vector is from the query is worked
 * out from the vectors themselves: what the server says about scores is not looked at.
 *
 * Invariants: replies are data from outside: what cannot be read has found nothing.
 * Threads: kept by the thread they belong to, looked at when threads have ended. Failures: what
 * there is no room for is not kept.
 */
#include "client/loadgen/vector_recall.h"

#include "client/loadgen/vector_words.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/mp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_HEAD = sizeof(uint64_t) + sizeof(uint32_t),
    KEPT_RESULT = 128, /* of a result besides its items, at most */
    KEPT_ITEM = 40,    /* of an item besides its key, at most */
    KEPT_MAX = 512 * 1024 * 1024,
};

int vector_kept_prepare(struct vector_kept *kept, const struct vector_plan *plan, bool many)
{
    kept->bytes.size = 0;
    if (plan == NULL || plan->oracle == NULL)
        return 0;
    uint64_t item = strlen(plan->key_prefix) + VECTOR_KEY_DIGITS + KEPT_ITEM;
    uint64_t result = KEPT_HEAD + (many ? plan->batch : 1) * (KEPT_RESULT + plan->k * item);
    uint64_t requests = many ? plan->set->spec.queries / plan->batch + 1 : plan->oracle->n;
    uint64_t all = result * (requests < plan->oracle->n ? requests : plan->oracle->n);
    return buf_reserve(&kept->bytes, (size_t)(all < KEPT_MAX ? all : KEPT_MAX));
}

void vector_kept_deinit(struct vector_kept *kept)
{
    buf_deinit(&kept->bytes);
}

/* Does the oracle know a query of this request? */
static bool kept_matters(const struct vector_plan *plan, uint64_t first, bool many)
{
    for (uint64_t i = 0; i < (many ? plan->batch : 1); i++)
        if (vector_oracle_knows(plan->oracle, (first + i) % plan->set->spec.queries))
            return true;
    return false;
}

void vector_kept_add(struct vector_kept *kept, const struct vector_plan *plan, uint64_t index,
                     bool many, struct bytes result)
{
    uint64_t first = vector_first_query(plan, index, many);
    struct buf *to = &kept->bytes;
    uint32_t size = (uint32_t)result.size;
    bool again = index >= plan->set->spec.queries / (many ? plan->batch : 1);
    if (again || result.size > UINT32_MAX || !kept_matters(plan, first, many) ||
        to->capacity - to->size < KEPT_HEAD + result.size)
        return;
    memcpy(to->data + to->size, &first, sizeof first);
    memcpy(to->data + to->size + sizeof first, &size, sizeof size);
    memcpy(to->data + to->size + KEPT_HEAD, result.data, result.size);
    to->size += KEPT_HEAD + result.size;
}

/* ---- looking at them ---- */

struct scorer {
    const struct vector_plan *plan;
    struct vector_recall *recall;
    uint64_t *seen; /* vectors found by the present search */
    double *share;  /* of each search that was looked at */
    size_t room;    /* of share */
};

/* Move to the value of a key in a map. False: it has none. */
static bool score_find(struct mp_reader *reader, const char *name)
{
    struct mp head;
    struct bytes key;
    bool text;
    if (mp_read(reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(reader, &key, &text) != 0)
            return false;
        if (bytes_equal(key, bytes_of(name)))
            return true;
        if (mp_skip(reader, MP_DEPTH_MAX) != 0)
            return false;
    }
    return false;
}

/* Is an item one that should be found? It must be new among the `n` that were seen. */
static bool score_item(struct scorer *s, struct bytes key, uint64_t query, size_t n)
{
    const struct vector_set *set = s->plan->set;
    bool good = vector_key_read(s->plan, key, &s->seen[n]) && vector_matches(set, s->seen[n]);
    for (size_t i = 0; i < n && good; i++)
        good = s->seen[i] != s->seen[n];
    if (!good) {
        s->recall->wrong++;
        s->seen[n] = UINT64_MAX;
        return false;
    }
    return vector_oracle_counts(s->plan->oracle, query, vector_distance(set, query, s->seen[n]));
}

/* The items of a result: how many should be found; *out_n is how many there are. */
static uint64_t score_items(struct scorer *s, struct bytes result, uint64_t query, uint64_t *out_n)
{
    struct mp_reader reader = mp_reader_of(result);
    struct mp head;
    struct bytes key;
    bool text;
    uint64_t found = 0;
    *out_n = 0;
    if (!score_find(&reader, "items") || mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY)
        return 0;
    for (uint32_t i = 0; i < head.count && i < s->plan->k; i++) {
        struct mp_reader item = reader;
        if (!score_find(&item, "key") || mp_read_bytes(&item, &key, &text) != 0 ||
            mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return found;
        found += score_item(s, key, query, i);
        *out_n = i + 1;
    }
    return found;
}

static void score_result(struct scorer *s, struct bytes result, uint64_t query)
{
    struct vector_recall *recall = s->recall;
    uint64_t n = 0, expected = s->plan->oracle->expected;
    if (!vector_oracle_knows(s->plan->oracle, query) || recall->scored == s->room)
        return;
    uint64_t found = score_items(s, result, query, &n);
    double share =
        expected == 0 ? 1 : (double)(found < expected ? found : expected) / (double)expected;
    recall->few += n < expected;
    s->share[recall->scored++] = share;
}

/* A reply: one result, or as many as queries. */
static void score_reply(struct scorer *s, struct bytes reply, uint64_t query)
{
    struct mp_reader reader = mp_reader_of(reply);
    struct mp head;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY) {
        score_result(s, reply, query);
        return;
    }
    for (uint32_t i = 0; i < head.count; i++) {
        const uint8_t *begin = reader.at;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return;
        score_result(s, (struct bytes){begin, (size_t)(reader.at - begin)},
                     (query + i) % s->plan->set->spec.queries);
    }
}

static void score_kept(struct scorer *s, struct bytes kept)
{
    size_t at = 0;
    while (at + KEPT_HEAD <= kept.size) {
        uint64_t query;
        uint32_t size;
        memcpy(&query, kept.data + at, sizeof query);
        memcpy(&size, kept.data + at + sizeof query, sizeof size);
        score_reply(s, (struct bytes){kept.data + at + KEPT_HEAD, size}, query);
        at += KEPT_HEAD + size;
    }
}

static int score_order(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void score_sum(const double *share, struct vector_recall *out)
{
    double sum = 0;
    for (uint64_t i = 0; i < out->scored; i++)
        sum += share[i];
    out->mean = sum / (double)out->scored;
    out->min = share[0];
    out->p5 = share[(out->scored - 1) / 20];
}

void vector_recall_score(const struct vector_plan *plan, const struct vector_kept *const *kept,
                         size_t n, struct vector_recall *out)
{
    *out = (struct vector_recall){.scored = 0};
    if (plan == NULL || plan->oracle == NULL)
        return;
    out->k = plan->oracle->expected;
    out->ef = plan->ef;
    out->dim = plan->set->spec.dim;
    out->vectors = plan->set->spec.n;
    out->selectivity = plan->set->spec.selectivity;
    struct scorer s = {.plan = plan, .recall = out, .room = (size_t)plan->oracle->n};
    s.seen = mem_calloc(plan->k, sizeof *s.seen);
    s.share = mem_calloc(s.room, sizeof *s.share);
    for (size_t i = 0; i < n && s.seen != NULL && s.share != NULL; i++)
        score_kept(&s, buf_bytes(&kept[i]->bytes));
    if (out->scored > 0) {
        qsort(s.share, (size_t)out->scored, sizeof *s.share, score_order);
        score_sum(s.share, out);
    }
    mem_free(s.seen);
    mem_free(s.share);
}

void vector_recall_merge(struct vector_recall *into, const struct vector_recall *from)
{
    uint64_t all = into->scored + from->scored;
    if (into->scored == 0) {
        *into = *from;
        return;
    }
    if (from->scored == 0)
        return;
    into->mean =
        (into->mean * (double)into->scored + from->mean * (double)from->scored) / (double)all;
    into->min = fmin(into->min, from->min);
    into->p5 = fmin(into->p5, from->p5);
    into->few += from->few;
    into->wrong += from->wrong;
    into->scored = all;
}
