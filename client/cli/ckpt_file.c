/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Verifying and reading files of checkpoints: see ckpt_file.h.
 *
 * How: the header is the same bytes in every file of a version. A file is read value by value,
 * lines of JSON being packed first, up to the trailer, which must be its end; then count and
 * checksum are compared. So damage is told by its place where the form shows it, else by the
 * checksum. Of each item its place is kept, and a part of its own checksum.
 *
 *   file --window--> raw --(JSON)--> packed --references--> item
 *
 * Invariants: nothing of a file is handed out before all of it was verified, or that is not what
 * was; references are followed once, as what they are to is bytes.
 * Threads: pure but for the file. Failures: no memory; what is wrong with a file, as a sentence.
 */
#include "client/cli/ckpt_file.h"

#include "client/cli/ckpt_item.h"
#include "client/cli/input.h"
#include "client/cli/json.h"
#include "common/err.h"
#include "common/mem.h"
#include "proto/mp.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>

enum {
    FILE_LINE_SHOWN = 200,
    FILE_STEP = 256 * 1024,
    FILE_TOLD = 1024, /* items */
    FILE_VERSION = 2,
    FILE_VALUE_MAX = INPUT_BYTES_MAX
};

static const char file_json_head[] = "{\"format\": \"cairn-checkpoints\", \"version\": 2}\n";
static const char file_json_tail[] = "}\n"; /* behind the version */
static const char file_head[] = "\x82\xa6"
                                "format\xb1"
                                "cairn-checkpoints\xa7"
                                "version\x02";

struct bytes ckpt_file_head(bool json)
{
    return json ? (struct bytes){(const uint8_t *)file_json_head, sizeof file_json_head - 1}
                : (struct bytes){(const uint8_t *)file_head, sizeof file_head - 1};
}

/* ---- checksums ---- */

void *ckpt_file_digest(void)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1)
        return digest;
    EVP_MD_CTX_free(digest);
    return NULL;
}

