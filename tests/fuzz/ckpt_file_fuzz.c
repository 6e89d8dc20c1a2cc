/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of checkpoints (client/cli/ckpt_file.h), as they are, and with the checksum that such a
 * file would have, so that what follows it is reached.
 *
 *   input: a file, of either form; and the items in it once more, in a file that is right
 *
 * Invariants: what is taken holds as many items as it says, each a session or a checkpoint; what
 * is written is taken, in both forms, and comes back as it was.
 */
#include "client/cli/ckpt_file.h"

#include "common/err.h"
#include "proto/mp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(struct mp_reader *reader, struct bytes *out)
{
    const uint8_t *start = reader->at;
    if (mp_skip(reader, MP_DEPTH_MAX) != 0)
        return false;
    *out = (struct bytes){start, (size_t)(reader->at - start)};
    return true;
}

/* The items of a file that was taken. */
static void check_items(const struct ckpt_file *file)
{
    struct mp_reader reader = mp_reader_of(file->items);
    struct bytes item, session;
    bool checkpoint;
    for (uint64_t i = 0; i < file->count; i++) {
        REQUIRE(take(&reader, &item) && item.size <= file->largest);
        REQUIRE(ckpt_file_item(item, &session, &checkpoint) && session.size > 0);
    }
    REQUIRE(mp_at_end(&reader));
}

/* Write these items as a file, and read it. */
static void write_again(const struct ckpt_file *file, bool json)
{
    struct mp_reader reader = mp_reader_of(file->items);
    struct ckpt_writer writer;
    struct ckpt_file again;
    struct usage usage;
    struct bytes item;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    REQUIRE(out != NULL && ckpt_writer_begin(&writer, out, json) == 0);
    for (uint64_t i = 0; i < file->count; i++)
        REQUIRE(take(&reader, &item) && ckpt_writer_add(&writer, item) == 0);
    REQUIRE(ckpt_writer_end(&writer) == 0 && fclose(out) == 0);
    ckpt_writer_deinit(&writer);
    int err = ckpt_file_read((struct bytes){(const uint8_t *)text, size}, &again, &usage);
    REQUIRE(err == 0 && again.count == file->count);
    check_items(&again);
    if (!json)
        REQUIRE(bytes_equal(again.items, file->items));
    ckpt_file_deinit(&again);
    free(text);
}

static void read_file(struct bytes bytes)
{
    struct ckpt_file file;
    struct usage usage = {""};
    int err = ckpt_file_read(bytes, &file, &usage);
    REQUIRE(err == 0 || (err == ERR_BAD_ARGUMENT && usage.text[0] != 0));
    if (err != 0)
        return;
    check_items(&file);
    write_again(&file, false);
    write_again(&file, true);
    ckpt_file_deinit(&file);
}

/* The items of the input, which need not be whole, as a file: whatever is one goes in. */
static void read_sealed(struct bytes bytes)
{
    struct mp_reader reader = mp_reader_of(bytes);
    struct ckpt_writer writer;
    struct bytes item, session;
    bool checkpoint;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    REQUIRE(out != NULL && ckpt_writer_begin(&writer, out, false) == 0);
    while (reader.at < reader.end && take(&reader, &item))
        if (ckpt_file_item(item, &session, &checkpoint))
            REQUIRE(ckpt_writer_add(&writer, item) == 0);
    REQUIRE(ckpt_writer_end(&writer) == 0 && fclose(out) == 0);
    ckpt_writer_deinit(&writer);
    read_file((struct bytes){(const uint8_t *)text, size});
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    read_file(bytes);
    read_sealed(bytes);
    return 0;
}
