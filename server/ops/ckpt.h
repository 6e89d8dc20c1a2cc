/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the handlers of ckpt.* share: sessions in a transaction, keys and values of their records.
 *
 *   ckpt_open        lock the partition of the session, read its record
 *   ckpt_key, ...    where records of it are
 *   ckpt_plan_...    plan changes; counts of the session go along
 *   ckpt_close       plan the record of the session itself; ckpt_commit: and commit
 *
 * Layout of keys, behind the prefix of the group (server/store/group.h); "x" is a size byte and so
 * many bytes:
 *
 *   ckpt    "ns" id                      id last, so that order is byte order of ids
 *   blob    "ns" "channel" version       version as MessagePack in its shortest form
 *   write   "ns" "id" task 00 00 idx     00 in the task as 00 ff; idx + 2^31 in 4 bytes
 *   note    "ns" "id" number             8 bytes; big-endian, as all numbers in keys
 *
 * Values are MessagePack, but blobs and pieces begin with a count of who names
 * them (record_count).
 */
#pragma once

#include "server/ops/ckpt_state.h"
#include "server/ops/ops.h"
#include "server/store/group.h"

enum {
    CKPT_ID_MAX = 255,
    CKPT_TEXT_MAX = 4096, /* bytes of a name or the meta of a session */
    CKPT_TAGS_MAX = 64,
    CKPT_KEY_MAX = GROUP_PREFIX_MAX + 2 * (1 + CKPT_ID_MAX) + 2 * CKPT_ID_MAX + 16,
};

/* ---- sessions ---- */

struct ckpt_session {
    struct op_ctx *ctx;
    struct record_key key; /* kind session; the bytes are the request's */
    uint64_t hash;
    const struct record *record; /* as it stands; NULL: there is none */
    bool text;
    struct group group;
    uint8_t prefix[GROUP_PREFIX_MAX];
    size_t prefix_size;
    /* its fields; name and meta are encoded */
    uint64_t number, created_at, last_at, ttl_ms, min_interval_ms, checkpoints, bytes;
    bool delta;
    struct bytes name, meta;
    uint64_t spare;                   /* its generation, for the first checkpoint of a new one */
    uint8_t planned[CKPT_HASH_BYTES]; /* manifest of the checkpoint planned last, if any was */
    bool has_planned;
};

/* Lock the partition of this session and read it; `need`: bytes a write may add (0: reads and
 * deletes). 0 (->record is NULL if there is none), TXN_RETRY, or an error. */
MUST_USE int ckpt_open(struct op_ctx *ctx, const struct arg *session, uint64_t need,
                       struct ckpt_session *out);

/* The same for a partition that is locked already, by name. */
MUST_USE int ckpt_read_session(struct op_ctx *ctx, struct bytes name, struct ckpt_session *out);

/* Make it a new session, if there is none. 0 or ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_begin_session(struct ckpt_session *s);

/* NOT_FOUND unless there is one. */
MUST_USE int ckpt_must_exist(struct ckpt_session *s);

/* Plan its record; its number becomes the last one given away. */
MUST_USE int ckpt_close(struct ckpt_session *s);

/* The same, and commit: for less, as nothing can come between. *out_version may be NULL. */
MUST_USE int ckpt_commit(struct ckpt_session *s, uint64_t *out_version);

void ckpt_reply_session(struct op_ctx *ctx, const struct ckpt_session *s, uint64_t version);

/* ---- keys ---- */

struct ckpt_key {
    struct record_key key; /* of `bytes` */
    uint64_t hash;
    uint8_t bytes[CKPT_KEY_MAX];
};

/* A part of a key as it came. */
struct ckpt_id {
    struct bytes bytes;
    bool text;
};

/* An id or namespace of a request: at most CKPT_ID_MAX bytes, else an error with ctx->problem. */
MUST_USE int ckpt_id_arg(struct op_ctx *ctx, const struct arg *arg, const char *what,
                         struct ckpt_id *out);

/* Keys of one session. All fill in *out; the parts are at most CKPT_ID_MAX bytes. */
void ckpt_key(const struct ckpt_session *s, struct bytes ns, struct bytes id, struct ckpt_key *out);
void ckpt_blob_key(const struct ckpt_session *s, struct bytes ns, struct bytes channel,
                   struct bytes version, struct ckpt_key *out);
void ckpt_write_key(const struct ckpt_session *s, struct bytes ns, struct bytes id,
                    struct bytes task, int32_t idx, struct ckpt_key *out);
/* Of the key of a write: that of another of the same task. */
void ckpt_write_key_at(const struct ckpt_session *s, int32_t idx, struct ckpt_key *key);
void ckpt_note_key(const struct ckpt_session *s, struct bytes ns, struct bytes id, uint64_t number,
                   struct ckpt_key *out);
/* What all writes or notes of a checkpoint begin with. */
void ckpt_of_key(const struct ckpt_session *s, enum record_kind kind, struct bytes ns,
                 struct bytes id, struct ckpt_key *out);
/* What all checkpoints of a namespace begin with; and the first key behind all that begin so. */
void ckpt_ns_key(const struct ckpt_session *s, struct bytes ns, struct ckpt_key *out);
void ckpt_key_after(struct ckpt_key *key);

/* Of what stands behind the prefix. */
void ckpt_raw_key(const struct ckpt_session *s, enum record_kind kind, struct bytes rest,
                  struct ckpt_key *out);

/* Namespace and id in the key of a checkpoint, or of a note, with its number. False: malformed. */
bool ckpt_key_parts(struct bytes key, struct bytes *out_ns, struct bytes *out_id);
bool ckpt_note_parts(struct bytes key, struct bytes *out_ns, struct bytes *out_id,
                     uint64_t *out_number);

