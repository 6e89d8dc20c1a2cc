/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing and verifying files of checkpoints: see ckpt_file.h.
 *
 * How: the header is the same bytes in every file. A file is read value by value, lines of JSON
 * being packed first, up to the trailer, which must be its end; then count and checksum are
 * compared. So damage is told by its place where the form shows it, else by the checksum.
 *
 * Invariants: nothing of a file is handed out before all of it was verified.
 * Threads: pure but for the FILE. Failures: no memory; what is wrong with a file, as a sentence.
 */
#include "client/cli/ckpt_file.h"

#include "client/cli/json.h"
#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <inttypes.h>
#include <openssl/evp.h>

enum { FILE_HASH = 32, FILE_HEX = 2 * FILE_HASH, FILE_LINE_SHOWN = 200, FILE_DEPTH = 32 };

static const char file_json_head[] = "{\"format\": \"cairn-checkpoints\", \"version\": 1}\n";
static const char file_head[] = "\x82\xa6"
                                "format\xb1"
                                "cairn-checkpoints\xa7"
                                "version\x01";

/* ---- checksums ---- */

static int file_digest_end(EVP_MD_CTX *digest, char out_hex[static FILE_HEX + 1])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestFinal_ex(digest, hash, &size) != 1 || size != FILE_HASH)
        return ERR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < size; i++)
        snprintf(out_hex + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

static EVP_MD_CTX *file_digest_begin(void)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1)
        return digest;
    EVP_MD_CTX_free(digest);
    return NULL;
}

static int file_checksum(struct bytes bytes, char out_hex[static FILE_HEX + 1])
{
    EVP_MD_CTX *digest = file_digest_begin();
    int err = digest != NULL && EVP_DigestUpdate(digest, bytes.data, bytes.size) == 1
                  ? file_digest_end(digest, out_hex)
                  : ERR_OUT_OF_MEMORY;
    EVP_MD_CTX_free(digest);
    return err;
}

/* ---- writing ---- */

static int writer_put(struct ckpt_writer *writer, const void *data, size_t size)
{
    fwrite(data, 1, size, writer->out);
    return EVP_DigestUpdate(writer->digest, data, size) == 1 ? 0 : ERR_OUT_OF_MEMORY;
}

int ckpt_writer_begin(struct ckpt_writer *writer, FILE *out, bool json)
{
    *writer = (struct ckpt_writer){.out = out, .json = json, .digest = file_digest_begin()};
    if (writer->digest == NULL)
        return ERR_OUT_OF_MEMORY;
    return json ? writer_put(writer, file_json_head, strlen(file_json_head))
                : writer_put(writer, file_head, sizeof file_head - 1);
}

/* A value as it stands in the file, in writer->line if it had to be made. */
static int writer_form(struct ckpt_writer *writer, struct bytes packed, struct bytes *out)
{
    *out = packed;
    if (!writer->json)
        return 0;
    writer->line.size = 0;
    int err = json_out_exact(packed, &writer->line);
    if (err == 0)
        err = buf_append(&writer->line, "\n", 1);
    *out = buf_bytes(&writer->line);
    return err;
}

int ckpt_writer_add(struct ckpt_writer *writer, struct bytes packed)
{
    struct bytes form;
    int err = writer_form(writer, packed, &form);
    writer->count++;
    return err != 0 ? err : writer_put(writer, form.data, form.size);
}

static int writer_pack_end(const struct ckpt_writer *writer, const char *hex, struct buf *out)
{
    int err = pack_map(out, 2);
    (void)(err == 0 && (err = pack_str(out, bytes_of("sha256"))) == 0 &&
           (err = pack_str(out, bytes_of(hex))) == 0 &&
           (err = pack_str(out, bytes_of("count"))) == 0 &&
           (err = pack_uint(out, writer->count)) == 0);
    return err;
}

