/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Base64 with padding, strictly: three bytes are four characters of the alphabet.
 *
 * Invariants: decoding accepts only what encoding writes, so each value has one text.
 * Threads: pure functions. Failures: as the header says; out is then as it was.
 */
#include "common/base64.h"

#include "common/err.h"

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct bytes bytes, struct buf *out)
{
    int err = buf_reserve(out, bytes.size / 3 * 4 + 4);
    if (err != 0)
        return err;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t n = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        bits |= n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        bits |= n > 2 ? bytes.data[i + 2] : 0;
        uint8_t *to = out->data + out->size;
        for (unsigned k = 0; k < 4; k++)
            to[k] = k <= n ? (uint8_t)base64_alphabet[bits >> (18 - 6 * k) & 63] : '=';
        out->size += 4;
    }
    return 0;
}

static int base64_digit(uint8_t c)
{
    const char *at = c == 0 ? NULL : memchr(base64_alphabet, c, 64);
    return at == NULL ? -1 : (int)(at - base64_alphabet);
}

/* Four characters to one, two or three bytes at `to`; the number of bytes, 0 if they are wrong. */
static unsigned base64_group(const uint8_t *from, bool last, uint8_t *to)
{
    unsigned n = last && from[3] == '=' ? (from[2] == '=' ? 1 : 2) : 3;
    uint32_t bits = 0;
    for (unsigned k = 0; k <= n; k++) {
        int digit = base64_digit(from[k]);
        if (digit < 0)
            return 0;
        bits |= (uint32_t)digit << (18 - 6 * k);
    }
    if ((bits & (0xffffffu >> (8 * n))) != 0)
        return 0;
    for (unsigned k = 0; k < n; k++)
        to[k] = (uint8_t)(bits >> (16 - 8 * k));
    return n;
}

int base64_decode(struct bytes text, struct buf *out)
{
    size_t before = out->size;
    if (text.size % 4 != 0)
        return ERR_BAD_ARGUMENT;
    int err = buf_reserve(out, text.size / 4 * 3);
    if (err != 0)
        return err;
    for (size_t i = 0; i < text.size; i += 4) {
        unsigned n = base64_group(text.data + i, i + 4 == text.size, out->data + out->size);
        if (n == 0) {
            out->size = before;
            return ERR_BAD_ARGUMENT;
        }
        out->size += n;
    }
    return 0;
}
