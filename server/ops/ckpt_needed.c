/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Looks for needed ancestors: see ckpt_needed.h.
 *
 *   up      from parent to parent, until a blob, a place that was met before or the end; a blob
 *           makes all that were met needed, a write those up to its place
 *   back    over those that were met: the needed ones are kept, and all are marked, so that
 *           whoever meets one later knows whether it is needed, and with it what is behind it
 *
 * A mark is a hash of number and channel that nobody outside can foresee, and one bit: needed.
 * Checkpoints that are deleted meanwhile end the way up.
 *
 * Threads: the loop of the request, with the partition of the session locked. Failures: memory.
 */
#include "server/ops/ckpt_needed.h"

#include "common/err.h"
#include "common/mem.h"

enum { NEEDED_MARKS_MIN = 64 };

struct needed_step {
    uint64_t number, mark;
};

/* A row of `wanted`: three parts, each behind its size in a byte. */
struct needed_row {
    struct bytes ns, channel, parent;
    size_t size;
};

void ckpt_needed_deinit(struct ckpt_needed *needed)
{
    buf_deinit(&needed->wanted);
    buf_deinit(&needed->path);
    mem_free(needed->marks);
    *needed = (struct ckpt_needed){0};
}

bool ckpt_needed_pending(const struct ckpt_needed *needed)
{
    return needed->at < needed->wanted.size;
}

/* ---- what is wanted ---- */

/* Does it have the blob of this channel, in whatever version it names? */
static bool needed_has_blob(struct ckpt_session *s, struct bytes ns, const struct ckpt_value *value,
                            struct bytes channel)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct ckpt_key key;
    struct bytes named;
    uint32_t count;
    size_t size;
    struct mp_reader reader = ckpt_array(value->versions, &count);
    struct mp mp;
    while (count-- > 0 && mp_read(&reader, &mp) == 0 &&
           ckpt_read_version(&reader, &named, version, &size)) {
        if (!bytes_equal(named, channel))
            continue;
        ckpt_blob_key(s, ns, named, (struct bytes){version, size}, &key);
        const struct record *record = ckpt_find(s, &key);
        return record != NULL && record_value(record).size > RECORD_COUNT_BYTES;
    }
    return false;
}

/* The parent's id; false: it has none. */
static bool needed_parent(const struct ckpt_value *value, struct bytes *out)
{
    struct mp_reader reader = mp_reader_of(value->parent);
    bool text;
    return mp_read_bytes(&reader, out, &text) == 0 && out->size <= CKPT_ID_MAX;
}

static int needed_add_part(struct buf *rows, struct bytes part)
{
    uint8_t size = (uint8_t)part.size;
    int err = buf_append(rows, &size, sizeof size);
    return err != 0 ? err : buf_append(rows, part.data, part.size);
}

static struct bytes needed_take_part(const struct buf *rows, size_t *at)
{
    struct bytes part = {rows->data + *at + 1, rows->data[*at]};
    *at += 1 + part.size;
    return part;
}

static struct needed_row needed_row(const struct ckpt_needed *needed)
{
    size_t at = needed->at;
    struct needed_row row;
    row.ns = needed_take_part(&needed->wanted, &at);
    row.channel = needed_take_part(&needed->wanted, &at);
    row.parent = needed_take_part(&needed->wanted, &at);
    row.size = at - needed->at;
    return row;
}

int ckpt_needed_want(struct ckpt_needed *needed, struct ckpt_session *s, struct bytes ns,
                     const struct ckpt_value *value)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct bytes channel, parent;
    uint32_t count;
    size_t size;
    struct mp_reader reader = ckpt_array(value->versions, &count);
    struct mp mp;
    int err = 0;
    if (!needed_parent(value, &parent))
        return 0;
    while (err == 0 && count-- > 0 && mp_read(&reader, &mp) == 0 &&
           ckpt_read_version(&reader, &channel, version, &size)) {
        if (needed_has_blob(s, ns, value, channel))
            continue;
        (void)((err = needed_add_part(&needed->wanted, ns)) == 0 &&
               (err = needed_add_part(&needed->wanted, channel)) == 0 &&
               (err = needed_add_part(&needed->wanted, parent)) == 0);
    }
    return err;
}

/* ---- marks ---- */

/* Its place, or the free one it would have. */
static uint64_t *needed_mark(uint64_t *marks, size_t capacity, uint64_t mark)
{
    size_t i = (mark >> 1) & (capacity - 1);
    while (marks[i] != 0 && marks[i] >> 1 != mark >> 1)
        i = (i + 1) & (capacity - 1);
    return &marks[i];
}

