/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Matching filters: finding what stands at a path, and comparing it.
 *
 * Nothing is unpacked: a path is followed through the bytes, and its value is compared where it
 * lies. What was found stays for the next step if that asks about the same path.
 *
 * Invariants
 *   1. No read behind the value: bytes that are no MessagePack are "missing" or "not equal".
 *   2. Work is bounded by steps times bytes; only maps whose pairs are in another order than those
 *      of the filter cost more, and these have at most FILTER_PAIRS.
 *
 * Threads: pure functions on the caller's memory.
 * Failures: none; what cannot be compared does not match.
 */
#include "proto/filter.h"

#include "proto/filter_impl.h"

/* ---- numbers and bytes ---- */

static enum filter_order filter_order_of(int difference)
{
    return difference < 0 ? FILTER_LESSER : difference > 0 ? FILTER_BIGGER : FILTER_SAME;
}

/* Exactly: a float is never made of an integer that it cannot hold. */
static enum filter_order filter_uint_real(uint64_t a, double b)
{
    if (b != b)
        return FILTER_UNORDERED;
    if (b < 0)
        return FILTER_BIGGER;
    if (b >= 0x1p64)
        return FILTER_LESSER;
    uint64_t whole = (uint64_t)b; /* a fraction is left only below 2^53, where both are exact */
    if (a != whole)
        return a < whole ? FILTER_LESSER : FILTER_BIGGER;
    return (double)whole < b ? FILTER_LESSER : FILTER_SAME;
}

/* The same for a < 0. */
static enum filter_order filter_sint_real(int64_t a, double b)
{
    if (b != b)
        return FILTER_UNORDERED;
    if (b >= 0)
        return FILTER_LESSER;
    if (b < -0x1p63)
        return FILTER_BIGGER;
    int64_t whole = (int64_t)b;
    if (a != whole)
        return a < whole ? FILTER_LESSER : FILTER_BIGGER;
    return (double)whole > b ? FILTER_BIGGER : FILTER_SAME;
}

static enum filter_order filter_integers(const struct mp *a, const struct mp *b)
{
    if (a->kind != b->kind)
        return a->kind == MP_SINT ? FILTER_LESSER : FILTER_BIGGER;
    if (a->kind == MP_UINT)
        return filter_order_of((a->uint > b->uint) - (a->uint < b->uint));
    return filter_order_of((a->sint > b->sint) - (a->sint < b->sint));
}

static enum filter_order filter_number_real(const struct mp *a, double b)
{
    if (a->kind == MP_UINT)
        return filter_uint_real(a->uint, b);
    if (a->kind == MP_SINT)
        return filter_sint_real(a->sint, b);
    if (a->real != a->real || b != b)
        return FILTER_UNORDERED;
    return filter_order_of((a->real > b) - (a->real < b));
}

static bool filter_is_number(const struct mp *mp)
{
    return mp->kind == MP_UINT || mp->kind == MP_SINT || mp->kind == MP_FLOAT;
}

static bool filter_is_bytes(const struct mp *mp)
{
    return mp->kind == MP_STR || mp->kind == MP_BIN;
}

enum filter_order filter_order(const struct mp *a, const struct mp *b)
{
    if (filter_is_bytes(a) && filter_is_bytes(b))
        return filter_order_of(bytes_compare(a->bytes, b->bytes));
    if (!filter_is_number(a) || !filter_is_number(b))
        return FILTER_UNORDERED;
    if (b->kind == MP_FLOAT)
        return filter_number_real(a, b->real);
    if (a->kind != MP_FLOAT)
        return filter_integers(a, b);
    enum filter_order order = filter_number_real(b, a->real);
    return order == FILTER_LESSER ? FILTER_BIGGER : order == FILTER_BIGGER ? FILTER_LESSER : order;
}

/* Equal kinds have equal ranks, and no others. */
static int filter_rank(const struct mp *mp)
{
    return filter_is_number(mp) ? MP_UINT : filter_is_bytes(mp) ? MP_BIN : (int)mp->kind;
}

enum filter_order filter_scalar_order(const struct mp *a, const struct mp *b)
{
    if (filter_rank(a) != filter_rank(b))
        return filter_order_of(filter_rank(a) - filter_rank(b));
    if (a->kind == MP_BOOL)
        return filter_order_of(a->boolean - b->boolean);
    if (a->kind == MP_NIL)
        return FILTER_SAME;
    if (a->kind == MP_EXT)
        return filter_order_of(bytes_compare(a->bytes, b->bytes));
    return filter_order(a, b);
}

static bool filter_is_scalar(const struct mp *mp)
{
    return mp->kind != MP_ARRAY && mp->kind != MP_MAP;
}

/* ---- whole values ---- */