int ckpt_writer_end(struct ckpt_writer *writer)
{
    char hex[FILE_HEX + 1];
    struct buf packed;
    struct bytes form;
    buf_init(&packed);
    int err = file_digest_end(writer->digest, hex);
    if (err == 0)
        err = writer_pack_end(writer, hex, &packed);
    if (err == 0)
        err = writer_form(writer, buf_bytes(&packed), &form);
    if (err == 0)
        fwrite(form.data, 1, form.size, writer->out);
    buf_deinit(&packed);
    return err;
}

void ckpt_writer_deinit(struct ckpt_writer *writer)
{
    EVP_MD_CTX_free(writer->digest);
    buf_deinit(&writer->line);
}

/* ---- looking at values ---- */

/* What the trailer says. */
struct file_end {
    struct bytes sha256;
    uint64_t count;
};

/* {"sha256": str, "count": number} */
static bool file_is_end(struct bytes packed, struct file_end *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes key;
    struct mp mp;
    bool text;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_MAP || mp.count != 2 ||
        mp_read_bytes(&reader, &key, &text) != 0 || !bytes_equal(key, bytes_of("sha256")) ||
        mp_read_bytes(&reader, &out->sha256, &text) != 0 ||
        mp_read_bytes(&reader, &key, &text) != 0 || !bytes_equal(key, bytes_of("count")) ||
        mp_read(&reader, &mp) != 0 || mp.kind != MP_UINT)
        return false;
    out->count = mp.uint;
    return true;
}

bool ckpt_file_item(struct bytes packed, struct bytes *out_session, bool *out_checkpoint)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes key;
    struct mp mp;
    bool text;
    *out_session = BYTES_NONE;
    *out_checkpoint = false;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < mp.count; i++) {
        if (mp_read_bytes(&reader, &key, &text) != 0)
            return false;
        *out_checkpoint = *out_checkpoint || bytes_equal(key, bytes_of("id"));
        if (bytes_equal(key, bytes_of("session")) ? mp_read_bytes(&reader, out_session, &text) != 0
                                                  : mp_skip(&reader, FILE_DEPTH) != 0)
            return false;
    }
    return out_session->size > 0;
}

/* ---- reading ---- */

/* A file that is being verified. */
struct file_check {
    struct bytes bytes;
    bool json;
    size_t at;       /* of the value that is looked at */
    uint64_t number; /* of it: the line, or the value, from 1 */
    struct ckpt_file *file;
    struct file_end end;
    size_t end_at; /* where the trailer begins; 0: it was not met */
    struct usage *usage;
};

/* Tell what is wrong with the value, and where it is. */
static int file_wrong(struct file_check *c, const char *what)
{
    if (c->json)
        return usage_set(c->usage, "line %" PRIu64 " (byte %zu): %s", c->number, c->at, what);
    return usage_set(c->usage, "byte %zu (item %" PRIu64 "): %s", c->at, c->number - 1, what);
}

/* One value of the file, packed. */
static int file_value(struct file_check *c, struct bytes packed)
{
    struct ckpt_file *file = c->file;
    struct bytes session;
    bool checkpoint;
    if (file_is_end(packed, &c->end)) {
        c->end_at = c->at;
        return 0;
    }
    if (!ckpt_file_item(packed, &session, &checkpoint))
        return file_wrong(c, "neither a session nor a checkpoint");
    file->count++;
    if (packed.size > file->largest) {
        file->largest = packed.size;
        file->which = file->count;
    }
    return 0;
}

/* The next line: packed behind file->buf, where items stay. *out_size: its bytes in the file. */
static int file_line(struct file_check *c, struct bytes rest, size_t *out_size)
{
    struct buf *buf = &c->file->buf;
    struct usage why;
    const uint8_t *end = memchr(rest.data, '\n', rest.size);
    size_t mark = buf->size;
    if (end == NULL)
        return file_wrong(c, "the file is cut inside of it");
    *out_size = (size_t)(end - rest.data) + 1;
    int err = json_in((struct bytes){rest.data, *out_size - 1}, buf, &why);
    if (err == ERR_OUT_OF_MEMORY)
        return err;
    if (err != 0) {
        char text[FILE_LINE_SHOWN + 32];
        snprintf(text, sizeof text, "it is damaged: %.*s", FILE_LINE_SHOWN, why.text);
        return file_wrong(c, text);
    }
    err = file_value(c, (struct bytes){buf->data + mark, buf->size - mark});
    if (c->end_at > 0)
        buf->size = mark;
    return err;
}

