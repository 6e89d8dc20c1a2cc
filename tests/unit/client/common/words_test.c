/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/common/words: lines and the words they become, what stays open, and that what is quoted is
 * read back as it was.
 */
#include "client/common/words.h"

#include "common/err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct line {
    const char *text;
    const char *words; /* each in brackets */
    char open;
    bool inside;
    size_t last;
};

static void joined(const struct words *words, char out[512])
{
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < words->argc; i++)
        at += (size_t)snprintf(out + at, 512 - at, "[%s]", words->argv[i]);
}

static void split(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {"", "", 0, false, 0},
        {" \t \r", "", 0, false, 0},
        {"kv get k", "[kv][get][k]", 0, true, 7},
        {"  kv\tget ", "[kv][get]", 0, false, 5},
        {"put 'a b' \"c d\"", "[put][a b][c d]", 0, true, 10},
        {"'a'\"b\"c", "[abc]", 0, true, 0},
        {"''", "[]", 0, true, 0},
        {"'' \"\"", "[][]", 0, true, 3},
        {"a\\ b \\\" \\\\", "[a b][\"][\\]", 0, true, 8},
        {"\"a\\\"b\\\\c\\$d\\n\"", "[a\"b\\c$d\\n]", 0, true, 0},
        {"'a\\b'", "[a\\b]", 0, true, 0},
        {"'it'\\''s'", "[it's]", 0, true, 0},
        {"a # b", "[a]", 0, false, 0},
        {"# all of it", "", 0, false, 0},
        {"a#b '#'", "[a#b][#]", 0, true, 4},
        {"a 'b c", "[a][b c]", '\'', true, 2},
        {"a \"b\\", "[a][b\\]", '"', true, 2},
        {"a\\", "[a\\]", 0, true, 0},
        {"\xff\xfe \xc3\xa4", "[\xff\xfe][\xc3\xa4]", 0, true, 3},
    };
    for (size_t i = 0; i < LENGTH_OF(lines); i++) {
        struct words words;
        char text[512];
        assert_int_equal(words_split(bytes_of(lines[i].text), &words), 0);
        joined(&words, text);
        assert_string_equal(text, lines[i].words);
        assert_int_equal(words.open, lines[i].open);
        assert_int_equal(words.inside, lines[i].inside);
        assert_int_equal(words.last, lines[i].last);
        assert_null(words.argv[words.argc]);
        words_deinit(&words);
    }
}

static void refused(void **state)
{
    (void)state;
    struct words words;
    assert_int_equal(words_split((struct bytes){(const uint8_t *)"a\0b", 3}, &words),
                     ERR_BAD_ARGUMENT);
}

/* Every byte but NUL, behind each kind of quote. */
static void quoted(void **state)
{
    (void)state;
    char all[256];
    for (unsigned c = 1; c < 256; c++)
        all[c - 1] = (char)c;
    all[255] = 0;
    for (const char *open = "'\""; *open != 0; open++) {
        struct words words;
        struct buf line;
        buf_init(&line);
        assert_int_equal(buf_append(&line, open, 1), 0);
        assert_int_equal(words_quote(all, *open, &line), 0);
        assert_int_equal(buf_append(&line, open, 1), 0);
        assert_int_equal(words_split(buf_bytes(&line), &words), 0);
        assert_int_equal(words.argc, 1);
        assert_string_equal(words.argv[0], all);
        words_deinit(&words);
        buf_deinit(&line);
    }
    struct words words;
    struct buf line;
    buf_init(&line);
    assert_int_equal(words_quote(all, 0, &line), 0);
    assert_int_equal(words_split(buf_bytes(&line), &words), 0);
    assert_int_equal(words.argc, 1);
    assert_string_equal(words.argv[0], all);
    words_deinit(&words);
    buf_deinit(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split),
        cmocka_unit_test(refused),
        cmocka_unit_test(quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
