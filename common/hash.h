/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Keyed hash of bytes: SipHash-1-3 with a 128-bit key that is random per process, so that clients
 * cannot choose keys that collide. Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012
 * (the 1-3 variant is what the authors recommend for hash tables).
 */
#pragma once

#include "common/bytes.h"

struct hash_key {
    uint64_t k0, k1;
};

/* Fill with random bits from the operating system. Aborts if there are none. */
void hash_key_random(struct hash_key *out_key);

/* Hash of a 64-bit word followed by bytes. The word keeps equal keys of different spaces apart. */
uint64_t hash_word_bytes(const struct hash_key *key, uint64_t word, struct bytes bytes);
