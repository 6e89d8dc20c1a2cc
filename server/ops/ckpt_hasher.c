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

int ckpt_hasher_make(struct ckpt_hasher *hasher, struct bytes content,
                     uint8_t out_hash[static CKPT_HASH_BYTES])
{
    uint8_t whole[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_DigestInit_ex2(hasher->context, hash_algorithm, NULL) != 1 ||
        EVP_DigestUpdate(hasher->context, content.data, content.size) != 1 ||
        EVP_DigestFinal_ex(hasher->context, whole, &size) != 1)
        return ERR_OUT_OF_MEMORY;
    memcpy(out_hash, whole, CKPT_HASH_BYTES);
    return 0;
}
