/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Token credentials, by OpenSSL's SHA-256 and constant-time comparison.
 *
 * A fast hash is right here because tokens are random and long; it would be wrong for passwords.
 *
 * Threads: constant after auth_load.
 * Failures: an unreadable, world-readable or malformed file is refused with file and line.
 */
#include "server/auth.h"

#include "common/err.h"
#include "common/mem.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

enum { AUTH_TOKENS_MAX = 1024, AUTH_LINE_MAX = 512 };

struct auth {
    size_t n;
    unsigned char hash[AUTH_TOKENS_MAX][SHA256_DIGEST_LENGTH];
};

static const char auth_prefix[] = "sha256:";

static int auth_fail(struct err_detail *out_detail, const char *path, unsigned line,
                     const char *what)
{
    snprintf(out_detail->text, sizeof out_detail->text, "%s:%u: %s", path, line, what);
    return ERR_BAD_ARGUMENT;
}

static int auth_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool auth_parse_hash(const char *text, unsigned char *out_hash)
{
    if (strncmp(text, auth_prefix, strlen(auth_prefix)) != 0)
        return false;
    text += strlen(auth_prefix);
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++, text += 2) {
        int high = auth_hex_digit(text[0]);
        int low = high < 0 ? -1 : auth_hex_digit(text[1]);
        if (low < 0)
            return false;
        out_hash[i] = (unsigned char)(high * 16 + low);
    }
    return *text == 0;
}

static int auth_read(struct auth *auth, FILE *file, const char *path, struct err_detail *out_detail)
{
    char line[AUTH_LINE_MAX];
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        line[strcspn(line, "\r\n")] = 0;
        char *name = line + strspn(line, " \t");
        if (*name == 0 || *name == '#')
            continue;
        char *hash = name + strcspn(name, " \t");
        hash += strspn(hash, " \t");
        if (auth->n == AUTH_TOKENS_MAX)
            return auth_fail(out_detail, path, number, "too many tokens (at most 1024)");
        if (!auth_parse_hash(hash, auth->hash[auth->n]))
            return auth_fail(out_detail, path, number,
                             "expected NAME sha256:HEX, as cairnd --hash-token prints");
        auth->n++;
    }
    return auth->n > 0 ? 0 : auth_fail(out_detail, path, 1, "the file has no tokens");
}

static int auth_check_file(FILE *file, const char *path, struct err_detail *out_detail)
{
    struct stat st;
    if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode))
        return auth_fail(out_detail, path, 1, "not a regular file");
    if ((st.st_mode & 077) != 0)
        return auth_fail(out_detail, path, 1,
                         "others can read this file; make it private: chmod 600");
    return 0;
}

int auth_load(const char *path, struct auth **out_auth, struct err_detail *out_detail)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(out_detail->text, sizeof out_detail->text, "%s: cannot be opened", path);
        return ERR_IO;
    }
    struct auth *auth = mem_calloc(1, sizeof *auth);
    int err = auth == NULL ? ERR_OUT_OF_MEMORY : auth_check_file(file, path, out_detail);
    if (err == 0)
        err = auth_read(auth, file, path, out_detail);
    (void)fclose(file);
    if (err != 0)
        auth_destroy(auth);
    else
        *out_auth = auth;
    return err;
}

void auth_destroy(struct auth *auth)
{
    mem_free(auth);
}

bool auth_valid(const struct auth *auth, struct bytes token)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int found = 0;
    if (auth == NULL || SHA256(token.data, token.size, hash) == NULL)
        return false;
    for (size_t i = 0; i < auth->n; i++)
        found |= CRYPTO_memcmp(hash, auth->hash[i], sizeof hash) == 0;
    return found != 0;
}

int auth_hash(struct bytes token, char out_text[static AUTH_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    if (token.size < AUTH_TOKEN_MIN || SHA256(token.data, token.size, hash) == NULL)
        return ERR_BAD_ARGUMENT;
    size_t at = strlen(auth_prefix);
    memcpy(out_text, auth_prefix, at);
    for (size_t i = 0; i < sizeof hash; i++) {
        out_text[at++] = digits[hash[i] >> 4];
        out_text[at++] = digits[hash[i] & 15];
    }
    out_text[at] = 0;
    return 0;
}
