/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A request as words, before a driver encodes it.
 *
 *   SET key:__rand_int__ __data__                RESP: a command and its arguments
 *   kv.mput [ [ key:__rand_int__ __data__ ] ]    MessagePack-RPC: an operation and its arguments
 *
 * __rand_int__  anywhere in a word: the 12 digits of a key; each occurrence is drawn anew.
 * __data__      a word of its own: a value of --size bytes.
 * [ ]   { }     MessagePack-RPC only, words of their own: an array; a map of keys and values in
 *               turn, as options of an operation are. Whole numbers are sent as such.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

enum { COMMAND_WORDS_MAX = 256 };

struct command {
    struct bytes words[COMMAND_WORDS_MAX]; /* views of the text or of argv */
    unsigned count;
};

/* The words of a text, separated by spaces: at most COMMAND_WORDS_MAX, the rest is left out. */
void command_split(const char *text, struct command *out);

/* The same words from a command line. False: too many. */
MUST_USE bool command_of_words(char *const *words, int count, struct command *out);

bool command_is_data(struct bytes word);

/* Where the first __rand_int__ of a word begins; SIZE_MAX: it has none. */
size_t command_find_key(struct bytes word);

enum { COMMAND_KEY_SIZE = 12 }; /* strlen("__rand_int__"), and digits of a key */