static bool filter_skip(struct mp_reader *reader)
{
    return mp_skip(reader, MP_DEPTH_MAX) == 0;
}

static bool filter_equal(struct mp_reader *a, struct mp_reader *b, unsigned depth);

/* Find, from pair `*at` of map a on and round, the unused pair whose key is the next key of b, and
 * compare the values. Both readers are behind the pair then. */
static bool filter_pair_equal(struct mp_reader first, struct mp_reader *a, uint32_t *at,
                              uint32_t count, uint64_t *used, struct mp_reader *b, unsigned depth)
{
    for (uint32_t tries = 0; tries < count; tries++) {
        if (*at == count) {
            *a = first;
            *at = 0;
        }
        struct mp_reader key_a = *a, key_b = *b;
        uint32_t i = (*at)++;
        if ((used[i / 64] >> i % 64 & 1) == 0 && filter_equal(&key_a, &key_b, depth)) {
            used[i / 64] |= 1ull << i % 64;
            *a = key_a;
            *b = key_b;
            return filter_equal(a, b, depth);
        }
        if (!filter_skip(a) || !filter_skip(a))
            return false;
    }
    return false;
}

/* Maps, behind their headers: the same pairs in any order. Those in the same order are compared in
 * one go. */
static bool filter_maps_equal(struct mp_reader *a, struct mp_reader *b, uint32_t count,
                              unsigned depth)
{
    uint64_t used[FILTER_PAIRS / 64] = {0};
    struct mp_reader first = *a;
    uint32_t at = 0;
    if (count > FILTER_PAIRS)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!filter_pair_equal(first, a, &at, count, used, b, depth))
            return false;
    for (; at < count; at++)
        if (!filter_skip(a) || !filter_skip(a))
            return false;
    return true;
}

/* Read a value of the filter and one of the metadata; if they are equal, both readers are behind
 * them. Recursion follows the filter, whose depth was checked. */
static bool filter_equal(struct mp_reader *a, struct mp_reader *b, unsigned depth)
{
    struct mp x, y;
    if (mp_read(a, &x) != 0 || mp_read(b, &y) != 0)
        return false;
    if (filter_is_scalar(&x))
        return filter_is_scalar(&y) && filter_scalar_order(&x, &y) == FILTER_SAME;
    if (x.kind != y.kind || x.count != y.count || depth == 0)
        return false;
    if (x.kind == MP_MAP)
        return filter_maps_equal(a, b, x.count, depth - 1);
    for (uint32_t i = 0; i < x.count; i++)
        if (!filter_equal(a, b, depth - 1))
            return false;
    return true;
}

/* Is a value at `a` equal to one at `b`? */
static bool filter_values_equal(struct mp_reader a, struct mp_reader b)
{
    return filter_equal(&a, &b, MP_DEPTH_MAX);
}

/* The operand is one of the elements of an array, whose header is read. */
static bool filter_has_element(struct mp_reader array, uint32_t count, struct mp_reader operand)
{
    for (uint32_t i = 0; i < count; i++) {
        if (filter_values_equal(operand, array))
            return true;
        if (!filter_skip(&array))
            return false;
    }
    return false;
}

/* Is the value one of the operands? Scalars are searched in the order of `sorted`; the arrays and
 * maps among them stand behind those. */
