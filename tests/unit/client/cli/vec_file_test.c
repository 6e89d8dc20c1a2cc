/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/cli/vec_file: rows of every form as text, what is refused and with which sentence, files
 * that are cut at every byte, and memory that does not grow with the file.
 */
#include "client/cli/vec_file.h"

#include "client/cli/json.h"
#include "common/err.h"
#include "common/rng.h"
#include "proto/mp.h"
#include "tests/unit/client/table_text.h"

enum { MANY_ROWS = 20000, MANY_DIM = 16 };

/* size: of the dict, which has this shape */
#define NPY(size, shape)                                                                           \
    "\x93NUMPY\1\0" size "\0{'descr': '<f4', 'fortran_order': False, 'shape': " shape ", }      "  \
    "\n"

/* "key [elements] metadata", as JSON, a line for each row; then what is wrong with the file. */
static void read_all(struct bytes bytes, struct buf *out, bool with_error)
{
    struct vec_file file;
    struct vec_row row;
    struct usage usage = {""};
    FILE *in = open_bytes(bytes);
    int got = vec_file_begin(in, NULL, &file, &usage);
    got = got == 0 ? 1 : got;
    while (got == 1 && (got = vec_file_next(&file, &row, &usage)) == 1) {
        if (row.key.size > 0)
            assert_int_equal(json_out(row.key, 0, out), 0);
        assert_int_equal(row.elements.size, vec_file_dim(&file) * sizeof(float));
        add_elements(out, row.elements);
        if (row.metadata.size > 0)
            add(out, " ");
        if (row.metadata.size > 0)
            assert_int_equal(json_out(row.metadata, 0, out), 0);
        add(out, "\n");
    }
    assert_true(got == 0 || (got == ERR_BAD_ARGUMENT && usage.text[0] != 0));
    if (with_error && got != 0)
        add(out, usage.text);
    vec_file_deinit(&file);
    fclose(in);
}

static void lines(void **state)
{
    (void)state;
    check(BYTES(""), "");
    check(BYTES("\n \r\n"), "");
    check(BYTES("{\"key\": \"a\", \"vector\": [1, -2.5, 1e3]}"), "\"a\" 1 -2.5 1000\n");
    check(BYTES("\n{\"id\": 7, \"embedding\": [0.1]}\r\n\n{\"values\": [2], \"payload\": {}}\n"),
          "\"7\" 0.1\n 2 {}\n");
    check(BYTES("{\"metadata\": {\"a\": [1]}, \"vector\": [1], \"id\": -1}\n"),
          "\"-1\" 1 {\"a\": [1]}\n");
    check(BYTES("{\"id\": \"x\", \"vector\": [1], \"metadata\": null}\n"), "\"x\" 1\n");
    check(BYTES("{\"id\": \"x\", \"vector\": [1], \"text\": \"t\", \"n\": 1}\n"),
          "\"x\" 1 {\"text\": \"t\", \"n\": 1}\n");
    check(BYTES("{\"metadata\": {\"a\": 1}, \"id\": \"x\", \"b\": 2, \"vector\": [1]}\n"),
          "\"x\" 1 {\"a\": 1, \"b\": 2}\n");
    check(BYTES("{\"key\": {\"$bin\": \"/w==\"}, \"vector\": {\"$bin\": \"AACAPwAAAEA=\"}}\n"),
          "{\"$bin\": \"/w==\"} 1 2\n");
}

