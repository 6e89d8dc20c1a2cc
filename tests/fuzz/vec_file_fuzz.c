/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of vectors (client/cli/vec_file.h), of every form.
 *
 *   input: a file; and one vector as an argument
 *
 * Invariants: a row has as many elements as those before it, all finite; keys and metadata are
 * whole values of their kinds; what is wrong has a sentence; no more is held than what was read. A
 * row that is written as a line is read as the same.
 */
#include "client/cli/vec_file.h"

#include "client/cli/json.h"
#include "client/cli/vec_text.h"
#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 20 };

/* Exactly one value of one of two kinds. */
static void check_value(struct bytes packed, enum mp_kind kind, enum mp_kind or)
{
    struct mp_reader reader = mp_reader_of(packed), head = reader;
    struct mp mp;
    if (packed.size == 0)
        return;
    REQUIRE(mp_read(&head, &mp) == 0 && (mp.kind == kind || mp.kind == or));
    REQUIRE(mp_skip(&reader, MP_DEPTH_MAX) == 0 && mp_at_end(&reader));
}

static void check_row(const struct vec_file *file, const struct vec_row *row)
{
    REQUIRE(vec_file_dim(file) > 0 && vec_file_dim(file) <= ELEMENTS_MAX);
    REQUIRE(row->elements.size == vec_file_dim(file) * sizeof(float));
    for (size_t at = 0; at < row->elements.size; at += sizeof(float)) {
        float element;
        memcpy(&element, row->elements.data + at, sizeof element);
        REQUIRE(isfinite(element));
    }
    check_value(row->key, MP_STR, MP_BIN);
    check_value(row->metadata, MP_MAP, MP_MAP);
}

/* {"vector": ..., "key": ..., "metadata": ...}, the vector as numbers. */
static void pack_row(const struct vec_row *row, struct buf *out)
{
    struct buf packed;
    buf_init(&packed);
    REQUIRE(pack_map(&packed, 1u + (row->key.size > 0) + (row->metadata.size > 0)) == 0);
    REQUIRE(pack_str(&packed, bytes_of("vector")) == 0 && pack_bin(&packed, row->elements) == 0);
    if (row->key.size > 0)
        REQUIRE(pack_str(&packed, bytes_of("key")) == 0 &&
                buf_append(&packed, row->key.data, row->key.size) == 0);
    if (row->metadata.size > 0)
        REQUIRE(pack_str(&packed, bytes_of("metadata")) == 0 &&
                buf_append(&packed, row->metadata.data, row->metadata.size) == 0);
    REQUIRE(vec_text_reply(buf_bytes(&packed), out) == 0);
    buf_deinit(&packed);
}

static void write_again(const struct vec_row *row)
{
    struct vec_file file;
    struct vec_row again;
    struct usage usage;
    struct buf packed, text;
    buf_init(&packed);
    buf_init(&text);
    pack_row(row, &packed);
    REQUIRE(json_out_exact(buf_bytes(&packed), &text) == 0);
    FILE *in = fmemopen(text.data, text.size, "rb");
    REQUIRE(in != NULL && vec_file_begin(in, NULL, &file, &usage) == 0);
    REQUIRE(vec_file_next(&file, &again, &usage) == 1);
    REQUIRE(bytes_equal(again.elements, row->elements));
    REQUIRE(bytes_equal(again.key, row->key));
    REQUIRE((again.metadata.size > 0) == (row->metadata.size > 0));
    REQUIRE(vec_file_next(&file, &again, &usage) == 0);
    vec_file_deinit(&file);
    fclose(in);
    buf_deinit(&packed);
    buf_deinit(&text);
}

static void read_file(struct bytes bytes)
{
    struct vec_file file;
    struct vec_row row;
    struct usage usage = {""};
    FILE *in = fmemopen((void *)(uintptr_t)bytes.data, bytes.size, "rb");
    REQUIRE(in != NULL);
    int got = vec_file_begin(in, NULL, &file, &usage);
    got = got == 0 ? 1 : got;
    while (got == 1 && (got = vec_file_next(&file, &row, &usage)) == 1) {
        check_row(&file, &row);
        REQUIRE(file.window.raw.capacity <= bytes.size + ROOM);
        if (file.count <= 4)
            write_again(&row);
    }
    REQUIRE(got == 0 || (got == ERR_BAD_ARGUMENT && usage.text[0] != 0));
    vec_file_deinit(&file);
    fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    struct usage usage = {""};
    struct buf one;
    if (size > 0)
        read_file(bytes);
    buf_init(&one);
    int err = vec_file_vector(bytes, &one, &usage);
    REQUIRE(err == 0 || (err == ERR_BAD_ARGUMENT && usage.text[0] != 0));
    if (err == 0) {
        struct mp_reader reader = mp_reader_of(buf_bytes(&one));
        if (mp_skip(&reader, MP_DEPTH_MAX) == 0)
            REQUIRE(mp_at_end(&reader));
    }
    buf_deinit(&one);
    return 0;
}
