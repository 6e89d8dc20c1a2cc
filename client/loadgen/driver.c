/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list of protocols, and what drivers have in common.
 *
 * How: a protocol is one file with a table, and one line here.
 *
 * Threads: any; constant. Failures: an unknown name is NULL.
 */
#include "client/loadgen/driver.h"

#include "client/loadgen/vector_words.h"
#include "common/err.h"

#include <string.h>

static const struct driver *const drivers[] = {
    &driver_msgpack,
    &driver_resp2,
    &driver_resp3,
};

const struct driver *driver_find(const char *name)
{
    for (size_t i = 0; i < LENGTH_OF(drivers); i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

/* A hole, unless there are `max` of its kind already. */
static int driver_note(struct frame *frame, struct frame_hole hole, unsigned *count, unsigned max)
{
    if (*count == max)
        return ERR_BAD_ARGUMENT;
    (*count)++;
    hole.at = frame->bytes.size;
    frame->holes[frame->n_holes++] = hole;
    return 0;
}

int driver_add_value(struct frame *frame)
{
    return driver_note(frame, (struct frame_hole){.kind = FRAME_VALUE}, &frame->values,
                       FRAME_VALUES_MAX);
}

int driver_add_hole(struct frame *frame, struct bytes word, bool *out_is)
{
    struct frame_hole hole = {.kind = FRAME_NUMBER};
    *out_is = true;
    if (command_is_number(word, &hole.low, &hole.high))
        return driver_note(frame, hole, &frame->numbers, FRAME_NUMBERS_MAX);
    hole.kind = FRAME_REPLY;
    struct bytes field;
    if (command_is_reply(word, &field)) {
        if (frame->replies > 0 && !bytes_equal(field, frame->field))
            return ERR_BAD_ARGUMENT;
        frame->field = field;
        return driver_note(frame, hole, &frame->replies, FRAME_REPLIES_MAX);
    }
    *out_is = command_is_key(word);
    if (!*out_is)
        return 0;
    if (frame->keys < FRAME_KEYS_MAX)
        frame->key_at[frame->keys] = frame->bytes.size;
    hole.kind = FRAME_KEY;
    return driver_note(frame, hole, &frame->keys, FRAME_KEYS_MAX);
}

int driver_add_vector(struct frame *frame, struct bytes word, bool *out_is)
{
    enum vector_word which;
    *out_is = vector_word_find(word, &which);
    if (!*out_is)
        return 0;
    return driver_note(frame, (struct frame_hole){.kind = FRAME_VECTOR, .low = which},
                       &frame->vectors, FRAME_VECTORS_MAX);
}

int driver_add_word(struct frame *frame, struct bytes word)
{
    static const char zeros[] = "000000000000";
    size_t at;
    while ((at = command_find_key(word)) != SIZE_MAX) {
        if (frame->keys == FRAME_KEYS_MAX)
            return ERR_BAD_ARGUMENT;
        frame->key_at[frame->keys++] = frame->bytes.size + at;
        if (buf_append(&frame->bytes, word.data, at) != 0 ||
            buf_append(&frame->bytes, zeros, FRAME_DIGITS) != 0)
            return ERR_OUT_OF_MEMORY;
        word.data += at + COMMAND_KEY_SIZE;
        word.size -= at + COMMAND_KEY_SIZE;
    }
    return buf_append(&frame->bytes, word.data, word.size);
}
