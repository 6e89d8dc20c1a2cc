/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Credentials: tokens that clients log in with. The file holds one line for each,
 *     NAME sha256:64 HEXADECIMAL DIGITS
 * with # for comments; `cairnd --hash-token` makes the second word from a token on standard input.
 * Only the hash is kept, so the file does not give the tokens away; tokens must therefore be random
 * and have at least AUTH_TOKEN_MIN bytes.
 */
#pragma once

#include "common/bytes.h"
#include "common/check.h"
#include "server/config.h"

enum { AUTH_TOKEN_MIN = 16, AUTH_HASH_TEXT = 7 + 64 + 1 };

struct auth;

/* Read the file, which only its owner may be able to read. 0, ERR_IO or ERR_BAD_ARGUMENT with a
 * sentence. */
MUST_USE int auth_load(const char *path, struct auth **out_auth, struct err_detail *out_detail);
void auth_destroy(struct auth *auth);

/* Is this one of the tokens? Any thread. Takes the same time whichever it is. */
bool auth_valid(const struct auth *auth, struct bytes token);

/* "sha256:..." of a token. 0 or ERR_BAD_ARGUMENT if it is too short. */
MUST_USE int auth_hash(struct bytes token, char out_text[static AUTH_HASH_TEXT]);
