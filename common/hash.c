/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SipHash-1-3 over one 64-bit word and a byte string.
 *
 * The message is the word (8 bytes, little-endian) followed by the bytes, so the result equals
 * SipHash-1-3 of that concatenation; the unit test compares with published vectors of the
 * structure.
 *
 * Threads: pure functions.
 */
#include "common/hash.h"

#include "common/check.h"

#include <sys/random.h>

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

#define SIP_ROUND                                                                                  \
    do {                                                                                           \
        v0 += v1, v1 = ROTL(v1, 13), v1 ^= v0, v0 = ROTL(v0, 32);                                  \
        v2 += v3, v3 = ROTL(v3, 16), v3 ^= v2;                                                     \
        v0 += v3, v3 = ROTL(v3, 21), v3 ^= v0;                                                     \
        v2 += v1, v1 = ROTL(v1, 17), v1 ^= v2, v2 = ROTL(v2, 32);                                  \
    } while (0)

void hash_key_random(struct hash_key *out_key)
{
    REQUIRE(getrandom(out_key, sizeof *out_key, 0) == (ssize_t)sizeof *out_key);
}

/* The last n = 0..7 bytes, at p, of `size` in all, and the length of the message, a word more, in
 * the top byte. */
static inline uint64_t hash_tail(const uint8_t *p, size_t n, size_t size)
{
    uint64_t tail = (uint64_t)(size + 8) << 56, last;
    if (size >= sizeof last && n > 0) { /* one load, of bytes that were used already, too */
        memcpy(&last, p + n - sizeof last, sizeof last);
        return tail | last >> (64 - 8 * n);
    }
    for (size_t i = 0; i < n; i++)
        tail |= (uint64_t)p[i] << (8 * i);
    return tail;
}

uint64_t hash_word_bytes(const struct hash_key *key, uint64_t word, struct bytes bytes)
{
    uint64_t v0 = key->k0 ^ 0x736f6d6570736575u, v1 = key->k1 ^ 0x646f72616e646f6du;
    uint64_t v2 = key->k0 ^ 0x6c7967656e657261u, v3 = key->k1 ^ 0x7465646279746573u;
    const uint8_t *p = bytes.data;
    size_t left = bytes.size;

    v3 ^= word;
    SIP_ROUND;
    v0 ^= word;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        v3 ^= m;
        SIP_ROUND;
        v0 ^= m;
    }
    uint64_t tail = hash_tail(p, left, bytes.size);
    v3 ^= tail;
    SIP_ROUND;
    v0 ^= tail;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}