static void lines_refused(void **state)
{
    (void)state;
    check(BYTES("{\"id\": 1, \"vector\": [1]}\nnonsense\n"), "\"1\" 1\nline 2: not JSON");
    check(BYTES("{\"id\": 1, \"vector\": [1]}\n{\"id\": 2, \"vec"), "\"1\" 1\nline 2: not JSON");
    check(BYTES("[1, 2]\n"), "line 1: not an object such as {\"key\"");
    check(BYTES("\n\n{\"id\": 1}\n"), "line 3: no vector");
    check(BYTES("{\"vector\": 5}\n"), "line 1: the vector is not an array");
    check(BYTES("{\"vector\": []}\n"), "line 1: a vector of 0 elements; 1 to 8192");
    check(BYTES("{\"vector\": [1, null]}\n"), "line 1: element 1 of the vector is not a number");
    check(BYTES("{\"vector\": [1, \"2\"]}\n"), "line 1: element 1 of the vector is not a number");
    check(BYTES("{\"vector\": [1, 1e39]}\n"), "line 1: element 1 is infinite as a 32-bit float");
    check(BYTES("{\"vector\": [{\"$float\": \"nan\"}]}\n"), "line 1: element 0 is no number");
    check(BYTES("{\"vector\": {\"$bin\": \"AAAA\"}}\n"), "line 1: the vector is not an array");
    check(BYTES("{\"vector\": [1]}\n{\"vector\": [1, 2]}\n"),
          " 1\nline 2: a vector of 2 elements; those before it have 1");
    check(BYTES("{\"vector\": [1], \"id\": 1.5}\n"), "line 1: a key that is neither");
    check(BYTES("{\"vector\": [1], \"id\": 1, \"key\": 2}\n"), "line 1: 'key' is there, and");
    check(BYTES("{\"vector\": [1], \"metadata\": [1]}\n"), "line 1: the metadata is not an object");
    check(BYTES("{\"vector\": [1], \"metadata\": {\"a\": 1}, \"a\": 1}\n"),
          "line 1: 'a' is in the");
    check(BYTES("{\"vector\": [1], \"metadata\": {\"\\u001b\": 1}, \"\\u001b\": 1}\n"),
          "line 1: '?' is in the");
}

/* A line of 8192 elements is taken, one of 8193 is not; nor are fields without end. */
static void lines_long(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        struct buf text, out;
        buf_init(&text);
        buf_init(&out);
        assert_int_equal(buf_append(&text, "{\"vector\": [1", 13), 0);
        for (unsigned i = 1; i < ELEMENTS_MAX + more; i++)
            assert_int_equal(buf_append(&text, ",1", 2), 0);
        assert_int_equal(buf_append(&text, "]}\n", 3), 0);
        read_all(buf_bytes(&text), &out, true);
        assert_int_equal(out.size == 2 * ELEMENTS_MAX + 1, more == 0);
        if (more > 0)
            assert_true(bytes_start_with(buf_bytes(&out), bytes_of("line 1: a vector of 8193")));
        buf_deinit(&text);
        buf_deinit(&out);
    }
    struct buf text;
    buf_init(&text);
    assert_int_equal(buf_append(&text, "{", 1), 0);
    for (unsigned i = 0; i <= VEC_FILE_FIELDS_MAX; i++) {
        char field[32];
        snprintf(field, sizeof field, "\"f%u\": 1, ", i);
        assert_int_equal(buf_append(&text, field, strlen(field)), 0);
    }
    assert_int_equal(buf_append(&text, "\"vector\": [1]}", 14), 0);
    check(buf_bytes(&text), "line 1: more than 256 fields");
    buf_deinit(&text);
}

static void tables(void **state)
{
    (void)state;
    check(BYTES(FVECS("\2", ONE TWO) FVECS("\2", TWO ONE)), " 1 2\n 2 1\n");
    check(BYTES("{\0\0\0"), "row 0 (byte 0): the file is cut"); /* 123 elements, not a line */
    check(BYTES(FVECS("\1", ONE) "\1"), " 1\nrow 1 (byte 8): the file is cut inside of it");
    check(BYTES(NPY("\x42", "(2, 1)") ONE TWO), " 1\n 2\n");
    check(BYTES(NPY("\x42", "(2, 1)") ONE), " 1\nrow 1 (byte 80): the file is cut inside of it");
    check(BYTES("\x93NUMPY"), "the header of the .npy file is cut");
}

