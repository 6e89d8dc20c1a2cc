/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The typed kv calls of cairn.h.
 *
 * How: each packs its params straight behind the head of the request in the connection's output
 * buffer, and reads the result as views of its input buffer. Nothing is copied twice.
 *
 * Invariants: outputs are written only once the whole result has been understood, but for mget,
 * which clears its records first.
 * Threads: as the connection.
 * Failures: a result of another shape than docs/commands.md promises is CAIRN_PROTOCOL; the
 * connection stays open, because the stream itself is sound.
 */
#include "client/lib/client.h"
#include "client/lib/fault.h"
#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"

static int kv_unexpected(struct cairn *c)
{
    return fault_set(&c->error, CAIRN_PROTOCOL, "the result is not what this operation returns");
}

static int kv_pack_bytes(struct buf *out, struct cairn_bytes bytes)
{
    return pack_bin(out, client_bytes(bytes));
}

static int kv_name(struct buf *out, const char *name)
{
    return pack_str(out, bytes_of(name));
}

/* Options of a request; those that are not given are left out. */
static int kv_option_uint(struct buf *out, const char *name, uint64_t value, bool given)
{
    int err = given ? kv_name(out, name) : 0;
    return err != 0 || !given ? err : pack_uint(out, value);
}

static int kv_option_flag(struct buf *out, const char *name, bool given)
{
    int err = given ? kv_name(out, name) : 0;
    return err != 0 || !given ? err : pack_bool(out, true);
}

static int kv_option_bytes(struct buf *out, const char *name, struct cairn_bytes bytes)
{
    int err = bytes.size > 0 ? kv_name(out, name) : 0;
    return err != 0 || bytes.size == 0 ? err : kv_pack_bytes(out, bytes);
}

/* A call with only a key. */
static int kv_call_key(struct cairn *c, const char *method, struct cairn_bytes key,
                       struct mp *out_result)
{
    uint32_t msgid;
    struct bytes result;
    int status = client_begin(c, method, &msgid);
    if (status != 0)
        return status;
    int err = pack_array(&c->link.out, 1);
    if (err == 0)
        err = kv_pack_bytes(&c->link.out, key);
    status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    struct mp_reader reader = mp_reader_of(result);
    return mp_read(&reader, out_result) != 0 ? kv_unexpected(c) : 0;
}

/* The result of a request as one unsigned number. */
static int kv_finish_uint(struct cairn *c, int err, uint32_t msgid, uint64_t *out_number)
{
    struct bytes result;
    struct mp mp;
    int status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    struct mp_reader reader = mp_reader_of(result);
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_UINT)
        return kv_unexpected(c);
    if (out_number != NULL)
        *out_number = mp.uint;
    return 0;
}

/* true or false as CAIRN_OK or CAIRN_ABSENT. */
static int kv_presence(struct cairn *c, const struct mp *mp)
{
    if (mp->kind != MP_BOOL)
        return kv_unexpected(c);
    return mp->boolean ? CAIRN_OK : CAIRN_ABSENT;
}

/* [.. value, version, ttl_ms] once its header and key were read. */
static bool kv_read_record(struct mp_reader *reader, struct cairn_record *out)
{
    struct mp value, version, ttl;
    struct mp_reader peek = *reader;
    const uint8_t *start = reader->at;
    if (mp_read(&peek, &value) != 0 || frame_skip(reader) != 0)
        return false;
    struct bytes packed = {start, (size_t)(reader->at - start)};
    if (mp_read(reader, &version) != 0 || mp_read(reader, &ttl) != 0 || version.kind != MP_UINT ||
        (ttl.kind != MP_UINT && ttl.kind != MP_NIL))
        return false;
    *out = (struct cairn_record){
        .present = true,
        .has_bytes = value.kind == MP_STR || value.kind == MP_BIN,
        .packed = client_public(packed),
        .version = version.uint,
        .ttl_ms = ttl.kind == MP_NIL || ttl.uint > INT64_MAX ? -1 : ttl.sint,
    };
    if (out->has_bytes)
        out->bytes = client_public(value.bytes);
    return true;
}

/* nil, or [value, version, ttl_ms]. */
static bool kv_read_optional(struct mp_reader *reader, struct cairn_record *out)
{
    struct mp head;
    if (mp_read(reader, &head) != 0)
        return false;
    if (head.kind == MP_NIL) {
        *out = (struct cairn_record){.ttl_ms = -1};
        return true;
    }
    return head.kind == MP_ARRAY && head.count == 3 && kv_read_record(reader, out);
}

