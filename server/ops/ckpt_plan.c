/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plans a checkpoint, whoever it comes from.
 *
 *   blobs that are new  -->  counts of blobs it names up  -->  its state  -->  the checkpoint
 *   -->  counts of what its predecessor with this id named down
 *
 * all in the transaction of the session: one entry of the log. A blob that is named but was never
 * saved gets an empty record, so that it is counted who names it, and whoever saves it later fills
 * it in.
 *
 * Threads: the loop of the request, with the partition of the session locked.
 * Failures: memory; then nothing is changed.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt.h"

/* A record for this blob: the one there is, or an empty one. */
static const struct record *plan_blob_record(struct ckpt_session *s, const struct ckpt_key *key,
                                             int *err)
{
    static const uint8_t none[RECORD_COUNT_BYTES];
    const struct record *record = ckpt_find(s, key);
    if (record != NULL)
        return record;
    *err = ckpt_put(s, key, false, (struct bytes){none, sizeof none});
    return *err == 0 ? ckpt_find(s, key) : NULL;
}

/* ---- what a checkpoint is likely to resemble ---- */

/* Its parent, or the newest of the namespace; NULL: there is none, or no use for it. */
static const struct record *plan_previous(struct ckpt_session *s, struct bytes ns,
                                          struct bytes parent)
{
    struct mp_reader reader = mp_reader_of(parent);
    struct ckpt_key key;
    struct bytes id;
    bool text;
    if (!s->delta)
        return NULL;
    if (mp_read_bytes(&reader, &id, &text) != 0 || id.size > CKPT_ID_MAX)
        return ckpt_latest(s, ns);
    ckpt_key(s, ns, id, &key);
    const struct record *record = ckpt_find(s, &key);
    return record != NULL ? record : ckpt_latest(s, ns);
}

/* The manifest of what that one has in this channel, if it has one. */
static struct bytes plan_previous_blob(struct ckpt_session *s, struct bytes ns,
                                       const struct record *previous, struct bytes wanted)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct ckpt_value value;
    struct bytes channel;
    uint32_t count;
    size_t size;
    struct mp mp;
    if (previous == NULL || ckpt_decode(record_value(previous), &value) != 0)
        return BYTES_NONE;
    struct mp_reader reader = ckpt_array(value.versions, &count);
    while (count-- > 0 && mp_read(&reader, &mp) == 0 &&
           ckpt_read_version(&reader, &channel, version, &size)) {
        struct ckpt_key key;
        if (!bytes_equal(channel, wanted))
            continue;
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        const struct record *record = ckpt_find(s, &key);
        return record == NULL ? BYTES_NONE : ckpt_blob_manifest(record_value(record));
    }
    return BYTES_NONE;
}

/* Store these bytes in pieces. *out_cut false: they are too few for that. */
static int plan_pieces(struct ckpt_session *s, struct bytes bytes, struct bytes previous,
                       uint8_t out_hash[static CKPT_HASH_BYTES], bool *out_cut)
{
    struct ckpt_space space = ckpt_space(s);
    uint64_t new_bytes = 0;
    *out_cut = false;
    if (!s->delta)
        return 0;
    int err = ckpt_state_plan(&space, bytes, previous, out_hash, out_cut, &new_bytes);
    s->bytes += new_bytes;
    return err;
}

/* ---- blobs ---- */

/* The value of a blob: as it came, or with what stands for its bytes. */
static int plan_blob_value(struct ckpt_session *s, struct bytes row, struct bytes bytes,
                           uint32_t count, struct bytes previous)
{
    struct buf *scratch = &s->ctx->env->scratch;
    uint8_t hash[CKPT_HASH_BYTES], head[RECORD_COUNT_BYTES];
    bool cut;
    record_write_count(head, count);
    int err = plan_pieces(s, bytes, previous, hash, &cut);
    scratch->size = 0;
    if (err == 0)
        err = buf_append(scratch, head, sizeof head);
    if (err == 0 && !cut)
        err = buf_append(scratch, row.data, row.size);
    if (err != 0 || !cut)
        return err != 0 ? err : ckpt_seal_blob(scratch, sizeof head);
    struct mp_reader reader = mp_reader_of(row);
    struct mp mp;
    REQUIRE(mp_read(&reader, &mp) == 0);
    const uint8_t *start = reader.at;
    for (int i = 0; i < 3; i++)
        REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0);
    (void)((err = pack_array(scratch, 5)) == 0 &&
           (err = buf_append(scratch, start, (size_t)(reader.at - start))) == 0 &&
           (err = pack_bin(scratch, (struct bytes){hash, sizeof hash})) == 0 &&
           (err = pack_uint(scratch, bytes.size)) == 0 &&
           (err = ckpt_seal_blob(scratch, sizeof head)) == 0);
    return err;
}

