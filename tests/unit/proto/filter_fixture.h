/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Filters and metadata written as in JSON, with ' for ", for tests of proto/filter. The bytes stand
 * at the end of a block of exactly their size, so that the address sanitizer sees any read behind
 * them.
 */
#pragma once

#include "proto/filter.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline void fixture_value(const char **text, struct buf *out);

static inline void fixture_blank(const char **text)
{
    *text += strspn(*text, " ,:");
}

/* The items up to the closing bracket, behind a header that counts them. */
static inline void fixture_items(const char **text, char close, struct buf *out)
{
    struct buf items = {0};
    size_t count = 0;
    (*text)++;
    for (fixture_blank(text); **text != close; fixture_blank(text), count++)
        fixture_value(text, &items);
    (*text)++;
    assert_int_equal(close == ']' ? pack_array(out, count) : pack_map(out, count / 2), 0);
    assert_int_equal(buf_append(out, items.data, items.size), 0);
    buf_deinit(&items);
}

static inline void fixture_number(const char **text, struct buf *out)
{
    size_t size = strcspn(*text, " ,:]}");
    bool real = memchr(*text, '.', size) != NULL || memchr(*text, 'n', size) != NULL;
    if (real)
        assert_int_equal(pack_real(out, strtod(*text, NULL)), 0);
    else if (**text == '-')
        assert_int_equal(pack_int(out, strtoll(*text, NULL, 10)), 0);
    else
        assert_int_equal(pack_uint(out, strtoull(*text, NULL, 10)), 0);
    *text += size;
}

static inline bool fixture_word(const char **text, const char *word)
{
    if (strncmp(*text, word, strlen(word)) != 0)
        return false;
    *text += strlen(word);
    return true;
}

static inline void fixture_value(const char **text, struct buf *out)
{
    fixture_blank(text);
    assert_true(**text != 0);
    if (**text == '\'' || **text == '`') { /* str or bin */
        const char *end = strchr(*text + 1, **text);
        struct bytes body = {(const uint8_t *)*text + 1, (size_t)(end - *text - 1)};
        assert_int_equal(**text == '`' ? pack_bin(out, body) : pack_str(out, body), 0);
        *text = end + 1;
    } else if (**text == '[' || **text == '{') {
        fixture_items(text, **text == '[' ? ']' : '}', out);
    } else if (fixture_word(text, "null")) {
        assert_int_equal(pack_nil(out), 0);
    } else if (fixture_word(text, "true")) {
        assert_int_equal(pack_bool(out, true), 0);
    } else if (fixture_word(text, "false")) {
        assert_int_equal(pack_bool(out, false), 0);
    } else {
        fixture_number(text, out);
    }
}

static inline struct bytes fixture_exact(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.size + (bytes.size == 0));
    assert_non_null(copy);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return (struct bytes){copy, bytes.size};
}

static inline void fixture_release(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

/* The MessagePack of a text; to be released. */
static inline struct bytes fixture_pack(const char *text)
{
    struct buf out = {0};
    fixture_value(&text, &out);
    struct bytes bytes = fixture_exact(buf_bytes(&out));
    buf_deinit(&out);
    return bytes;
}
