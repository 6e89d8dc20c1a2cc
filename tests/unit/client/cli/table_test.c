/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/table: alignment, cutting to the width of the terminal, rows as blocks, pages, and
 * what is not printed as it is.
 */
#include "client/cli/table.h"

#include "tests/unit/client/cli/written.h"

#include <locale.h>

/* A table of words: `columns` of them a row, the first row names if `names`; cells that begin with
 * a digit are numbers. */
static void fill(struct table *table, unsigned columns, bool names, const char *const *words,
                 size_t count)
{
    table_init(table, columns);
    for (size_t i = 0; i < count; i++)
        if (names && i < columns)
            assert_int_equal(table_name(table, words[i], strlen(words[i])), 0);
        else
            assert_int_equal(
                table_cell(table, bytes_of(words[i]), words[i][0] >= '0' && words[i][0] <= '9'), 0);
}

static void check(unsigned columns, bool names, unsigned width, const char *const *words,
                  size_t count, const char *expected)
{
    struct table table;
    struct written written;
    fill(&table, columns, names, words, count);
    written_begin(&written);
    table_write(&table, width, written.out);
    written_is(&written, expected);
    table_deinit(&table);
}

static void aligned(void **state)
{
    (void)state;
    static const char *const words[] = {"key", "n",        "value", "a", "1",
                                        "x",   "long key", "100",   "yy"};
    check(3, true, 80, words, 9,
          "key         n  value\n"
          "--------  ---  -----\n"
          "a           1  x\n"
          "long key  100  yy\n");
    static const char *const mixed[] = {"1", "x", "22", "y", "z", "333"};
    check(2, false, 80, mixed, 6, "1   x\n22  y\nz   333\n");
    check(2, false, 80, NULL, 0, "");
}

static void cut(void **state)
{
    (void)state;
    static const char *const words[] = {"key", "value", "k", "a123456789abcdefghij"};
    check(2, true, 20, words, 4,
          "key  value\n"
          "---  ---------------\n"
          "k    a123456789abcd…\n");
    check(2, true, 25, words, 4,
          "key  value\n"
          "---  --------------------\n"
          "k    a123456789abcdefghij\n");
    static const char *const one[] = {"a123456789"};
    check(1, false, 6, one, 1, "a1234…\n");
}

/* Where it is too wide, columns without text go first, and those to be kept whole never. */
static void kept_whole(void **state)
{
    (void)state;
    static const char *const words[] = {
        "id", "ns", "message", "tags", "0123456789abcdef", "", "a message of some length", ""};
    static const struct {
        unsigned width;
        const char *expected;
    } rows[] = {
        {80, "id                ns  message                   tags\n"
             "----------------  --  ------------------------  ----\n"
             "0123456789abcdef      a message of some length\n"},
        {42, "id                message\n"
             "----------------  ------------------------\n"
             "0123456789abcdef  a message of some length\n"},
        {30, "id                message\n"
             "----------------  ------------\n"
             "0123456789abcdef  a message o…\n"},
        {20, "id       0123456789abcdef\n"
             "ns       \n"
             "message  a message …\n"
             "tags     \n"},
    };
    for (size_t i = 0; i < LENGTH_OF(rows); i++) {
        struct table table;
        struct written written;
        fill(&table, 4, true, words, LENGTH_OF(words));
        table.is_whole[0] = table.is_whole[1] = true;
        table.is_text[0] = true;
        written_begin(&written);
        table_write(&table, rows[i].width, written.out);
        written_is(&written, rows[i].expected);
        table_deinit(&table);
    }
}

/* Characters of two columns are never halved; those of none take no room. */
static void wide(void **state)
{
    (void)state;
    static const char *const words[] = {"日本語日本語日本語", "x"};
    check(2, false, 16, words, 2, "日本語日本語…  x\n");
    check(2, false, 17, words, 2, "日本語日本語…   x\n");
    static const char *const accents[] = {"e\xcc\x81", "x", "ab", "y"};
    check(2, false, 80, accents, 4, "e\xcc\x81   x\nab  y\n");
    assert_int_equal(table_width(bytes_of("日本e\xcc\x81")), 5);
}

static void tall(void **state)
{
    (void)state;
    static const char *const words[] = {
        "name", "count", "summary", "alpha", "1", "abcdefghijklmnopq", "beta", "22", "x"};
    check(3, true, 16, words, 9,
          "name     alpha\n"
          "count    1\n"
          "summary  abcdef…\n"
          "\n"
          "name     beta\n"
          "count    22\n"
          "summary  x\n");
    /* However narrow the terminal is. */
    for (unsigned width = 1; width < 16; width++) {
        struct table table;
        FILE *null = fopen("/dev/null", "w");
        fill(&table, 3, true, words, 9);
        table_write(&table, width, null);
        table_deinit(&table);
        fclose(null);
    }
}

static void cleaned(void **state)
{
    (void)state;
    static const char *const words[] = {"a\x1b[31m\n\tb\x7f", "\xff\xc3", "\xc2\x9b"};
    check(3, false, 80, words, 3, "a?[31m??b?  ??  ?\n");
}

static void pages(void **state)
{
    (void)state;
    static const char *const words[] = {"key", "n", "long key", "100"};
    struct table table;
    struct written written;
    fill(&table, 2, true, words, 4);
    written_begin(&written);
    table_write(&table, 80, written.out);
    table_next_page(&table);
    assert_int_equal(table_cell(&table, bytes_of("b"), false), 0);
    assert_int_equal(table_cell(&table, bytes_of("2"), true), 0);
    table_write(&table, 80, written.out);
    written_is(&written, "key         n\n--------  ---\nlong key  100\nb           2\n");
    table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned), cmocka_unit_test(cut),  cmocka_unit_test(kept_whole),
        cmocka_unit_test(wide),    cmocka_unit_test(tall), cmocka_unit_test(cleaned),
        cmocka_unit_test(pages),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