int ckpt_file_digest_end(void *digest, char out_hex[static CKPT_FILE_HEX + 1])
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestFinal_ex(digest, hash, &size) != 1 || size != CKPT_FILE_HASH)
        return ERR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < size; i++)
        snprintf(out_hex + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

/* ---- places ---- */

struct file_place {
    uint64_t at, sum; /* of the bytes in the file: where they begin; of their checksum a part */
};

static int file_sum(struct bytes raw, uint64_t *out)
{
    uint8_t hash[CKPT_FILE_HASH];
    if (EVP_Digest(raw.data, raw.size, hash, NULL, EVP_sha256(), NULL) != 1)
        return ERR_OUT_OF_MEMORY;
    memcpy(out, hash, sizeof *out);
    return 0;
}

static struct file_place file_place(const struct ckpt_file *file, uint64_t i)
{
    struct file_place place;
    memcpy(&place, file->places.data + (i - 1) * sizeof place, sizeof place);
    return place;
}

/* Tell what is wrong with item i, the values being counted with the header. */
static int file_wrong(const struct ckpt_file *file, uint64_t i, uint64_t at, const char *what)
{
    if (file->json)
        return usage_set(file->usage, "line %" PRIu64 " (byte %" PRIu64 "): %s", i + 1, at, what);
    return usage_set(file->usage, "byte %" PRIu64 " (item %" PRIu64 "): %s", at, i, what);
}

/* A value of the file, packed: in *packed if it had to be made. */
static int file_pack(struct ckpt_file *file, uint64_t i, uint64_t at, struct bytes raw,
                     struct buf *packed, struct bytes *out)
{
    struct usage why;
    *out = raw;
    if (!file->json)
        return 0;
    packed->size = 0;
    int err = json_in((struct bytes){raw.data, raw.size - 1}, packed, &why);
    *out = buf_bytes(packed);
    if (err == 0 || err == ERR_OUT_OF_MEMORY)
        return err;
    char text[FILE_LINE_SHOWN + 32];
    snprintf(text, sizeof text, "it is damaged: %.*s", FILE_LINE_SHOWN, why.text);
    return file_wrong(file, i, at, text);
}

/* Item i once more, as it stands in the file but packed: in file->line or file->packed. */
static int file_load(struct ckpt_file *file, uint64_t i, struct buf *packed, struct bytes *out)
{
    struct file_place place = file_place(file, i);
    uint64_t sum, items = file->places.size / sizeof place;
    uint64_t size = (i < items ? file_place(file, i + 1).at : file->end) - place.at;
    file->line.size = 0;
    int err = buf_reserve(&file->line, size);
    if (err == 0)
        err = input_file_read(file->input, place.at, file->line.data, size, file->usage);
    if (err == 0)
        err = file_sum((struct bytes){file->line.data, size}, &sum);
    if (err == 0 && sum != place.sum)
        err = file_wrong(file, i, place.at, "it was changed while it was read");
    return err != 0
               ? err
               : file_pack(file, i, place.at, (struct bytes){file->line.data, size}, packed, out);
}

/* ---- references ---- */

/* The bytes of a blob, packed, that a reference was to. */
struct file_kept {
    uint64_t item; /* 0: none */
    uint32_t row;
    struct buf bytes;
};

/* Forget all of them. */
static void file_keep_none(struct ckpt_file *file)
{
    for (unsigned i = 0; i < CKPT_FILE_SLOTS && file->kept != NULL; i++) {
        buf_deinit(&file->kept[i].bytes);
        file->kept[i].item = 0;
    }
    file->kept_bytes = 0;
}

static int file_keep(struct ckpt_file *file, struct file_kept *kept, uint64_t item, uint32_t row,
                     struct bytes bytes)
{
    if (file->kept_bytes + bytes.size > CKPT_FILE_KEPT)
        file_keep_none(file);
    file->kept_bytes -= kept->bytes.size;
    kept->item = 0;
    kept->bytes.size = 0;
    int err = buf_append(&kept->bytes, bytes.data, bytes.size);
    if (err != 0)
        return err;
    file->kept_bytes += bytes.size;
    kept->item = item;
    kept->row = row;
    return 0;
}

/* The bytes that stand there; none if none do. Views of what was kept. */
static int file_follow(struct ckpt_file *file, uint64_t item, uint64_t row, struct bytes *out)
{
    struct file_kept *kept = &file->kept[(item * 31 + row) % CKPT_FILE_SLOTS];
    struct ckpt_item there;
    struct bytes packed;
    *out = kept->item == item && kept->row == row ? buf_bytes(&kept->bytes) : BYTES_NONE;
    if (out->size > 0)
        return 0;
    int err = file_load(file, item, &file->packed, &packed);
    if (err != 0 || !ckpt_item_read(packed, &there))
        return err;
    struct ckpt_item_rows rows = ckpt_item_rows(&there);
    bool found = false;
    while (!found && ckpt_item_next(&rows))
        found = rows.row == row;
    if (!found || !ckpt_item_is_bytes(rows.bytes))
        return 0;
    err = file_keep(file, kept, item, rows.row, rows.bytes);
    *out = buf_bytes(&kept->bytes);
    return err;
}

/* [item, row]. False: it is no reference. */
static bool file_refers(struct bytes packed, uint64_t *out_item, uint64_t *out_row)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct mp head, item, row;
    if (packed.size == 0 || mp_read(&reader, &head) != 0 || head.kind != MP_ARRAY ||
        head.count != 2 || mp_read(&reader, &item) != 0 || item.kind != MP_UINT ||
        mp_read(&reader, &row) != 0 || row.kind != MP_UINT)
        return false;
    *out_item = item.uint;
    *out_row = row.uint;
    return true;
}

/* Item i with blobs in place of references: in file->item if there are any. */
static int file_unfold(struct ckpt_file *file, uint64_t i, uint64_t at, struct bytes *packed)
{
    struct ckpt_item item;
    struct bytes bytes;
    uint64_t where, row;
    int err = 0;
    if (!ckpt_item_read(*packed, &item))
        return file_wrong(file, i, at, "neither a session nor a checkpoint");
    const uint8_t *done = packed->data, *end = packed->data + packed->size;
    struct ckpt_item_rows rows = ckpt_item_rows(&item);
    file->item.size = 0;
    while (err == 0 && ckpt_item_next(&rows)) {
        if (rows.bytes.size == 0 || ckpt_item_is_bytes(rows.bytes))
            continue;
        if (file->version < 2 || !file_refers(rows.bytes, &where, &row))
            return file_wrong(file, i, at, "a blob has no bytes");
        bytes = BYTES_NONE;
        if (where > 0 && where < i)
            err = file_follow(file, where, row, &bytes);
        if (err == 0 && bytes.size == 0)
            return file_wrong(file, i, at, "a blob is said to stand where none does");
        if (err == 0)
            err = buf_append(&file->item, done, (size_t)(rows.bytes.data - done));
        if (err == 0)
            err = buf_append(&file->item, bytes.data, bytes.size);
        done = rows.bytes.data + rows.bytes.size;
    }
    if (err != 0 || done == packed->data)
        return err;
    err = buf_append(&file->item, done, (size_t)(end - done));
    *packed = buf_bytes(&file->item);
    return err;
}