/* One [channel, version, type, bytes], at *reader; one that is there is kept. */
static int plan_blob(struct ckpt_session *s, struct bytes ns, const struct record *previous,
                     struct mp_reader *reader)
{
    uint8_t version[CKPT_VERSION_MAX];
    const uint8_t *start = reader->at;
    struct ckpt_key key;
    struct bytes channel, bytes;
    size_t size;
    struct mp mp;
    bool text;
    if (mp_read(reader, &mp) != 0 || !ckpt_read_version(reader, &channel, version, &size) ||
        mp_skip(reader, MP_DEPTH_MAX) != 0 || mp_read_bytes(reader, &bytes, &text) != 0)
        return ckpt_damaged(s->ctx, "a blob"); /* of a session that is copied */
    ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
    const struct record *there = ckpt_find(s, &key);
    if (there != NULL && record_value(there).size > RECORD_COUNT_BYTES)
        return 0;
    uint32_t count = there == NULL ? 0 : record_count(there);
    struct bytes row = {start, (size_t)(reader->at - start)};
    if (text && s->delta) /* pieces come back as bin */
        previous = NULL;
    int err = plan_blob_value(s, row, text ? BYTES_NONE : bytes, count,
                              plan_previous_blob(s, ns, previous, channel));
    return err != 0 ? err : ckpt_put(s, &key, false, buf_bytes(&s->ctx->env->scratch));
}

static int plan_blobs(struct ckpt_session *s, struct bytes ns, const struct record *previous,
                      struct bytes blobs)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(blobs, &count);
    int err = 0;
    while (count-- > 0 && err == 0)
        err = plan_blob(s, ns, previous, &reader);
    return err;
}

/* Everything named by these versions is named by one more. */
static int plan_name_blobs(struct ckpt_session *s, struct bytes ns, struct bytes versions)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct ckpt_key key;
    struct bytes channel;
    uint32_t count;
    struct mp_reader reader = ckpt_array(versions, &count);
    struct mp mp;
    size_t size;
    int err = 0;
    while (count-- > 0 && err == 0) {
        if (mp_read(&reader, &mp) != 0 || !ckpt_read_version(&reader, &channel, version, &size))
            return ckpt_damaged(s->ctx, "a checkpoint"); /* of a session that is copied */
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        const struct record *record = plan_blob_record(s, &key, &err);
        if (record != NULL)
            err = txn_count(s->ctx->txn, record, 1);
    }
    return err;
}

/* The state of a checkpoint: in pieces, or as it is. */
static int plan_state(struct ckpt_session *s, const struct record *previous,
                      struct ckpt_value *value)
{
    static const struct bytes nil = {(const uint8_t *)"\xc0", 1};
    struct ckpt_value resembled = {0};
    uint8_t hash[CKPT_HASH_BYTES];
    bool cut;
    if (previous != NULL && ckpt_decode(record_value(previous), &resembled) != 0)
        resembled.manifest = BYTES_NONE;
    if (s->has_planned) /* by the same request */
        resembled.manifest = (struct bytes){s->planned, sizeof s->planned};
    value->state_bytes = value->state.size;
    int err = plan_pieces(s, value->state, resembled.manifest, hash, &cut);
    if (err != 0 || !cut)
        return err;
    memcpy(s->planned, hash, sizeof hash);
    s->has_planned = true;
    value->state = nil;
    value->manifest = (struct bytes){s->planned, sizeof s->planned};
    return 0;
}

int ckpt_plan(struct ckpt_session *s, struct ckpt_id ns, struct ckpt_id id,
              struct ckpt_value *value, struct bytes blobs)
{
    struct buf *scratch = &s->ctx->env->scratch;
    struct ckpt_value old = {0};
    struct ckpt_key key;
    ckpt_key(s, ns.bytes, id.bytes, &key);
    const struct record *previous = plan_previous(s, ns.bytes, value->parent);
    int err = plan_blobs(s, ns.bytes, previous, blobs);
    if (err == 0)
        err = plan_name_blobs(s, ns.bytes, value->versions);
    if (err == 0)
        err = plan_state(s, previous, value);
    value->ns_text = ns.text;
    const struct record *there = ckpt_find(s, &key);
    scratch->size = 0;
    if (err == 0)
        err = ckpt_encode(scratch, value, ns.bytes, id.bytes);
    struct bytes encoded = buf_bytes(scratch);
    if (err == 0 && there != NULL && ckpt_decode(record_value(there), &old) == 0)
        err = ckpt_release(s, ns.bytes, &old);
    s->checkpoints += there == NULL;
    if (err == 0)
        err = ckpt_put(s, &key, id.text, encoded);
    return err != 0 || there != NULL ? err : ckpt_note(s, &key.key, id.text, EVENT_created);
}
