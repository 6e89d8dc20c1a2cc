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

#define COMMAND_KEY  "__rand_int__"
#define COMMAND_DATA "__data__"

_Static_assert(sizeof COMMAND_KEY - 1 == COMMAND_KEY_SIZE, "digits take the placeholder's place");

void command_split(const char *text, struct command *out)
{
    out->count = 0;
    while (*text != 0 && out->count < COMMAND_WORDS_MAX) {
        size_t size = strcspn(text, " ");
        if (size > 0)
            out->words[out->count++] = (struct bytes){(const uint8_t *)text, size};
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

size_t command_find_key(struct bytes word)
{
    const uint8_t *found =
        word.size == 0 ? NULL : memmem(word.data, word.size, COMMAND_KEY, COMMAND_KEY_SIZE);
    return found == NULL ? SIZE_MAX : (size_t)(found - word.data);
}