int ckpt_file_get(struct ckpt_file *file, uint64_t i, struct bytes *out_packed)
{
    int err = file_load(file, i, &file->raw, out_packed);
    if (err == 0 && !file->json) { /* a reference loads another one over it */
        file->raw.size = 0;
        err = buf_append(&file->raw, out_packed->data, out_packed->size);
        *out_packed = buf_bytes(&file->raw);
    }
    return err != 0 ? err : file_unfold(file, i, file_place(file, i).at, out_packed);
}

/* ---- verifying ---- */

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

/* A file that is being verified. */
struct file_check {
    struct ckpt_file *file;
    void *digest;
    struct buf window; /* what was read and not yet looked at, from `used` on */
    size_t used;
    uint64_t at; /* of that in the file */
    bool ended;  /* the trailer was met */
    void (*told)(uint64_t items);
};

static struct bytes check_rest(const struct file_check *c)
{
    if (c->window.size == 0) /* there is no window before the first byte */
        return BYTES_NONE;
    return (struct bytes){c->window.data + c->used, c->window.size - c->used};
}

/* Have at least `want` bytes of the rest, or all there are. */
static int check_fill(struct file_check *c, size_t want)
{
    uint64_t behind = c->file->input->size - c->at; /* of the place that is looked at */
    size_t have = c->window.size - c->used;
    if (have >= want || have == behind)
        return 0;
    buf_consume(&c->window, c->used);
    c->used = 0;
    size_t size = (want < FILE_STEP ? FILE_STEP : want) - have;
    if (size > behind - have)
        size = (size_t)(behind - have);
    int err = buf_reserve(&c->window, size);
    if (err == 0)
        err = input_file_read(c->file->input, c->at + have, c->window.data + have, size,
                              c->file->usage);
    if (err == 0)
        c->window.size += size;
    return err;
}

static int check_take(struct file_check *c, size_t size)
{
    const uint8_t *data = c->window.data + c->used;
    c->used += size;
    c->at += size;
    return EVP_DigestUpdate(c->digest, data, size) == 1 ? 0 : ERR_OUT_OF_MEMORY;
}

static uint64_t check_number(const struct file_check *c)
{
    return c->file->count + 1;
}

static int check_wrong(const struct file_check *c, const char *what)
{
    return file_wrong(c->file, check_number(c), c->at, what);
}

/* More of a value that is longer than the window; the file has `need` bytes of it at least. */
static int check_more(struct file_check *c, uint64_t need, const char *cut)
{
    size_t have = c->window.size - c->used;
    if (need > c->file->input->size - c->at || have == c->file->input->size - c->at)
        return check_wrong(c, cut);
    if (need > FILE_VALUE_MAX)
        return check_wrong(c, "it is larger than 1 GiB");
    return check_fill(c, need > 2 * have ? (size_t)need : 2 * have);
}

static int check_line(struct file_check *c, size_t *out_size)
{
    size_t from = 0;
    for (;;) {
        struct bytes rest = check_rest(c);
        const uint8_t *end = memchr(rest.data + from, '\n', rest.size - from);
        if (end != NULL) {
            *out_size = (size_t)(end - rest.data) + 1;
            return 0;
        }
        from = rest.size;
        int err = check_more(c, rest.size + 1, "the file is cut inside of it");
        if (err != 0)
            return err;
    }
}

static int check_packed(struct file_check *c, size_t *out_size)
{
    struct mp_scan scan = {.begun = false};
    for (;;) {
        struct bytes rest = check_rest(c);
        size_t need = 0;
        int err = mp_scan(&scan, rest.data, rest.size, CKPT_ITEM_DEPTH, &need);
        *out_size = scan.position;
        if (err == 0)
            return 0;
        if (err != MP_MORE)
            return check_wrong(c, "it is damaged: not MessagePack");
        err = check_more(c, need, "the file is cut inside of it, or it is damaged");
        if (err != 0)
            return err;
    }
}

/* An item: remember its place, and see that it can be had. */
static int check_item(struct file_check *c, struct bytes raw, struct bytes packed)
{
    struct ckpt_file *file = c->file;
    struct file_place place = {.at = c->at};
    int err = file_sum(raw, &place.sum);
    if (err == 0)
        err = file_unfold(file, check_number(c), c->at, &packed);
    if (err == 0)
        err = buf_append(&file->places, &place, sizeof place);
    if (err != 0)
        return err;
    file->end = c->at + raw.size;
    file->count++;
    if (packed.size > file->largest) {
        file->largest = packed.size;
        file->which = file->count;
    }
    if (c->told != NULL && file->count % FILE_TOLD == 0)
        c->told(file->count);
    return 0;
}

