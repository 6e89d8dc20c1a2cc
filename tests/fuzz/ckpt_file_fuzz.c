/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files of checkpoints (client/cli/ckpt_file.h), as they are, and with the checksum that such a
 * file would have, so that what follows it is reached.
 *
 *   input: a file, of either form; and the items in it once more, in a file that is right
 *
 * Invariants: what is taken holds as many items as it says, each a session or a checkpoint without
 * references; what is written is taken, in both forms, and comes back as it was.
 */
#include "client/cli/ckpt_file.h"

#include "client/cli/ckpt_item.h"
#include "client/cli/ckpt_writer.h"
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

/* Item i of a file that was taken. */
static struct bytes item_of(struct ckpt_file *file, uint64_t i)
{
    struct ckpt_item item;
    struct bytes packed;
    REQUIRE(ckpt_file_get(file, i, &packed) == 0 && packed.size <= file->largest);
    REQUIRE(ckpt_item_read(packed, &item) && item.session.size > 0);
    return packed;
}

/* Write these items as a file, and read it. */
static void write_again(struct ckpt_file *file, bool json)
{
    struct ckpt_writer writer;
    struct ckpt_file again;
    struct usage usage;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    REQUIRE(out != NULL && ckpt_writer_begin(&writer, out, json) == 0);
    for (uint64_t i = 1; i <= file->count; i++)
        REQUIRE(ckpt_writer_add(&writer, item_of(file, i)) == 0);
    REQUIRE(ckpt_writer_end(&writer) == 0 && fclose(out) == 0);
    ckpt_writer_deinit(&writer);
    struct input_file input = input_file_of((struct bytes){(const uint8_t *)text, size});
    int err = ckpt_file_verify(&again, &input, NULL, &usage);
    REQUIRE(err == 0 && again.count == file->count);
    for (uint64_t i = 1; i <= file->count; i++) {
        struct bytes item = item_of(&again, i);
        REQUIRE(json || bytes_equal(item, item_of(file, i)));
    }
    ckpt_file_deinit(&again);
    free(text);
}

static void read_file(struct bytes bytes)
{
    struct input_file input = input_file_of(bytes);
    struct ckpt_file file;
    struct usage usage = {""};
    int err = ckpt_file_verify(&file, &input, NULL, &usage);
    REQUIRE(err == 0 || (err == ERR_BAD_ARGUMENT && usage.text[0] != 0));
    if (err == 0) {
        write_again(&file, false);
        write_again(&file, true);
    }
    ckpt_file_deinit(&file);
}

/* The items of the input, which need not be whole, as a file: whatever is one goes in, also what
 * refers to others. */
static void read_sealed(struct bytes bytes)
{
    struct mp_reader reader = mp_reader_of(bytes);
    struct ckpt_writer writer;
    struct ckpt_item item;
    struct bytes packed;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    REQUIRE(out != NULL && ckpt_writer_begin(&writer, out, false) == 0);
    while (reader.at < reader.end && take(&reader, &packed))
        if (ckpt_item_read(packed, &item))
            REQUIRE(ckpt_writer_add(&writer, packed) == 0);
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
