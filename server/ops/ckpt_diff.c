/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Differences of states: see ckpt_diff.h.
 *
 *   old  [ 3 | a | b     | c ]
 *   new  [ 3 | a | b'    | c ]      both cursors stand at the same place of the structure:
 *        `--- common -' ^              equal: common, step over it
 *                       |              containers of one type: their heads, then what is in them
 *                       `------        anything else: byte by byte
 *
 * Invariants
 *   1. The runs make the new state; those that are common do not go back in the old one.
 *   2. Bytes that are stepped over to learn where a value ends are paid for out of a budget in
 *      proportion to the new state. When it is used up, the rest is compared byte by byte.
 *
 * Threads: pure. Failures: no memory for the runs.
 */
#include "server/ops/ckpt_diff.h"

#include "common/err.h"
#include "common/mem.h"
#include "proto/mp.h"

enum {
    RUN_MIN = 16,   /* a shorter common run between others costs more than its bytes */
    LOOK_AHEAD = 8, /* elements to look for one that was put in or taken out */
    /* Bytes stepped over for each of the new state's: to walk, and to look ahead. */
    WALK_BUDGET = 8,
    AHEAD_BUDGET = 4,
};

/* What is missing of a container that both have. */
struct diff_level {
    uint64_t old_left, new_left; /* values: of a map, keys too */
    bool map;
};

struct diff {
    struct ckpt_diff *out;
    struct bytes old, new;
    struct mp_reader a, b; /* in old, in new */
    size_t walk_budget, ahead_budget;
    unsigned depth;
    struct diff_level levels[MP_DEPTH_MAX];
};

/* ---- runs ---- */

void ckpt_diff_deinit(struct ckpt_diff *diff)
{
    mem_free(diff->runs);
    *diff = (struct ckpt_diff){0};
}

static int diff_push(struct ckpt_diff *diff, const struct ckpt_run *run)
{
    if (diff->count == diff->capacity) {
        size_t capacity = diff->capacity == 0 ? 64 : diff->capacity * 2;
        struct ckpt_run *runs = mem_realloc(diff->runs, capacity * sizeof *runs);
        if (runs == NULL)
            return ERR_OUT_OF_MEMORY;
        diff->runs = runs;
        diff->capacity = capacity;
    }
    diff->runs[diff->count++] = *run;
    return 0;
}

/* Bytes of the new state that the old one does not have, where it is expected. */
static int diff_add(struct diff *diff, const uint8_t *at, size_t size)
{
    struct ckpt_diff *out = diff->out;
    struct ckpt_run *last = out->count > 0 ? &out->runs[out->count - 1] : NULL;
    if (size == 0)
        return 0;
    out->added += size;
    if (last != NULL && last->common && last->size < RUN_MIN) { /* not worth a run */
        last->common = false;
        out->added += last->size;
        if (out->count > 1 && !last[-1].common) {
            last[-1].size += last->size;
            out->count--;
            last--;
        }
    }
    if (last != NULL && !last->common) {
        last->size += size;
        return 0;
    }
    struct ckpt_run run = {.new_at = (size_t)(at - diff->new.data), .size = size};
    return diff_push(out, &run);
}

static int diff_common(struct diff *diff, const uint8_t *old_at, const uint8_t *new_at, size_t size)
{
    struct ckpt_diff *out = diff->out;
    struct ckpt_run *last = out->count > 0 ? &out->runs[out->count - 1] : NULL;
    struct ckpt_run run = {true, (size_t)(old_at - diff->old.data),
                           (size_t)(new_at - diff->new.data), size};
    if (size == 0)
        return 0;
    if (last != NULL && last->common && last->old_at + last->size == run.old_at) {
        last->size += size;
        return 0;
    }
    return diff_push(out, &run);
}

/* ---- bytes ---- */

/* Bytes in which both begin alike, of at most `size`. */
static size_t diff_prefix(const uint8_t *a, const uint8_t *b, size_t size)
{
    size_t n = 0;
    while (n + 8 <= size && memcmp(a + n, b + n, 8) == 0)
        n += 8;
    while (n < size && a[n] == b[n])
        n++;
    return n;
}

/* The same at the ends. */
static size_t diff_suffix(struct bytes a, struct bytes b, size_t size)
{
    const uint8_t *a_end = a.data + a.size, *b_end = b.data + b.size;
    size_t n = 0;
    while (n + 8 <= size && memcmp(a_end - n - 8, b_end - n - 8, 8) == 0)
        n += 8;
    while (n < size && a_end[-1 - (ptrdiff_t)n] == b_end[-1 - (ptrdiff_t)n])
        n++;
    return n;
}

/* The same offset in both: runs that are equal, and those between. */
static int diff_aligned(struct diff *diff, const uint8_t *a, const uint8_t *b, size_t size)
{
    int err = 0;
    for (size_t at = 0; at < size && err == 0;) {
        size_t from = at;
        while (at < size && a[at] != b[at])
            at++;
        err = diff_add(diff, b + from, at - from);
        size_t equal = diff_prefix(a + at, b + at, size - at);
        if (err == 0 && equal >= RUN_MIN)
            err = diff_common(diff, a + at, b + at, equal);
        else if (err == 0)
            err = diff_add(diff, b + at, equal);
        at += equal;
    }
    return err;
}

/* Any bytes. */
static int diff_bytes(struct diff *diff, struct bytes a, struct bytes b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    size_t tail = diff_suffix(a, b, least), middle = least - tail;
    int err = middle == 0 ? 0 : diff_aligned(diff, a.data, b.data, middle);
    if (err == 0)
        err = diff_add(diff, b.data + middle, b.size - tail - middle);
    if (err == 0 && tail > 0)
        err = diff_common(diff, a.data + a.size - tail, b.data + b.size - tail, tail);
    return err;
}

/* ---- values ---- */

static struct bytes diff_rest(const struct mp_reader *reader)
{
    return (struct bytes){reader->at, (size_t)(reader->end - reader->at)};
}

/* Size of the next value, paid for; 0 if there is none or the budget is used up. */
static size_t diff_value_size(const struct mp_reader *reader, size_t *budget)
{
    struct mp_reader ahead = *reader;
    if (*budget == 0 || mp_skip(&ahead, MP_DEPTH_MAX) != 0)
        return 0;
    size_t size = (size_t)(ahead.at - reader->at);
    *budget -= size < *budget ? size : *budget;
    return size;
}

static bool diff_starts_equal(const struct mp_reader *reader, const uint8_t *data, size_t size)
{
    return (size_t)(reader->end - reader->at) >= size && memcmp(reader->at, data, size) == 0;
}

/* Is the value that `one` stands at also one of those behind the next of `other`, which has `left`?
 * Moves `other` there and takes the steps off *left. */
static bool diff_find(struct diff *diff, const struct mp_reader *one, size_t size,
                      struct mp_reader *other, uint64_t *left, unsigned step)
{
    struct mp_reader ahead = *other;
    uint64_t passed = 0;
    if (*left <= step)
        return false;
    for (unsigned i = 0; i < LOOK_AHEAD; i++) {
        for (unsigned k = 0; k < step; k++, passed++) {
            size_t skip = passed < *left ? diff_value_size(&ahead, &diff->ahead_budget) : 0;
            if (skip == 0)
                return false;
            ahead.at += skip;
        }
        if (passed < *left && diff_starts_equal(&ahead, one->at, size)) {
            *other = ahead;
            *left -= passed;
            return true;
        }
    }
    return false;
}

/* The next elements differ: were some taken out, or put in? True if the cursors stand at equal ones
 * again. */
static bool diff_resync(struct diff *diff, struct diff_level *level, size_t new_size, int *err)
{
    unsigned step = level->map ? 2 : 1;
    const uint8_t *from = diff->b.at;
    size_t old_size;
    if (level->map && level->new_left % 2 != 0)
        return false; /* at a value: its key is the same */
    if (diff_find(diff, &diff->b, new_size, &diff->a, &level->old_left, step))
        return true;
    old_size = diff_value_size(&diff->a, &diff->ahead_budget);
    if (old_size == 0 || !diff_find(diff, &diff->a, old_size, &diff->b, &level->new_left, step))
        return false;
    *err = diff_add(diff, from, (size_t)(diff->b.at - from));
    return true;
}

/* Both stand at containers of one type: compare the heads, and go in. False if they do not. */
static bool diff_enter(struct diff *diff, int *err)
{
    struct mp_reader a = diff->a, b = diff->b;
    struct mp in_a, in_b;
    if (diff->depth == MP_DEPTH_MAX || mp_read(&a, &in_a) != 0 || mp_read(&b, &in_b) != 0 ||
        in_a.kind != in_b.kind || (in_a.kind != MP_ARRAY && in_a.kind != MP_MAP))
        return false;
    uint64_t factor = in_a.kind == MP_MAP ? 2 : 1;
    *err = diff_bytes(diff, (struct bytes){diff->a.at, (size_t)(a.at - diff->a.at)},
                      (struct bytes){diff->b.at, (size_t)(b.at - diff->b.at)});
    diff->a = a;
    diff->b = b;
    diff->levels[diff->depth++] =
        (struct diff_level){factor * in_a.count, factor * in_b.count, factor == 2};
    return true;
}

/* Values that have a size (0: none left, only bytes) and are not the same. */
static int diff_replace(struct diff *diff, size_t old_size, size_t new_size)
{
    int err = diff_bytes(diff, (struct bytes){diff->a.at, old_size},
                         (struct bytes){diff->b.at, new_size});
    diff->a.at += old_size;
    diff->b.at += new_size;
    return err;
}

/* The rest, whatever it is. */
static int diff_give_up(struct diff *diff)
{
    diff->depth = 0;
    return diff_replace(diff, diff_rest(&diff->a).size, diff_rest(&diff->b).size);
}

/* Both have a value here. */
static int diff_pair(struct diff *diff, struct diff_level *level)
{
    int err = 0;
    size_t new_size = diff_value_size(&diff->b, &diff->walk_budget), old_size = new_size;
    if (new_size == 0)
        return diff_give_up(diff);
    bool equal = diff_starts_equal(&diff->a, diff->b.at, new_size);
    if (!equal && diff_resync(diff, level, new_size, &err))
        return err; /* at equal ones, the next time */
    level->old_left--;
    level->new_left--;
    if (equal) {
        err = diff_common(diff, diff->a.at, diff->b.at, new_size);
        diff->a.at += new_size;
        diff->b.at += new_size;
        return err;
    }
    if (diff_enter(diff, &err))
        return err;
    old_size = diff_value_size(&diff->a, &diff->walk_budget);
    return old_size == 0 ? diff_give_up(diff) : diff_replace(diff, old_size, new_size);
}

/* Only one of them has more here. */
static int diff_left_over(struct diff *diff, struct diff_level *level)
{
    struct mp_reader *reader = level->old_left > 0 ? &diff->a : &diff->b;
    const uint8_t *from = reader->at;
    uint64_t *left = level->old_left > 0 ? &level->old_left : &level->new_left;
    for (; *left > 0; --*left) {
        size_t size = diff_value_size(reader, &diff->walk_budget);
        if (size == 0)
            break;
        reader->at += size;
    }
    int err = reader == &diff->b ? diff_add(diff, from, (size_t)(reader->at - from)) : 0;
    if (err == 0 && *left > 0)
        err = diff_give_up(diff);
    return err;
}

static int diff_values(struct diff *diff)
{
    int err = 0;
    while (diff->depth > 0 && err == 0) {
        struct diff_level *level = &diff->levels[diff->depth - 1];
        if (level->old_left > 0 && level->new_left > 0)
            err = diff_pair(diff, level);
        else if (level->old_left > 0 || level->new_left > 0)
            err = diff_left_over(diff, level);
        else
            diff->depth--;
    }
    return err;
}

int ckpt_diff_make(struct bytes old, struct bytes new, struct ckpt_diff *out_diff)
{
    struct diff diff = {.out = out_diff,
                        .old = old,
                        .new = new,
                        .a = mp_reader_of(old),
                        .b = mp_reader_of(new),
                        .walk_budget = WALK_BUDGET *new.size,
                        .ahead_budget = AHEAD_BUDGET *new.size,
                        .depth = 1,
                        .levels = {{1, 1, false}}};
    if (old.size == 0 || new.size == 0)
        return diff_add(&diff, new.data, new.size);
    int err = diff_values(&diff);
    return err != 0 ? err : diff_give_up(&diff); /* what stands behind the value */
}
