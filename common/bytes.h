/* SPDX-License-Identifier: BSD-3-Clause
 *
 * struct bytes: a borrowed view of bytes. Whoever made the view owns the memory. A view is never
 * stored and never crosses a thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data; /* may be NULL if size is 0 */
    size_t size;
};

#define BYTES_NONE ((struct bytes){NULL, 0})

/* View of a C string without its NUL, and of a string literal (constant). */
static inline struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* As bytes_equal, without a call for 8 to 16 bytes: what keys mostly have. */
static inline bool bytes_equal_short(struct bytes a, struct bytes b)
{
    uint64_t a_head, a_tail, b_head, b_tail;
    if (a.size != b.size || a.size < 8 || a.size > 16)
        return bytes_equal(a, b);
    memcpy(&a_head, a.data, 8);
    memcpy(&b_head, b.data, 8);
    memcpy(&a_tail, a.data + a.size - 8, 8);
    memcpy(&b_tail, b.data + b.size - 8, 8);
    return ((a_head ^ b_head) | (a_tail ^ b_tail)) == 0;
}

/* Eight bytes as a number whose order is that of memcmp. */
static inline uint64_t bytes_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* memcmp of n bytes without a call for 8 to 32: what keys mostly have. */
static inline int bytes_order(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n < 8 || n > 32)
        return n == 0 ? 0 : memcmp(a, b, n);
    for (size_t at = 0;; at = at + 16 <= n ? at + 8 : n - 8) { /* the last word may overlap */
        uint64_t x = bytes_word(a + at), y = bytes_word(b + at);
        if (x != y)
            return x < y ? -1 : 1;
        if (at + 8 == n)
            return 0;
    }
}

/* Order by memcmp, shorter first among equals: the order of keys everywhere. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
    int order = bytes_order(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool bytes_start_with(struct bytes a, struct bytes prefix)
{
    return a.size >= prefix.size && bytes_equal((struct bytes){a.data, prefix.size}, prefix);
}
