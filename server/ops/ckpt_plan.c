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
 * Failures: memory; then nothing is changed, but counts may stay too high, which keeps blobs.
 */
#include "common/err.h"
#include "proto/pack.h"
#include "server/ops/ckpt.h"

/* A record for this blob: the one there is, or an empty one. */
static const struct record *plan_blob_record(struct ckpt_session *s, const struct ckpt_key *key,
                                             int *err)
{
    static const uint8_t none[CKPT_COUNT_BYTES];
    const struct record *record = ckpt_find(s, key);
    if (record != NULL)
        return record;
    *err = ckpt_put(s, key, false, (struct bytes){none, sizeof none});
    return *err == 0 ? ckpt_find(s, key) : NULL;
}

/* One [channel, version, type, bytes], at *reader; one that is there is kept. */
static int plan_blob(struct ckpt_session *s, struct bytes ns, struct mp_reader *reader)
{
    uint8_t version[CKPT_VERSION_MAX];
    struct buf *scratch = &s->ctx->env->scratch;
    const uint8_t *start = reader->at;
    struct ckpt_key key;
    struct bytes channel;
    size_t size;
    struct mp mp;
    REQUIRE(mp_read(reader, &mp) == 0 && ckpt_read_version(reader, &channel, version, &size));
    REQUIRE(mp_skip(reader, MP_DEPTH_MAX) == 0 && mp_skip(reader, MP_DEPTH_MAX) == 0);
    ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
    const struct record *there = ckpt_find(s, &key);
    if (there != NULL && record_value(there).size > CKPT_COUNT_BYTES)
        return 0;
    uint32_t count = there == NULL ? 0 : ckpt_count(there);
    scratch->size = 0;
    int err = buf_append(scratch, &count, sizeof count);
    if (err == 0)
        err = buf_append(scratch, start, (size_t)(reader->at - start));
    return err != 0 ? err : ckpt_put(s, &key, false, buf_bytes(scratch));
}

static int plan_blobs(struct ckpt_session *s, struct bytes ns, struct bytes blobs)
{
    uint32_t count;
    struct mp_reader reader = ckpt_array(blobs, &count);
    int err = 0;
    while (count-- > 0 && err == 0)
        err = plan_blob(s, ns, &reader);
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
        REQUIRE(mp_read(&reader, &mp) == 0 && ckpt_read_version(&reader, &channel, version, &size));
        ckpt_blob_key(s, ns, channel, (struct bytes){version, size}, &key);
        const struct record *record = plan_blob_record(s, &key, &err);
        if (record != NULL)
            ckpt_count_add(record, 1);
    }
    return err;
}

int ckpt_plan(struct ckpt_session *s, struct ckpt_id ns, struct ckpt_id id,
              struct ckpt_value *value, struct bytes blobs)
{
    struct buf *scratch = &s->ctx->env->scratch;
    struct ckpt_value old = {0};
    struct ckpt_key key;
    ckpt_key(s, ns.bytes, id.bytes, &key);
    int err = plan_blobs(s, ns.bytes, blobs);
    if (err == 0)
        err = plan_name_blobs(s, ns.bytes, value->versions);
    value->ns_text = ns.text;
    value->state_bytes = value->state.size;
    const struct record *there = ckpt_find(s, &key);
    scratch->size = 0;
    if (err == 0)
        err = ckpt_encode(scratch, value, ns.bytes, id.bytes);
    struct bytes encoded = buf_bytes(scratch);
    if (err == 0 && there != NULL && ckpt_decode(record_value(there), &old) == 0)
        err = ckpt_release(s, ns.bytes, &old);
    s->checkpoints += there == NULL;
    return err != 0 ? err : ckpt_put(s, &key, id.text, encoded);
}