/* Count and checksum. */
static int check_end(struct file_check *c, const struct file_end *end, size_t size)
{
    struct ckpt_file *file = c->file;
    char hex[CKPT_FILE_HEX + 1];
    if (c->at + size != file->input->size)
        return usage_set(file->usage, "byte %" PRIu64 ": something stands behind its end",
                         c->at + size);
    if (end->count != file->count)
        return usage_set(file->usage, "it has %" PRIu64 " items, and should have %" PRIu64,
                         file->count, end->count);
    int err = ckpt_file_digest_end(c->digest, hex);
    if (err == 0 && !bytes_equal(end->sha256, bytes_of(hex)))
        err = usage_set(file->usage, "bytes 0 to %" PRIu64 ": they do not match their checksum",
                        c->at);
    return err;
}

static int check_value(struct file_check *c)
{
    struct ckpt_file *file = c->file;
    struct file_end end;
    struct bytes packed;
    size_t size = 0;
    int err = file->json ? check_line(c, &size) : check_packed(c, &size);
    if (err != 0)
        return err;
    struct bytes raw = {c->window.data + c->used, size};
    err = file_pack(file, check_number(c), c->at, raw, &file->raw, &packed);
    if (err != 0)
        return err;
    c->ended = file_is_end(packed, &end);
    if (c->ended)
        return check_end(c, &end, size);
    err = check_item(c, raw, packed);
    return err != 0 ? err : check_take(c, size);
}

/* Does the file begin as its form does? Then go behind that. */
static int check_begin(struct file_check *c)
{
    struct ckpt_file *file = c->file;
    int err = check_fill(c, 1);
    if (err != 0)
        return err;
    struct bytes rest = check_rest(c);
    if (rest.size == 0)
        return usage_set(file->usage, "it is empty");
    file->json = rest.data[0] == '{';
    struct bytes head = ckpt_file_head(file->json);
    struct bytes tail = file->json ? bytes_of(file_json_tail) : BYTES_NONE;
    size_t to_version = head.size - tail.size - 1;
    struct bytes same = {head.data, to_version};
    if (bytes_start_with(same, rest)) /* "1" may be the whole of the version: it, too */
        return usage_set(file->usage, "byte %zu: it is cut", rest.size);
    if (!bytes_start_with(rest, same))
        return usage_set(file->usage, "byte 0: it is no export of checkpoints");
    file->version = (unsigned)(rest.data[to_version] - (file->json ? '0' : 0));
    struct bytes behind = {rest.data + to_version + 1, rest.size - to_version - 1};
    if (file->version >= 1 && file->version <= FILE_VERSION) {
        if (bytes_start_with(behind, tail))
            return check_take(c, head.size);
        if (bytes_start_with(tail, behind))
            return usage_set(file->usage, "byte %zu: it is cut", rest.size);
    }
    return usage_set(file->usage, "byte %zu: it has a version that this cairn cannot read",
                     to_version);
}

static int check_all(struct file_check *c)
{
    struct ckpt_file *file = c->file;
    int err = check_begin(c);
    while (err == 0 && c->at < file->input->size && !c->ended) {
        err = check_fill(c, 1);
        if (err == 0)
            err = check_value(c);
    }
    if (err == 0 && !c->ended)
        err = usage_set(file->usage,
                        "byte %" PRIu64 ": it is cut: the end with the checksum is missing",
                        file->input->size);
    return err;
}

int ckpt_file_verify(struct ckpt_file *file, const struct input_file *input,
                     void (*told)(uint64_t items), struct usage *usage)
{
    struct file_check c = {.file = file, .digest = ckpt_file_digest(), .told = told};
    *file = (struct ckpt_file){
        .input = input, .usage = usage, .kept = mem_calloc(CKPT_FILE_SLOTS, sizeof *file->kept)};
    int err = c.digest != NULL && file->kept != NULL ? check_all(&c) : ERR_OUT_OF_MEMORY;
    EVP_MD_CTX_free(c.digest);
    buf_deinit(&c.window);
    return err;
}

void ckpt_file_deinit(struct ckpt_file *file)
{
    file_keep_none(file);
    mem_free(file->kept);
    buf_deinit(&file->places);
    buf_deinit(&file->raw);
    buf_deinit(&file->packed);
    buf_deinit(&file->item);
    buf_deinit(&file->line);
}