int cairn_kv_get_record(struct cairn *c, struct cairn_bytes key, struct cairn_record *out_record)
{
    uint32_t msgid;
    struct bytes result;
    struct cairn_record record;
    int status = client_begin(c, "kv.get", &msgid);
    if (status != 0)
        return status;
    struct buf *out = &c->link.out;
    int err = pack_array(out, 2);
    (void)(err == 0 && (err = kv_pack_bytes(out, key)) == 0 && (err = pack_map(out, 1)) == 0 &&
           (err = kv_option_flag(out, "with_version", true)) == 0);
    status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    struct mp_reader reader = mp_reader_of(result);
    if (!kv_read_optional(&reader, &record))
        return kv_unexpected(c);
    if (!record.present)
        return CAIRN_ABSENT;
    *out_record = record;
    return CAIRN_OK;
}

int cairn_kv_get(struct cairn *c, struct cairn_bytes key, struct cairn_bytes *out_value)
{
    struct cairn_record record;
    int status = cairn_kv_get_record(c, key, &record);
    if (status != CAIRN_OK)
        return status;
    if (!record.has_bytes)
        return fault_set(&c->error, CAIRN_WRONG_TYPE,
                         "the value is not a str or bin; use cairn_kv_get_packed");
    *out_value = record.bytes;
    return CAIRN_OK;
}

int cairn_kv_get_packed(struct cairn *c, struct cairn_bytes key, struct cairn_bytes *out_packed)
{
    struct cairn_record record;
    int status = cairn_kv_get_record(c, key, &record);
    if (status == CAIRN_OK)
        *out_packed = record.packed;
    return status;
}

/* The result of mget: an array of `count` records. */
static bool kv_read_records(struct bytes result, size_t count, struct cairn_record *out)
{
    struct mp_reader reader = mp_reader_of(result);
    struct mp head;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY || head.count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!kv_read_optional(&reader, &out[i]))
            return false;
    return true;
}

int cairn_kv_mget(struct cairn *c, const struct cairn_bytes *keys, size_t count,
                  struct cairn_record *out_records)
{
    uint32_t msgid;
    struct bytes result;
    int status = client_begin(c, "kv.mget", &msgid);
    if (status != 0)
        return status;
    struct buf *out = &c->link.out;
    int err = pack_array(out, 2);
    if (err == 0)
        err = pack_array(out, count);
    for (size_t i = 0; i < count && err == 0; i++)
        err = kv_pack_bytes(out, keys[i]);
    (void)(err == 0 && (err = pack_map(out, 1)) == 0 &&
           (err = kv_option_flag(out, "with_version", true)) == 0);
    status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    for (size_t i = 0; i < count; i++)
        out_records[i] = (struct cairn_record){.ttl_ms = -1};
    return kv_read_records(result, count, out_records) ? CAIRN_OK : kv_unexpected(c);
}

static int kv_put_options(struct buf *out, const struct cairn_put_options *o)
{
    size_t count = (o->ttl_ms > 0) + (o->expires_at_ms > 0) + (size_t)o->keep_ttl + o->if_absent +
                   o->if_exists + o->has_if_version;
    int err = pack_map(out, count);
    (void)(err == 0 && (err = kv_option_uint(out, "ttl_ms", o->ttl_ms, o->ttl_ms > 0)) == 0 &&
           (err = kv_option_uint(out, "expires_at_ms", o->expires_at_ms, o->expires_at_ms > 0)) ==
               0 &&
           (err = kv_option_flag(out, "keep_ttl", o->keep_ttl)) == 0 &&
           (err = kv_option_flag(out, "if_absent", o->if_absent)) == 0 &&
           (err = kv_option_flag(out, "if_exists", o->if_exists)) == 0 &&
           (err = kv_option_uint(out, "if_version", o->if_version, o->has_if_version)) == 0);
    return err;
}

/* kv.put with a value that is packed already (raw) or bytes. */
static int kv_put(struct cairn *c, struct cairn_bytes key, struct cairn_bytes value, bool raw,
                  const struct cairn_put_options *options, uint64_t *out_version)
{
    static const struct cairn_put_options none = {0};
    uint32_t msgid;
    int status = client_begin(c, "kv.put", &msgid);
    if (status != 0)
        return status;
    struct buf *out = &c->link.out;
    int err = pack_array(out, 3);
    if (err == 0)
        err = kv_pack_bytes(out, key);
    if (err == 0)
        err = raw ? buf_append(out, value.data, value.size) : kv_pack_bytes(out, value);
    if (err == 0)
        err = kv_put_options(out, options != NULL ? options : &none);
    return kv_finish_uint(c, err, msgid, out_version);
}

int cairn_kv_put(struct cairn *c, struct cairn_bytes key, struct cairn_bytes value,
                 const struct cairn_put_options *options, uint64_t *out_version)
{
    return kv_put(c, key, value, false, options, out_version);
}