static int needed_grow(struct ckpt_needed *needed)
{
    size_t capacity = needed->capacity == 0 ? NEEDED_MARKS_MIN : needed->capacity * 2;
    uint64_t *marks = mem_calloc(capacity, sizeof *marks);
    if (marks == NULL)
        return ERR_OUT_OF_MEMORY;
    for (size_t i = 0; i < needed->capacity; i++)
        if (needed->marks[i] != 0)
            *needed_mark(marks, capacity, needed->marks[i]) = needed->marks[i];
    mem_free(needed->marks);
    needed->marks = marks;
    needed->capacity = capacity;
    return 0;
}

/* ---- steps ---- */

static size_t needed_met(const struct ckpt_needed *needed)
{
    return needed->path.size / sizeof(struct needed_step);
}

/* Look at the next ancestor. *out_over: the way up ends before it, or with it. */
static int needed_up(struct ckpt_needed *needed, struct ckpt_session *s,
                     const struct needed_row *row, bool *out_over)
{
    struct bytes id = {needed->id, needed->id_size}, parent;
    struct ckpt_value value;
    struct ckpt_key key;
    ckpt_key(s, row->ns, id, &key);
    const struct record *record = ckpt_find(s, &key);
    *out_over = true;
    if (record == NULL || ckpt_decode(record_value(record), &value) != 0 ||
        needed_met(needed) >= s->checkpoints) /* in a circle */
        return 0;
    uint64_t mark = hash_word_bytes(&s->ctx->store->hash_key, value.number, row->channel) | 2;
    uint64_t known =
        needed->capacity == 0 ? 0 : *needed_mark(needed->marks, needed->capacity, mark);
    if (known != 0) {
        if ((known & 1) != 0)
            needed->needed = needed_met(needed);
        return 0;
    }
    struct needed_step step = {value.number, mark & ~(uint64_t)1};
    int err = buf_append(&needed->path, &step, sizeof step);
    if (err != 0)
        return err;
    bool blob = needed_has_blob(s, row->ns, &value, row->channel);
    if (blob || ckpt_has_write(s, row->ns, id, row->channel))
        needed->needed = needed_met(needed);
    if (blob || !needed_parent(&value, &parent))
        return 0;
    memcpy(needed->id, parent.data, parent.size);
    needed->id_size = parent.size;
    *out_over = false;
    return 0;
}

/* Mark the next of those that were met. *out_over: it was the last. */
static int needed_back(struct ckpt_needed *needed, struct buf *keep, bool *out_over)
{
    struct needed_step step;
    *out_over = needed->returned == needed_met(needed);
    if (*out_over)
        return 0;
    if (2 * needed->used >= needed->capacity && needed_grow(needed) != 0)
        return ERR_OUT_OF_MEMORY;
    memcpy(&step, needed->path.data + needed->returned * sizeof step, sizeof step);
    bool is_needed = needed->returned < needed->needed;
    uint64_t *mark = needed_mark(needed->marks, needed->capacity, step.mark);
    needed->used += *mark == 0;
    *mark = step.mark | is_needed;
    needed->returned++;
    return is_needed ? buf_append(keep, &step.number, sizeof step.number) : 0;
}

static void needed_begin(struct ckpt_needed *needed, const struct needed_row *row)
{
    memcpy(needed->id, row->parent.data, row->parent.size);
    needed->id_size = row->parent.size;
    needed->path.size = 0;
    needed->needed = needed->returned = 0;
    needed->walking = true;
}

/* The row is done. */
static void needed_end(struct ckpt_needed *needed, size_t size)
{
    needed->returning = false;
    needed->at += size;
    if (needed->at == needed->wanted.size)
        needed->at = needed->wanted.size = 0;
}

int ckpt_needed_go(struct ckpt_needed *needed, struct ckpt_session *s, unsigned steps,
                   struct buf *keep)
{
    int err = 0;
    while (err == 0 && steps-- > 0 && ckpt_needed_pending(needed)) {
        struct needed_row row = needed_row(needed);
        bool over = false;
        if (!needed->walking && !needed->returning)
            needed_begin(needed, &row);
        if (needed->walking) {
            err = needed_up(needed, s, &row, &over);
            needed->walking = !over;
            needed->returning = over;
        } else {
            err = needed_back(needed, keep, &over);
            if (over)
                needed_end(needed, row.size);
        }
    }
    return err;
}