static bool filter_is_in(const struct filter *filter, const struct filter_step *step,
                         struct mp_reader value)
{
    const uint8_t *end = step->operand.data + step->operand.size;
    const uint32_t *sorted = filter->sorted + step->first;
    uint32_t low = 0, high = step->n_scalars;
    struct mp_reader at = value;
    struct mp mp, other;
    if (mp_read(&at, &mp) != 0)
        return false;
    if (!filter_is_scalar(&mp)) {
        for (uint32_t i = step->n_scalars; i < step->n_operands; i++)
            if (filter_values_equal((struct mp_reader){step->operand.data + sorted[i], end}, value))
                return true;
        return false;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        at = (struct mp_reader){step->operand.data + sorted[middle], end};
        if (mp_read(&at, &other) != 0)
            return false;
        enum filter_order order = filter_scalar_order(&other, &mp);
        if (order == FILTER_SAME || order == FILTER_UNORDERED)
            return order == FILTER_SAME;
        if (order == FILTER_LESSER)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* An array has an element equal to the operand; a str or bin has it as a part. */
static bool filter_contains(struct mp_reader value, struct mp_reader operand)
{
    struct mp_reader needle = operand;
    struct mp mp, part;
    if (mp_read(&value, &mp) != 0)
        return false;
    if (mp.kind == MP_ARRAY)
        return filter_has_element(value, mp.count, operand);
    if (!filter_is_bytes(&mp) || mp_read(&needle, &part) != 0 || !filter_is_bytes(&part))
        return false;
    return part.bytes.size == 0 ||
           (mp.bytes.size > 0 &&
            memmem(mp.bytes.data, mp.bytes.size, part.bytes.data, part.bytes.size) != NULL);
}

/* ---- paths ---- */

/* Follow one key of a map, whose header is read: the longest that the path begins with, of equals
 * the last, as decoders do. The reader is at its value then. */
static bool filter_enter_map(struct mp_reader *reader, uint32_t count, struct bytes *path)
{
    struct mp_reader best = *reader;
    size_t best_size = 0;
    bool found = false;
    struct mp key;
    for (uint32_t i = 0; i < count; i++) {
        struct mp_reader at = *reader;
        if (!filter_skip(reader) || mp_read(&at, &key) != 0)
            return false;
        size_t size = filter_is_bytes(&key) ? key.bytes.size : SIZE_MAX;
        if (size <= path->size && (!found || size >= best_size) &&
            (size == path->size || path->data[size] == '.') && bytes_start_with(*path, key.bytes)) {
            found = true;
            best_size = size;
            best = *reader;
        }
        if (!filter_skip(reader))
            return false;
    }
    *reader = best;
    *path = (struct bytes){path->data + best_size, path->size - best_size};
    return found;
}

/* The number that the path begins with, written as it is counted: 0, 1, 2 ... */
static bool filter_index(struct bytes *path, uint32_t *out)
{
    uint64_t number = 0;
    size_t size = 0;
    for (; size < path->size && path->data[size] != '.'; size++) {
        uint8_t digit = (uint8_t)(path->data[size] - '0');
        if (digit > 9 || size > 9 || (size > 0 && number == 0))
            return false;
        number = 10 * number + digit;
    }
    if (size == 0 || number > UINT32_MAX)
        return false;
    *path = (struct bytes){path->data + size, path->size - size};
    *out = (uint32_t)number;
    return true;
}

static bool filter_enter_array(struct mp_reader *reader, uint32_t count, struct bytes *path)
{
    uint32_t index;
    if (!filter_index(path, &index) || index >= count)
        return false;
    for (uint32_t i = 0; i < index; i++)
        if (!filter_skip(reader))
            return false;
    return true;
}

/* Go to what stands at a path. */
static bool filter_find(struct mp_reader *reader, struct bytes path)
{
    struct mp mp;
    for (;;) {
        if (mp_read(reader, &mp) != 0)
            return false;
        bool found = mp.kind == MP_MAP     ? filter_enter_map(reader, mp.count, &path)
                     : mp.kind == MP_ARRAY ? filter_enter_array(reader, mp.count, &path)
                                           : false;
        if (!found || path.size == 0)
            return found;
        path = (struct bytes){path.data + 1, path.size - 1}; /* the dot */
    }
}

/* ---- steps ---- */

static bool filter_ordered(struct mp_reader value, struct mp_reader operand, unsigned orders)
{
    struct mp a, b;
    return mp_read(&value, &a) == 0 && mp_read(&operand, &b) == 0 &&
           ((unsigned)filter_order(&a, &b) & orders) != 0;
}

static bool filter_ask(const struct filter *filter, const struct filter_step *step,
                       struct mp_reader value)
{
    struct mp_reader operand = mp_reader_of(step->operand);
    switch ((enum filter_test)step->test) {
    case FILTER_TRUE:
    case FILTER_EXISTS:
        return true;
    case FILTER_EQUAL:
        return filter_values_equal(operand, value);
    case FILTER_LESS:
        return filter_ordered(value, operand, FILTER_LESSER);
    case FILTER_LESS_EQUAL:
        return filter_ordered(value, operand, FILTER_LESSER | FILTER_SAME);
    case FILTER_GREATER:
        return filter_ordered(value, operand, FILTER_BIGGER);
    case FILTER_GREATER_EQUAL:
        return filter_ordered(value, operand, FILTER_BIGGER | FILTER_SAME);
    case FILTER_IN:
        return filter_is_in(filter, step, value);
    case FILTER_CONTAINS:
        return filter_contains(value, operand);
    }
    return false;
}

bool filter_match(const struct filter *filter, struct bytes metadata)
{
    struct mp_reader value = mp_reader_of(metadata);
    const uint8_t *path = NULL; /* what `value` and `found` are about */
    bool found = false;
    int at = 0;
    while (at >= 0) {
        const struct filter_step *step = &filter->steps[at];
        if (step->test != FILTER_TRUE && step->path.data != path) {
            value = mp_reader_of(metadata);
            path = step->path.data;
            found = filter_find(&value, step->path);
        }
        bool yes = step->test == FILTER_TRUE || (found && filter_ask(filter, step, value));
        at = yes ? step->yes : step->no;
    }
    return at == FILTER_YES;
}
