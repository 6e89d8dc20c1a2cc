/* SPDX-License-Identifier: BSD-3-Clause
 *
 * common/hash against SipHash-c-d as the paper describes it, byte by byte and slowly. That one is
 * itself held against the test vector the paper prints for SipHash-2-4.
 */
#include "common/hash.h"

#include "tests/unit/common/seed.h"

struct sip {
    uint64_t v[4];
    unsigned c, d; /* rounds for a word, rounds at the end */
};

static uint64_t rotated(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Half of a round: v[a] += v[b], v[b] turned and added in, for two pairs. */
static void sip_round(struct sip *s)
{
    uint64_t *v = s->v;
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] = rotated(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] = rotated(v[2], 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    for (unsigned i = 0; i < s->c; i++)
        sip_round(s);
    s->v[0] ^= word;
}

/* Byte number i of the padded message: the message, zeros, and its length modulo 256 at the end. */
static uint8_t sip_byte(const uint8_t *message, size_t size, size_t padded, size_t i)
{
    return i < size ? message[i] : i + 1 == padded ? (uint8_t)size : 0;
}

static uint64_t sip_hash(unsigned c, unsigned d, const struct hash_key *key, const uint8_t *message,
                         size_t size)
{
    struct sip s = {{key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du,
                     key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u},
                    c,
                    d};
    size_t padded = (size / 8 + 1) * 8;
    for (size_t at = 0; at < padded; at += 8) {
        uint64_t word = 0;
        for (size_t i = 0; i < 8; i++)
            word += (uint64_t)sip_byte(message, size, padded, at + i) << (8 * i);
        sip_word(&s, word);
    }
    s.v[2] ^= 0xff;
    for (unsigned i = 0; i < s.d; i++)
        sip_round(&s);
    return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

/* Appendix A of the paper: key 00..0f, message 00..0e. */
static void reference(void **state)
{
    (void)state;
    struct hash_key key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    uint8_t message[15];
    for (uint8_t i = 0; i < sizeof message; i++)
        message[i] = i;
    assert_true(sip_hash(2, 4, &key, message, sizeof message) == 0xa129ca6149be45e5u);
}

/* Every length around the word size; the input ends where its memory ends. */
static void lengths(void **state)
{
    (void)state;
    struct rng rng = seed_rng();
    for (size_t size = 0; size <= 40; size++) {
        for (int round = 0; round < 50; round++) {
            struct hash_key key = {rng_next(&rng), rng_next(&rng)};
            uint64_t word = rng_next(&rng);
            uint8_t *message = malloc(8 + size), *bytes = malloc(size + (size == 0));
            for (size_t i = 0; i < 8 + size; i++)
                message[i] = i < 8 ? (uint8_t)(word >> (8 * i)) : (uint8_t)rng_next(&rng);
            memcpy(bytes, message + 8, size);
            uint64_t expected = sip_hash(1, 3, &key, message, 8 + size);
            assert_true(hash_word_bytes(&key, word, (struct bytes){bytes, size}) == expected);
            free(message);
            free(bytes);
        }
    }
}

/* The length byte counts modulo 256. */
static void long_input(void **state)
{
    (void)state;
    static uint8_t message[8 + 1000];
    struct hash_key key = {1, 2};
    for (size_t i = 8; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 31);
    for (size_t size = 240; size <= 1000; size += 19)
        assert_true(hash_word_bytes(&key, 0, (struct bytes){message + 8, size}) ==
                    sip_hash(1, 3, &key, message, 8 + size));
}

static void no_bytes(void **state)
{
    (void)state;
    struct hash_key key = {3, 4};
    uint8_t word[8] = {5};
    assert_true(hash_word_bytes(&key, 5, BYTES_NONE) == sip_hash(1, 3, &key, word, 8));
}

static void keys_differ(void **state)
{
    (void)state;
    struct hash_key a = {0, 0}, b = {0, 0};
    hash_key_random(&a);
    hash_key_random(&b);
    assert_false(a.k0 == b.k0 && a.k1 == b.k1);
    assert_false(hash_word_bytes(&a, 1, bytes_of("key")) ==
                 hash_word_bytes(&b, 1, bytes_of("key")));
    assert_false(hash_word_bytes(&a, 1, bytes_of("key")) ==
                 hash_word_bytes(&a, 2, bytes_of("key")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference), cmocka_unit_test(lengths),     cmocka_unit_test(long_input),
        cmocka_unit_test(no_bytes),  cmocka_unit_test(keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
