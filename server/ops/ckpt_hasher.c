/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hashes of contents: see ckpt_hasher.h.
 *
 * Threads: each with a hasher of its own. Failures: no memory.
 */
#include "server/ops/ckpt_hasher.h"

#include "common/err.h"

#include <openssl/evp.h>
#include <pthread.h>

/* Constant once it is there, for as long as the process lives. */
static EVP_MD *hash_algorithm;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_fetch(void)
{
    hash_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

int ckpt_hasher_init(struct ckpt_hasher *hasher)
{
    hasher->context = NULL;
    pthread_once(&hash_once, hash_fetch);
    if (hash_algorithm != NULL)
        hasher->context = EVP_MD_CTX_new();
    return hasher->context != NULL ? 0 : ERR_OUT_OF_MEMORY;
}

void ckpt_hasher_deinit(struct ckpt_hasher *hasher)
{
    EVP_MD_CTX_free(hasher->context);
    hasher->context = NULL;
}

int ckpt_hasher_begin(struct ckpt_hasher *hasher)
{
    bool begun = EVP_DigestInit_ex2(hasher->context, hash_algorithm, NULL) == 1;
    return begun ? 0 : ERR_OUT_OF_MEMORY;
}

void ckpt_hasher_add(struct ckpt_hasher *hasher, struct bytes part)
{
    REQUIRE(EVP_DigestUpdate(hasher->context, part.data, part.size) == 1);
}

void ckpt_hasher_end(struct ckpt_hasher *hasher, uint8_t out[static CKPT_CHECKSUM])
{
    REQUIRE(EVP_DigestFinal_ex(hasher->context, out, NULL) == 1);
}

int ckpt_hasher_make(struct ckpt_hasher *hasher, struct bytes content,
                     uint8_t out_hash[static CKPT_HASH_BYTES])
{
    uint8_t whole[CKPT_CHECKSUM];
    int err = ckpt_hasher_begin(hasher);
    if (err != 0)
        return err;
    ckpt_hasher_add(hasher, content);
    ckpt_hasher_end(hasher, whole);
    memcpy(out_hash, whole, CKPT_HASH_BYTES);
    return 0;
}