/* The next packed value. */
static int file_packed(struct file_check *c, struct bytes rest, size_t *out_size)
{
    struct mp_reader reader = mp_reader_of(rest);
    int err = mp_skip(&reader, FILE_DEPTH);
    if (err == MP_MORE)
        return file_wrong(c, "the file is cut inside of it, or it is damaged");
    if (err != 0)
        return file_wrong(c, "it is damaged: not MessagePack");
    *out_size = (size_t)(reader.at - rest.data);
    return file_value(c, (struct bytes){rest.data, *out_size});
}

/* Does the file begin as its form does? Then go behind that. */
static int file_begin(struct file_check *c)
{
    const char *head = c->json ? file_json_head : file_head;
    size_t size = c->json ? strlen(file_json_head) : sizeof file_head - 1;
    size_t to_version = size - (c->json ? strlen("1}\n") : 1);
    struct bytes expected = {(const uint8_t *)head, size}, same = {expected.data, to_version};
    if (c->bytes.size == 0)
        return usage_set(c->usage, "it is empty");
    if (bytes_start_with(c->bytes, expected)) {
        c->at = size;
        return 0;
    }
    if (bytes_start_with(expected, c->bytes)) /* before the version: "1" may be the whole of it */
        return usage_set(c->usage, "byte %zu: it is cut", c->bytes.size);
    if (bytes_start_with(c->bytes, same))
        return usage_set(c->usage, "byte %zu: it has a version that this cairn cannot read",
                         to_version);
    return usage_set(c->usage, "byte 0: it is no export of checkpoints");
}

/* Count and checksum. */
static int file_compare(struct file_check *c)
{
    char hex[FILE_HEX + 1];
    if (c->end_at == 0)
        return usage_set(c->usage, "byte %zu: it is cut: the end with the checksum is missing",
                         c->bytes.size);
    if (c->at != c->bytes.size)
        return usage_set(c->usage, "byte %zu: something stands behind its end", c->at);
    if (c->end.count != c->file->count)
        return usage_set(c->usage, "it has %" PRIu64 " items, and should have %" PRIu64,
                         c->file->count, c->end.count);
    int err = file_checksum((struct bytes){c->bytes.data, c->end_at}, hex);
    if (err == 0 && !bytes_equal(c->end.sha256, bytes_of(hex)))
        err = usage_set(c->usage, "bytes 0 to %zu: they do not match their checksum", c->end_at);
    return err;
}

int ckpt_file_read(struct bytes bytes, struct ckpt_file *out, struct usage *usage)
{
    *out = (struct ckpt_file){.count = 0};
    struct file_check c = {.bytes = bytes, .number = 2, .file = out, .usage = usage};
    c.json = bytes.size > 0 && bytes.data[0] == '{';
    int err = file_begin(&c);
    size_t begin = c.at, size = 0;
    while (err == 0 && c.at < bytes.size && c.end_at == 0) {
        struct bytes rest = {bytes.data + c.at, bytes.size - c.at};
        err = c.json ? file_line(&c, rest, &size) : file_packed(&c, rest, &size);
        c.at += size;
        c.number++;
    }
    if (err == 0)
        err = file_compare(&c);
    out->items =
        c.json ? buf_bytes(&out->buf) : (struct bytes){bytes.data + begin, c.end_at - begin};
    if (err != 0)
        ckpt_file_deinit(out);
    return err;
}

void ckpt_file_deinit(struct ckpt_file *file)
{
    buf_deinit(&file->buf);
}