int cairn_kv_put_packed(struct cairn *c, struct cairn_bytes key, struct cairn_bytes packed,
                        const struct cairn_put_options *options, uint64_t *out_version)
{
    if (!frame_is_one(client_bytes(packed)))
        return fault_set(&c->error, CAIRN_BAD_ARGUMENT,
                         "the value must be one packed MessagePack value");
    return kv_put(c, key, packed, true, options, out_version);
}

int cairn_kv_cas(struct cairn *c, struct cairn_bytes key, uint64_t expected,
                 struct cairn_bytes value, uint64_t ttl_ms, uint64_t *out_version)
{
    uint32_t msgid;
    int status = client_begin(c, "kv.cas", &msgid);
    if (status != 0)
        return status;
    struct buf *out = &c->link.out;
    int err = pack_array(out, 4);
    (void)(err == 0 && (err = kv_pack_bytes(out, key)) == 0 &&
           (err = pack_uint(out, expected)) == 0 && (err = kv_pack_bytes(out, value)) == 0 &&
           (err = pack_map(out, ttl_ms > 0)) == 0 &&
           (err = kv_option_uint(out, "ttl_ms", ttl_ms, ttl_ms > 0)) == 0);
    return kv_finish_uint(c, err, msgid, out_version);
}

static int kv_pack_pairs(struct buf *out, const struct cairn_pair *pairs, size_t count)
{
    int err = pack_array(out, count);
    for (size_t i = 0; i < count && err == 0; i++)
        (void)((err = pack_array(out, 2)) == 0 && (err = kv_pack_bytes(out, pairs[i].key)) == 0 &&
               (err = kv_pack_bytes(out, pairs[i].value)) == 0);
    return err;
}

int cairn_kv_mput(struct cairn *c, const struct cairn_pair *pairs, size_t count, uint64_t ttl_ms,
                  uint64_t *out_version)
{
    uint32_t msgid;
    int status = client_begin(c, "kv.mput", &msgid);
    if (status != 0)
        return status;
    struct buf *out = &c->link.out;
    int err = pack_array(out, 2);
    (void)(err == 0 && (err = kv_pack_pairs(out, pairs, count)) == 0 &&
           (err = pack_map(out, ttl_ms > 0)) == 0 &&
           (err = kv_option_uint(out, "ttl_ms", ttl_ms, ttl_ms > 0)) == 0);
    return kv_finish_uint(c, err, msgid, out_version);
}

int cairn_kv_del(struct cairn *c, struct cairn_bytes key)
{
    struct mp mp;
    int status = kv_call_key(c, "kv.del", key, &mp);
    return status != 0 ? status : kv_presence(c, &mp);
}

/* A call with a key and, in a map or as it is, one number; the result is true or false. */
static int kv_call_number(struct cairn *c, const char *method, struct cairn_bytes key,
                          const char *option, uint64_t number)
{
    uint32_t msgid;
    struct bytes result;
    struct mp mp;
    int status = client_begin(c, method, &msgid);
    if (status != 0)
        return status;
    struct buf *out = &c->link.out;
    int err = pack_array(out, 2);
    (void)(err == 0 && (err = kv_pack_bytes(out, key)) == 0 && (err = pack_map(out, 1)) == 0 &&
           (err = kv_option_uint(out, option, number, true)) == 0);
    status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    struct mp_reader reader = mp_reader_of(result);
    return mp_read(&reader, &mp) != 0 ? kv_unexpected(c) : kv_presence(c, &mp);
}

int cairn_kv_del_if(struct cairn *c, struct cairn_bytes key, uint64_t version)
{
    return kv_call_number(c, "kv.del", key, "if_version", version);
}

int cairn_kv_expire(struct cairn *c, struct cairn_bytes key, uint64_t ttl_ms)
{
    return kv_call_number(c, "kv.expire", key, "ttl_ms", ttl_ms);
}

int cairn_kv_exists(struct cairn *c, struct cairn_bytes key)
{
    struct mp mp;
    int status = kv_call_key(c, "kv.exists", key, &mp);
    return status != 0 ? status : kv_presence(c, &mp);
}

int cairn_kv_incr(struct cairn *c, struct cairn_bytes key, int64_t delta, int64_t *out_number)
{
    uint32_t msgid;
    struct bytes result;
    struct mp mp;
    int status = client_begin(c, "kv.incr", &msgid);
    if (status != 0)
        return status;
    int err = pack_array(&c->link.out, 2);
    (void)(err == 0 && (err = kv_pack_bytes(&c->link.out, key)) == 0 &&
           (err = pack_int(&c->link.out, delta)) == 0);
    status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    struct mp_reader reader = mp_reader_of(result);
    if (mp_read(&reader, &mp) != 0 ||
        !(mp.kind == MP_SINT || (mp.kind == MP_UINT && mp.uint <= INT64_MAX)))
        return kv_unexpected(c);
    if (out_number != NULL)
        *out_number = mp.sint;
    return CAIRN_OK;
}

