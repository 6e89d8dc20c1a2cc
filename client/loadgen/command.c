/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes the words of a request apart.
 *
 * How: views; nothing is copied.
 *
 * Invariants: the placeholder of a key has as many bytes as its digits.
 * Threads: any; no state. Failures: too many words.
 */
#include "client/loadgen/command.h"

#include "common/num.h"

#include <strings.h>

#define COMMAND_DATA         "__data__"
#define COMMAND_REPLY        "__reply__"
#define COMMAND_NUMBER       "__number__"
#define COMMAND_NUMBER_BEGIN "__number:"
#define COMMAND_REPLY_BEGIN  "__reply:"
#define COMMAND_REPEAT_BEGIN "__repeat:"
#define COMMAND_END          "__"
#define COMMAND_EMPTY        "\"\""
#define COMMAND_NUMBER_MAX   (INT64_C(1) << 53)

_Static_assert(sizeof COMMAND_DIGITS - 1 == COMMAND_KEY_SIZE,
               "digits take the placeholder's place");

void command_split(const char *text, struct command *out)
{
    out->count = 0;
    while (*text != 0 && out->count < COMMAND_WORDS_MAX) {
        size_t size = strcspn(text, " ");
        struct bytes word = {(const uint8_t *)text, size};
        if (size > 0)
            out->words[out->count++] =
                bytes_equal(word, bytes_of(COMMAND_EMPTY)) ? (struct bytes){word.data, 0} : word;
        text += size + (text[size] == ' ');
    }
}

bool command_of_words(char *const *words, int count, struct command *out)
{
    if (count < 0 || count > COMMAND_WORDS_MAX)
        return false;
    out->count = (unsigned)count;
    for (int i = 0; i < count; i++)
        out->words[i] = bytes_of(words[i]);
    return true;
}

bool command_is_data(struct bytes word)
{
    return bytes_equal(word, bytes_of(COMMAND_DATA));
}

bool command_is_key(struct bytes word)
{
    return bytes_equal(word, bytes_of(COMMAND_KEY_ITSELF));
}

/* What stands between a beginning and "__". False: the word is not like that. */
static bool command_inside(struct bytes word, const char *begin, struct bytes *out)
{
    const size_t head = strlen(begin), end = sizeof COMMAND_END - 1;
    if (word.size < head + end || !bytes_start_with(word, bytes_of(begin)) ||
        memcmp(word.data + word.size - end, COMMAND_END, end) != 0)
        return false;
    *out = (struct bytes){word.data + head, word.size - head - end};
    return true;
}

bool command_is_reply(struct bytes word, struct bytes *out_field)
{
    *out_field = BYTES_NONE;
    if (bytes_equal(word, bytes_of(COMMAND_REPLY)))
        return true;
    return command_inside(word, COMMAND_REPLY_BEGIN, out_field) && out_field->size > 0;
}

bool command_is_repeat(struct bytes word, uint64_t *out_times)
{
    struct bytes text;
    int64_t times;
    if (!command_inside(word, COMMAND_REPEAT_BEGIN, &text) || !num_read_int(text, &times) ||
        times < 1 || times > COMMAND_REPEAT_MAX)
        return false;
    *out_times = (uint64_t)times;
    return true;
}

bool command_is_number(struct bytes word, uint64_t *out_low, uint64_t *out_high)
{
    int64_t low = 0, high = 999999;
    if (!bytes_equal(word, bytes_of(COMMAND_NUMBER))) {
        struct bytes range;
        if (!command_inside(word, COMMAND_NUMBER_BEGIN, &range))
            return false;
        const uint8_t *dash = range.size == 0 ? NULL : memchr(range.data, '-', range.size);
        size_t at = dash == NULL ? range.size : (size_t)(dash - range.data);
        if (dash == NULL || !num_read_int((struct bytes){range.data, at}, &low) ||
            !num_read_int((struct bytes){dash + 1, range.size - at - 1}, &high) || low < 0 ||
            high < low || high > COMMAND_NUMBER_MAX)
            return false;
    }
    *out_low = (uint64_t)low;
    *out_high = (uint64_t)high;
    return true;
}

static bool command_contains(struct bytes word, const char *text)
{
    size_t size = strlen(text);
    return word.size > size && memmem(word.data, word.size, text, size) != NULL;
}

bool command_is_misplaced(struct bytes word)
{
    return command_contains(word, COMMAND_KEY_ITSELF) || command_contains(word, COMMAND_DATA);
}

bool command_is_placeholder(struct bytes word)
{
    struct bytes inside;
    return command_inside(word, COMMAND_END, &inside) && inside.size > 0;
}

bool command_equal(const struct command *a, const struct command *b)
{
    bool equal = a->count == b->count;
    for (unsigned i = 0; i < a->count && equal; i++) {
        struct bytes one = a->words[i], other = b->words[i];
        equal =
            i > 0 ? bytes_equal(one, other)
                  : one.size == other.size && strncasecmp((const char *)one.data,
                                                          (const char *)other.data, one.size) == 0;
    }
    return equal;
}

void command_set_key(struct command *command, const char *key)
{
    for (unsigned i = 0; i < command->count; i++)
        if (command_is_key(command->words[i]))
            command->words[i] = bytes_of(key);
}

size_t command_find_key(struct bytes word)
{
    const uint8_t *found =
        word.size == 0 ? NULL : memmem(word.data, word.size, COMMAND_DIGITS, COMMAND_KEY_SIZE);
    return found == NULL ? SIZE_MAX : (size_t)(found - word.data);
}
