/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/shape: replies, written as JSON, and the tables they become.
 */
#include "client/cli/shape.h"

#include "client/cli/json.h"
#include "tests/unit/client/cli/written.h"

#include <locale.h>

static void reply(const char *json, bool is_shaped, const char *expected)
{
    struct usage usage;
    struct written written;
    struct buf packed;
    bool shaped = !is_shaped;
    buf_init(&packed);
    assert_int_equal(json_in(bytes_of(json), &packed, &usage), 0);
    written_begin(&written);
    assert_int_equal(shape_reply(buf_bytes(&packed), written.out, 80, &shaped), 0);
    assert_int_equal(shaped, is_shaped);
    written_is(&written, expected);
    buf_deinit(&packed);
}

static void replies(void **state)
{
    (void)state;
    reply("5", false, "");
    reply("\"pong\"", false, "");
    reply("[]", false, "");
    reply("{}", false, "");
    reply("[1, 2]", false, "");
    reply("[1, [2]]", false, "");
    reply("{\"a\": 1, \"longer\": \"x\"}", true, "a       1\nlonger  x\n");
    reply("{\"a\": [], \"b\": {}, \"c\": [1, 2]}", true, "a  []\nb  {}\nc  [1, 2]\n");
    reply("[{\"id\": 1, \"name\": \"x\"}, {\"id\": 22, \"more\": null}]", true,
          "id  name  more\n--  ----  ----\n 1  x\n22        null\n");
    reply("[[1, \"x\"], [22, \"y\"]]", true, " 1  x\n22  y\n");
    reply("{\"k\": {\"n\": 1, \"us\": 0.5}, \"longer\": {\"us\": 28.44466666, \"n\": 2}}", true,
          "name    n      us\n------  -  ------\nk       1   0.500\nlonger  2  28.445\n");
    reply("{\"a\": {\"x\": 1}, \"b\": {\"y\": 2}}", true, "a:\nx  1\n\nb:\ny  2\n");
    reply("{\"one\": {\"x\": 1}, \"v\": 7, \"rows\": [{\"i\": 1}]}", true,
          "v  7\n\none:\nx  1\n\nrows:\ni\n-\n1\n");
}

/* Text stands without quotes only where it would be read back as that text. */
static void cells(void **state)
{
    (void)state;
    reply("{\"a\": \"5\", \"b\": \"x y\", \"c\": \"true\", \"d\": \" x\", \"e\": \"\", \"f\": "
          "\"007\"}",
          true, "a  \"5\"\nb  x y\nc  \"true\"\nd  \" x\"\ne  \"\"\nf  007\n");
    reply("{\"a\": \"\\u001b[31m\", \"b\": {\"$bin\": \"/w==\"}, \"c\": \"x\\ny\"}", true,
          "a  \"\\u001b[31m\"\nb  {\"$bin\": \"/w==\"}\nc  \"x\\ny\"\n");
    reply("{\"\\u001b\": 1}", true, "?  1\n");
    reply("{\"\\u001b\": {\"a\": 1}}", true, ":\na  1\n");
}

static void list(const char *op, const char *json, const char *expected)
{
    struct usage usage;
    struct written written;
    struct print_page page;
    struct table *table = NULL;
    struct buf packed;
    buf_init(&packed);
    assert_int_equal(json_in(bytes_of(json), &packed, &usage), 0);
    assert_true(print_find_page(buf_bytes(&packed), &page));
    written_begin(&written);
    for (int i = 0; i < 2; i++)
        assert_int_equal(shape_list(&page, op_find(bytes_of(op)), written.out, 80, &table), 0);
    written_is(&written, expected);
    shape_list_end(table);
    buf_deinit(&packed);
}

/* Each page comes twice. Names are those of the table of operations. */
static void lists(void **state)
{
    (void)state;
    list("kv.scan", "{\"items\": [], \"cursor\": null}", "");
    list("kv.scan", "{\"items\": [[\"k\", 1], [\"key\", 1.25]]}",
         "key  value\n---  -----\nk        1\nkey   1.25\nk        1\nkey   1.25\n");
    list("kv.scan", "{\"items\": [[\"k\", 1, 2, null]]}",
         "key  value  version  ttl_ms\n---  -----  -------  ------\n"
         "k        1        2  null\nk        1        2  null\n");
    list("kv.scan", "{\"items\": [\"k\", \"l\"]}", "k\nl\nk\nl\n");
    list("kv.scan", "{\"items\": [[1], [2, 3]]}", "[1]\n[2, 3]\n[1]\n[2, 3]\n");
    list("run.list", "{\"items\": [{\"run\": \"a\", \"records\": 5}]}",
         "run  records\n---  -------\na          5\nrun  records\n---  -------\na          5\n");
}

/* More columns than a table has. */
static void too_many(void **state)
{
    (void)state;
    char json[1024] = "{\"items\": [[0";
    for (int i = 1; i <= TABLE_COLUMNS_MAX; i++)
        snprintf(json + strlen(json), sizeof json - strlen(json), ", %d", i);
    snprintf(json + strlen(json), sizeof json - strlen(json), "]]}");
    struct usage usage;
    struct print_page page;
    struct table *table = NULL;
    struct buf packed;
    struct written written;
    buf_init(&packed);
    assert_int_equal(json_in(bytes_of(json), &packed, &usage), 0);
    assert_true(print_find_page(buf_bytes(&packed), &page));
    written_begin(&written);
    assert_int_equal(shape_list(&page, &op_table[OP_kv_scan], written.out, 20, &table), 0);
    written_is(&written, "[0, 1, 2, 3, 4, 5, …\n");
    shape_list_end(table);
    buf_deinit(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies),
        cmocka_unit_test(cells),
        cmocka_unit_test(lists),
        cmocka_unit_test(too_many),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    op_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