/* Where pieces of states are; of a session with delta. */
struct ckpt_space ckpt_space(const struct ckpt_session *s);

/* ---- values ---- */

/* A checkpoint. Views of encoded values, none of them empty; nil is one byte. */
struct ckpt_value {
    uint64_t number, created_at;
    bool ns_text;
    struct bytes parent, message, tags, trigger, metadata, checkpoint, versions;
    struct bytes state;    /* or nil, and: */
    struct bytes manifest; /* the hash under which it is stored in pieces; empty: it is not */
    uint64_t state_bytes;
};

/* Add the value to `out`, with the checksum over the parts of the key and all of it. 0 or
 * ERR_OUT_OF_MEMORY. */
MUST_USE int ckpt_encode(struct buf *out, const struct ckpt_value *value, struct bytes ns,
                         struct bytes id);

/* Read one. 0 or ERR_DATA_DAMAGED. */
MUST_USE int ckpt_decode(struct bytes from, struct ckpt_value *out);

/* The manifest in the value of a blob that is kept in pieces: [channel, version, type, hash, size]
 * instead of [channel, version, type, bytes], behind the count. None if it is not. */
struct bytes ckpt_blob_manifest(struct bytes value);

/* Add the checksum of the row of a blob, which was added to `out` from `start` on. */
MUST_USE int ckpt_seal_blob(struct buf *out, size_t start);

/* The row of a blob that was saved: [channel, version, type, bytes], or as above. False: it is not
 * what its checksum is of. */
MUST_USE bool ckpt_blob_row(struct bytes value, struct bytes *out_row);

/* The value of a write or note in a buffer of its own: begin, add the row (an array), end. */
MUST_USE int ckpt_row_begin(struct buf *out);
struct bytes ckpt_row_end(struct buf *out);

/* The row of a write or note. False: it is none, or not what its checksum is of. */
MUST_USE bool ckpt_row(struct bytes value, enum record_kind kind, struct bytes *out_row);

/* Is a record of any kind, by itself, what its checksum is of? True for kinds without one. */
bool ckpt_record_holds(const struct record_spec *spec);

/* Is the checksum right? */
bool ckpt_checksum_holds(struct bytes value, struct bytes ns, struct bytes id);

/* ---- checkpoints in a transaction ---- */

/* Find; and plan a record of the session, counting its bytes. */
const struct record *ckpt_find(struct ckpt_session *s, const struct ckpt_key *key);
MUST_USE int ckpt_put(struct ckpt_session *s, const struct ckpt_key *key, bool text,
                      struct bytes value);
/* The same where the last ckpt_find was of this key, and found `there`. */
MUST_USE int ckpt_put_over(struct ckpt_session *s, const struct ckpt_key *key, bool text,
                           struct bytes value, const struct record *there);
/* Watches are told this of the key, which is copied. */
MUST_USE int ckpt_note(struct ckpt_session *s, const struct record_key *key, bool text,
                       enum event event);
/* Plan the deletion of a record found by an iterator or ckpt_find. */
MUST_USE int ckpt_del(struct ckpt_session *s, const struct record *record);

/* Plan a checkpoint: blobs (encoded rows) that are new, what it names, itself; value->state is
 * stored as the session stores states. One with this id is replaced. */
MUST_USE int ckpt_plan(struct ckpt_session *s, struct ckpt_id ns, struct ckpt_id id,
                       struct ckpt_value *value, struct bytes blobs);

/* The checkpoint with the greatest id in a namespace, or NULL. Knows nothing of what is planned. */
const struct record *ckpt_latest(const struct ckpt_session *s, struct bytes ns);

/* Plan the deletion of a checkpoint with all that belongs to it. */
MUST_USE int ckpt_plan_delete(struct ckpt_session *s, const struct record *record);

/* What it names, blobs and pieces, is named by one less. */
MUST_USE int ckpt_release(struct ckpt_session *s, struct bytes ns, const struct ckpt_value *value);

/* What of a checkpoint is replied. */
struct ckpt_show {
    bool state, blobs, writes, notes;
    const struct arg *channels; /* an array: of blobs and writes only these; NULL: all */
};

/* Write a checkpoint as a map. ERR_DATA_DAMAGED with ctx->problem if it cannot be read. */
MUST_USE int ckpt_reply(struct ckpt_session *s, const struct record *record,
                        const struct ckpt_show *show);

/* Add the state, encoded, to `out`. */
MUST_USE int ckpt_read_state(struct ckpt_session *s, const struct ckpt_value *value,
                             struct buf *out);

/* Can everything that is stored beside it be read, and is what has a checksum what was saved? */
bool ckpt_verify(struct ckpt_session *s, struct bytes ns, struct bytes id,
                 const struct ckpt_value *value);

/* Add a blob that was saved, as [channel, version, type, bytes], to `out`. */
MUST_USE int ckpt_read_blob(struct ckpt_session *s, const struct record *record, struct buf *out);

/* Answer DATA_DAMAGED. */
int ckpt_damaged(struct op_ctx *ctx, const char *what);

/* The channel and version at the front of an array [channel, version ...] whose header was read:
 * what the key of the blob needs. False: it is not that. */
enum { CKPT_VERSION_MAX = 2 + CKPT_ID_MAX };
bool ckpt_read_version(struct mp_reader *reader, struct bytes *out_channel,
                       uint8_t out_version[static CKPT_VERSION_MAX], size_t *out_size);

/* Elements of an array argument that was checked: the reader behind its header. */
struct mp_reader ckpt_array(struct bytes encoded, uint32_t *out_count);

/* After recovery, before anybody is served: count who names blobs and pieces. */
void ckpt_recount(struct store *store);
