/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Differences between two values: see ckpt_diff.h.
 *
 * How: both are walked at the same time. The entries of two maps are sorted by their keys and
 * merged; arrays are compared element by element. Where the kinds differ, or scalars, the value has
 * changed.
 *
 * Invariants: recursion is as deep as values may be (MP_DEPTH_MAX).
 * Threads: pure functions. Failures: no memory.
 */
#include "client/cli/ckpt_diff.h"

#include "client/cli/json.h"
#include "client/cli/print.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/pack.h"

#include <ctype.h>
#include <stdlib.h>

struct diff_entry {
    struct bytes key, value; /* packed */
};

static int diff_any(struct ckpt_diff *d, struct bytes from, struct bytes to);

/* ---- rows ---- */

static int diff_row(struct ckpt_diff *d, const char *sign, struct bytes from, struct bytes to)
{
    struct bytes path = d->path.size > 0 ? buf_bytes(&d->path) : bytes_of(".");
    int err = pack_array(&d->rows, 2 + (size_t)(from.size > 0) + (to.size > 0));
    (void)(err == 0 && (err = pack_str(&d->rows, bytes_of(sign))) == 0 &&
           (err = pack_str(&d->rows, path)) == 0 &&
           (err = buf_append(&d->rows, from.data, from.size)) == 0 &&
           (err = buf_append(&d->rows, to.data, to.size)) == 0);
    d->added += from.size == 0;
    d->removed += to.size == 0;
    d->changed += from.size > 0 && to.size > 0;
    return err;
}

/* One of the two is there, or both. */
static int diff_pair(struct ckpt_diff *d, struct bytes from, struct bytes to)
{
    if (from.size == 0)
        return diff_row(d, "+", BYTES_NONE, to);
    return to.size == 0 ? diff_row(d, "-", from, BYTES_NONE) : diff_any(d, from, to);
}

/* ---- paths ---- */

static bool diff_is_word(struct bytes key)
{
    bool word = key.size > 0 && !isdigit(key.data[0]);
    for (size_t i = 0; i < key.size && word; i++)
        word = isalnum(key.data[i]) || key.data[i] == '_' || key.data[i] == '-';
    return word;
}

static int diff_add_key(struct buf *path, struct bytes packed)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes key;
    bool text;
    if (mp_read_bytes(&reader, &key, &text) == 0 && text && diff_is_word(key)) {
        int err = buf_append(path, ".", 1);
        return err != 0 ? err : buf_append(path, key.data, key.size);
    }
    int err = buf_append(path, "[", 1);
    if (err == 0)
        err = json_out_exact(packed, path);
    return err != 0 ? err : buf_append(path, "]", 1);
}

/* ---- maps and arrays ---- */

static int diff_order(const void *a, const void *b)
{
    return bytes_compare(((const struct diff_entry *)a)->key, ((const struct diff_entry *)b)->key);
}

/* The entries of a map in the order of their keys; the caller frees them. */
static int diff_entries(struct mp_reader reader, uint32_t count, struct diff_entry **out)
{
    struct diff_entry *entries = mem_calloc((size_t)count + 1, sizeof *entries);
    if (entries == NULL)
        return ERR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        if (!print_skip(&reader, &entries[i].key) || !print_skip(&reader, &entries[i].value)) {
            mem_free(entries);
            return ERR_BAD_REQUEST;
        }
    qsort(entries, count, sizeof *entries, diff_order);
    *out = entries;
    return 0;
}

static int diff_merge(struct ckpt_diff *d, const struct diff_entry *from, uint32_t n_from,
                      const struct diff_entry *to, uint32_t n_to)
{
    size_t mark = d->path.size;
    int err = 0;
    for (uint32_t i = 0, k = 0; (i < n_from || k < n_to) && err == 0;) {
        int order = i == n_from ? 1 : k == n_to ? -1 : diff_order(&from[i], &to[k]);
        struct bytes key = order <= 0 ? from[i].key : to[k].key;
        struct bytes old = order <= 0 ? from[i++].value : BYTES_NONE;
        struct bytes new = order >= 0 ? to[k++].value : BYTES_NONE;
        err = diff_add_key(&d->path, key);
        if (err == 0)
            err = diff_pair(d, old, new);
        d->path.size = mark;
    }
    return err;
}

static int diff_maps(struct ckpt_diff *d, struct mp_reader from, uint32_t n_from,
                     struct mp_reader to, uint32_t n_to)
{
    struct diff_entry *a = NULL, *b = NULL;
    int err = diff_entries(from, n_from, &a);
    if (err == 0)
        err = diff_entries(to, n_to, &b);
    if (err == 0)
        err = diff_merge(d, a, n_from, b, n_to);
    mem_free(a);
    mem_free(b);
    return err;
}

static int diff_arrays(struct ckpt_diff *d, struct mp_reader from, uint32_t n_from,
                       struct mp_reader to, uint32_t n_to)
{
    size_t mark = d->path.size;
    int err = 0;
    for (uint32_t i = 0; (i < n_from || i < n_to) && err == 0; i++) {
        struct bytes old = BYTES_NONE, new = BYTES_NONE;
        char number[16];
        if ((i < n_from && !print_skip(&from, &old)) || (i < n_to && !print_skip(&to, &new)))
            return ERR_BAD_REQUEST;
        int size = snprintf(number, sizeof number, "[%u]", i);
        err = buf_append(&d->path, number, (size_t)size);
        if (err == 0)
            err = diff_pair(d, old, new);
        d->path.size = mark;
    }
    return err;
}

static int diff_any(struct ckpt_diff *d, struct bytes from, struct bytes to)
{
    struct mp_reader a = mp_reader_of(from), b = mp_reader_of(to);
    struct mp x, y;
    if (bytes_equal(from, to))
        return 0;
    if (mp_read(&a, &x) != 0 || mp_read(&b, &y) != 0)
        return ERR_BAD_REQUEST;
    if (x.kind == MP_MAP && y.kind == MP_MAP)
        return diff_maps(d, a, x.count, b, y.count);
    if (x.kind == MP_ARRAY && y.kind == MP_ARRAY)
        return diff_arrays(d, a, x.count, b, y.count);
    return x.kind == y.kind && mp_equal(from, to) ? 0 : diff_row(d, "~", from, to);
}

int ckpt_diff(struct bytes from, struct bytes to, struct ckpt_diff *out)
{
    return diff_any(out, from, to);
}

void ckpt_diff_deinit(struct ckpt_diff *diff)
{
    buf_deinit(&diff->rows);
    buf_deinit(&diff->path);
}