/* A file that is none of a pipe is measured before anything of it is taken. */
static void measured(void **state)
{
    static const char rows[] = FVECS("\1", ONE) FVECS("\1", TWO);
    struct vec_file file;
    struct usage usage = {""};
    (void)state;
    for (unsigned cut = 0; cut < 2; cut++) {
        FILE *in = tmpfile();
        assert_non_null(in);
        assert_int_equal(fwrite(rows, 1, sizeof rows - 1 - cut, in), sizeof rows - 1 - cut);
        rewind(in);
        assert_int_equal(vec_file_begin(in, NULL, &file, &usage), cut == 0 ? 0 : ERR_BAD_ARGUMENT);
        vec_file_deinit(&file);
        fclose(in);
    }
    assert_non_null(strstr(usage.text, "the file has 1 rows of 1 elements and 7 bytes more"));
}

static void cut(void **state)
{
    static const char line[] = "{\"id\": 1, \"vector\": [1, 2], \"a\": 1}\n{\"vector\": [3, 4]}\n";
    static const char rows[] = FVECS("\2", ONE TWO) FVECS("\2", TWO ONE);
    static const char array[] = NPY("\x42", "(2, 2)") ONE TWO TWO ONE;
    (void)state;
    check_cuts(BYTES(line), 0);
    check_cuts(BYTES(rows), 0);
    check_cuts(BYTES(array), 0);
}

/* What is held does not depend on how many rows there are. */
static void bounded(void **state)
{
    struct vec_file file;
    struct vec_row row;
    struct usage usage;
    struct rng rng = {5};
    uint32_t dim = MANY_DIM;
    FILE *in = tmpfile();
    (void)state;
    assert_non_null(in);
    for (int i = 0; i < MANY_ROWS; i++) {
        fwrite(&dim, sizeof dim, 1, in);
        for (int k = 0; k < MANY_DIM; k++) {
            float element = (float)rng_below(&rng, 1000);
            fwrite(&element, sizeof element, 1, in);
        }
    }
    rewind(in);
    assert_int_equal(vec_file_begin(in, NULL, &file, &usage), 0);
    while (vec_file_next(&file, &row, &usage) == 1)
        assert_true(file.window.raw.capacity < 1 << 20);
    assert_int_equal(file.count, MANY_ROWS);
    vec_file_deinit(&file);
    fclose(in);
}

/* One vector as an argument, and what it is as JSON. */
static void one(struct bytes bytes, const char *expected)
{
    struct usage usage = {""};
    struct buf packed, text;
    buf_init(&packed);
    buf_init(&text);
    int err = vec_file_vector(bytes, &packed, &usage);
    assert_true(err == 0 || err == ERR_BAD_ARGUMENT);
    if (err == 0)
        assert_int_equal(json_out_exact(buf_bytes(&packed), &text), 0);
    else
        assert_int_equal(buf_append(&text, usage.text, strlen(usage.text)), 0);
    if (!bytes_start_with(buf_bytes(&text), bytes_of(expected)))
        fail_msg("%.*s instead of %s", (int)text.size, (const char *)text.data, expected);
    buf_deinit(&packed);
    buf_deinit(&text);
}

static void vectors(void **state)
{
    (void)state;
    one(BYTES("[1, 2.5]\n"), "[1, 2.5]");
    one(BYTES(ONE TWO), "{\"$bin\": \"AACAPwAAAEA=\"}");
    one(BYTES(NPY("\x40", "(2,)") ONE TWO), "{\"$bin\": \"AACAPwAAAEA=\"}");
    one(BYTES(NPY("\x42", "(2, 1)") ONE TWO), "the .npy file has 2 rows; one");
    one(BYTES(NPY("\x40", "(2,)") ONE), "row 0 (byte 74): the file is cut");
    one(BYTES("12345"), "12345");
    one(BYTES("\0\0\x80"), "3 bytes are no vector");
    one(BYTES(""), "0 bytes are no vector");
    one(BYTES("    "), "4 bytes are no vector");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),   cmocka_unit_test(lines_refused), cmocka_unit_test(lines_long),
        cmocka_unit_test(tables),  cmocka_unit_test(measured),      cmocka_unit_test(cut),
        cmocka_unit_test(bounded), cmocka_unit_test(vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