int cairn_kv_ttl(struct cairn *c, struct cairn_bytes key, int64_t *out_ttl_ms)
{
    struct mp mp;
    int status = kv_call_key(c, "kv.ttl", key, &mp);
    if (status != 0)
        return status;
    if (mp.kind == MP_NIL)
        return CAIRN_ABSENT;
    if (mp.kind != MP_SINT && (mp.kind != MP_UINT || mp.uint > INT64_MAX))
        return kv_unexpected(c);
    *out_ttl_ms = mp.sint;
    return CAIRN_OK;
}

static int kv_pack_scan(struct buf *out, const struct cairn_scan_options *o,
                        struct cairn_bytes cursor)
{
    int err = pack_array(out, 1);
    if (err == 0)
        err = pack_map(out, 1u + (o->prefix.size > 0) + (o->from.size > 0) + (o->to.size > 0) +
                                (o->limit > 0) + (size_t)o->reverse + (cursor.size > 0));
    (void)(err == 0 && (err = kv_option_flag(out, "with_version", true)) == 0 &&
           (err = kv_option_bytes(out, "prefix", o->prefix)) == 0 &&
           (err = kv_option_bytes(out, "from", o->from)) == 0 &&
           (err = kv_option_bytes(out, "to", o->to)) == 0 &&
           (err = kv_option_uint(out, "limit", o->limit, o->limit > 0)) == 0 &&
           (err = kv_option_flag(out, "reverse", o->reverse)) == 0 &&
           (err = kv_option_bytes(out, "cursor", cursor)) == 0);
    return err;
}

/* Check the items of a page, so that cairn_page_next need not fail. */
static bool kv_check_items(struct mp_reader reader, uint32_t count, struct bytes *out_rest)
{
    const uint8_t *start = reader.at;
    for (uint32_t i = 0; i < count; i++) {
        struct cairn_record record;
        struct bytes key;
        struct mp head;
        bool text;
        if (mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY || head.count != 4 ||
            mp_read_bytes(&reader, &key, &text) != 0 || !kv_read_record(&reader, &record))
            return false;
    }
    *out_rest = (struct bytes){start, (size_t)(reader.at - start)};
    return true;
}

/* {items, cursor} */
static bool kv_read_page(struct bytes result, struct cairn_page *out)
{
    struct mp_reader reader = mp_reader_of(result);
    struct cairn_page page = {0};
    struct mp head, value;
    struct bytes key, rest;
    bool text, has_items = false;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return false;
        struct mp_reader peek = reader;
        if (mp_read(&peek, &value) != 0 || frame_skip(&reader) != 0)
            return false;
        if (bytes_equal(key, bytes_of("items"))) {
            if (value.kind != MP_ARRAY || !kv_check_items(peek, value.count, &rest))
                return false;
            page.count = value.count;
            page.rest_ = client_public(rest);
            has_items = true;
        } else if (bytes_equal(key, bytes_of("cursor")) &&
                   (value.kind == MP_STR || value.kind == MP_BIN)) {
            page.cursor = client_public(value.bytes);
        }
    }
    if (has_items)
        *out = page;
    return has_items;
}

int cairn_kv_scan(struct cairn *c, const struct cairn_scan_options *options,
                  struct cairn_bytes cursor, struct cairn_page *out_page)
{
    static const struct cairn_scan_options none = {0};
    uint32_t msgid;
    struct bytes result;
    int status = client_begin(c, "kv.scan", &msgid);
    if (status != 0)
        return status;
    int err = kv_pack_scan(&c->link.out, options != NULL ? options : &none, cursor);
    status = client_finish(c, err, msgid, &result);
    if (status != 0)
        return status;
    return kv_read_page(result, out_page) ? CAIRN_OK : kv_unexpected(c);
}

bool cairn_page_next(struct cairn_page *page, struct cairn_bytes *out_key,
                     struct cairn_record *out_record)
{
    struct mp_reader reader = mp_reader_of(client_bytes(page->rest_));
    struct cairn_record record;
    struct bytes key;
    struct mp head;
    bool text;
    if (page->count == 0 || mp_read(&reader, &head) != 0 ||
        mp_read_bytes(&reader, &key, &text) != 0 || !kv_read_record(&reader, &record))
        return false;
    page->count--;
    page->rest_ = (struct cairn_bytes){reader.at, (size_t)(reader.end - reader.at)};
    *out_key = client_public(key);
    *out_record = record;
    return true;
}
