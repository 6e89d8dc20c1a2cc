/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A request as words, before a driver encodes it.
 *
 *   SET __key__ __data__                RESP: a command and its arguments
 *   kv.mput [ [ __key__ __data__ ] ]    MessagePack-RPC: an operation and its arguments
 *
 * __key__       a word of its own: a key, which is --key-prefix and __rand_int__, or one of
 *               --key-file.
 * __rand_int__  anywhere in a word: the 12 digits of a key; each occurrence is drawn anew.
 * __data__      a word of its own: a value of --size bytes.
 * __number__    a word of its own: a whole number from 0 to 999999 at random, or of others:
 *               __number:1-100__.
 * __reply__     a word of its own, in a sequence: what the request before was answered; if that was
 *               a map, __reply:id__ is what it has under this key; __reply:items.0.key__: in it,
 *               in the first element of an array.
 * ""            a word of its own: the empty word.
 *
 * MessagePack-RPC only, words of their own:
 *
 * [ ]   { }     an array; a map of keys and values in turn, as options of an operation are. Whole
 *               numbers are sent as such, and in a map true and false.
 * __vector__    and others: client/loadgen/vector_words.h.
 * __repeat:10__ as if the next word, or what its brackets enclose, stood there ten times.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"

enum { COMMAND_WORDS_MAX = 256, COMMAND_REPEAT_MAX = 10000 };

struct command {
    struct bytes words[COMMAND_WORDS_MAX]; /* views of the text or of argv */
    unsigned count;
};

/* The words of a text, separated by spaces: at most COMMAND_WORDS_MAX, the rest is left out. */
void command_split(const char *text, struct command *out);

/* The same words from a command line. False: too many. */
MUST_USE bool command_of_words(char *const *words, int count, struct command *out);

bool command_is_data(struct bytes word);
bool command_is_key(struct bytes word);

/* Is it what the request before was answered? *out_field: under this key; of size 0: all of it. */
bool command_is_reply(struct bytes word, struct bytes *out_field);

/* How often the next element stands there; false: the word does not say so, or not from 1 to
 * COMMAND_REPEAT_MAX. */
bool command_is_repeat(struct bytes word, uint64_t *out_times);

/* From what to what a number is; false if the word is none, or not from 0 to 2^53. */
bool command_is_number(struct bytes word, uint64_t *out_low, uint64_t *out_high);

/* Is __key__ or __data__ inside of the word, where nothing takes their place? */
bool command_is_misplaced(struct bytes word);

/* Does the word look like a placeholder, though it need not be one of those above? */
bool command_is_placeholder(struct bytes word);

/* Are all words the same, the first whatever the case of its letters? */
bool command_equal(const struct command *a, const struct command *b);

/* Let this word, which must live as long, stand for each __key__. */
void command_set_key(struct command *command, const char *key);

/* Where the first __rand_int__ of a word begins; SIZE_MAX: it has none. */
size_t command_find_key(struct bytes word);

#define COMMAND_DIGITS     "__rand_int__"
#define COMMAND_KEY_USUAL  "key:" COMMAND_DIGITS
#define COMMAND_KEY_ITSELF "__key__" /* for command_set_key: keys that are no digits */

enum { COMMAND_KEY_SIZE = 12 }; /* strlen("__rand_int__"), and digits of a key */
