/* SPDX-License-Identifier: BSD-3-Clause
 *
 * client/common/vector_table, and with it elements, npy and window: rows of both forms, every lie
 * of a header, rows that are no vectors, files that are cut at every byte or hold anything, read
 * from the beginning and from any row on.
 */
#include "client/common/vector_table.h"

#include "common/err.h"
#include "common/rng.h"
#include "tests/unit/client/table_text.h"

#define INFINITE "\0\0\x80\x7f"

struct opened {
    FILE *in;
    struct window window;
    struct vector_table table;
    struct usage usage;
};

static int begin(struct opened *o, struct bytes bytes)
{
    o->in = open_bytes(bytes);
    o->usage.text[0] = 0;
    window_init(&o->window, o->in);
    return vector_table_begin(&o->table, &o->window, &o->usage);
}

static void end(struct opened *o)
{
    vector_table_deinit(&o->table);
    window_deinit(&o->window);
    fclose(o->in);
}

/* A line for each row, then what is wrong with the file. */
static void read_all(struct bytes bytes, struct buf *out, bool with_error)
{
    struct opened o;
    struct bytes row;
    int got = begin(&o, bytes);
    if (got == 0)
        add(out, "no table");
    while (got == 1 && (got = vector_table_next(&o.table, &row, &o.usage)) == 1) {
        assert_int_equal(row.size, o.table.elements.dim * sizeof(float));
        add_elements(out, row);
        add(out, "\n");
    }
    assert_true(got == 0 || (got == ERR_BAD_ARGUMENT && o.usage.text[0] != 0));
    if (with_error && got != 0)
        add(out, o.usage.text);
    end(&o);
}

static void none(void **state)
{
    (void)state;
    check(BYTES(""), "no table");
    check(BYTES("{}"), "no table");
    check(BYTES("\1\0\0"), "no table");
    check(BYTES("{\"key\": 1}\n"), "no table");
    check(BYTES("\x93NUMPX\1\0"), "no table");
    check(BYTES("\1\0\1\0" ONE), "no table"); /* 65,537 elements */
}

static void fvecs(void **state)
{
    (void)state;
    check(BYTES(FVECS("\1", ONE)), " 1\n");
    check(BYTES(FVECS("\2", ONE TWO) FVECS("\2", TWO ONE)), " 1 2\n 2 1\n");
    check(BYTES("{\0\0\0"), "row 0 (byte 0): the file is cut"); /* 123 elements, not a line */
    check(BYTES(FVECS("\1", ONE) FVECS("\1", "\0\0")),
          " 1\nrow 1 (byte 8): the file is cut inside of it");
    check(BYTES(FVECS("\1", ONE) "\1"), " 1\nrow 1 (byte 8): the file is cut inside of it");
    check(BYTES(FVECS("\1", ONE) FVECS("\2", ONE TWO)),
          " 1\nrow 1 (byte 8): a vector of 2 elements; those before it have 1");
    check(BYTES(FVECS("\1", ONE) FVECS("\1", INFINITE)),
          " 1\nrow 1 (byte 8): element 0 is infinite");
    check(BYTES("\0\0\0\0"), "row 0 (byte 0): a vector of 0 elements");
    check(BYTES("\1\x20\0\0"), "row 0 (byte 0): a vector of 8193 elements");
    check(BYTES(FVECS("\1", ONE) "\xff\xff\xff\xff"),
          " 1\nrow 1 (byte 8): a vector of 4294967295 elements");
}

/* A .npy file of version 1 with this dict and these rows. */
static void npy(const char *dict, struct bytes rows, const char *expected)
{
    struct buf file;
    const uint8_t size[2] = {(uint8_t)strlen(dict), (uint8_t)(strlen(dict) >> 8)};
    buf_init(&file);
    assert_int_equal(buf_append(&file, "\x93NUMPY\1\0", 8), 0);
    assert_int_equal(buf_append(&file, size, sizeof size), 0);
    assert_int_equal(buf_append(&file, dict, strlen(dict)), 0);
    assert_int_equal(buf_append(&file, rows.data, rows.size), 0);
    check(buf_bytes(&file), expected);
    buf_deinit(&file);
}

#define DICT(descr, order, shape)                                                                  \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }      \n"

static void npys(void **state)
{
    (void)state;
    npy(DICT("<f4", "False", "(2, 1)"), BYTES(ONE TWO), " 1\n 2\n");
    npy(DICT("<f4", "False", "(1, 2)"), BYTES(ONE TWO), " 1 2\n");
    npy(DICT("<f4", "False", "(2,)"), BYTES(ONE TWO), " 1 2\n");
    npy(DICT("<f4", "True", "(2,)"), BYTES(ONE TWO), " 1 2\n");
    npy(DICT("<f8", "False", "(1, 1)"), BYTES("\0\0\0\0\0\0\xf8\x3f"), " 1.5\n");
    npy(DICT("<f2", "False", "(1, 6)"), BYTES("\0\x3c\0\xc1\xff\x7b\1\0\xff\3\0\x80"),
        " 1 -2.5 65504 5.96046e-08 6.09756e-05 -0\n");
    npy(DICT("<f4", "False", "(0, 3)"), BYTES(""), "");
    npy("{\"shape\":(1,1),\"descr\":\"<f4\",\"fortran_order\":False}", BYTES(ONE), " 1\n");
    check(BYTES("\x93NUMPY\2\0\x36\0\0\0" DICT("<f4", "False", "(1,)") ONE),
          "the header of the .npy file is"); /* a size that is not that of the dict */
}

static void npys_refused(void **state)
{
    (void)state;
    npy(DICT("<f4", "False", "(2, 1)"), BYTES(ONE),
        " 1\nrow 1 (byte 80): the file is cut inside of it");
    npy(DICT("<f4", "False", "(1, 1)"), BYTES(ONE TWO), " 1\nthere is more behind the 1 rows");
    npy(DICT("<f4", "False", "(1, 1)"), BYTES(INFINITE), "row 0 (byte 76): element 0 is infinite");
    npy(DICT("<f8", "False", "(1, 1)"), BYTES("\0\0\0\0\0\0\xf0\x7e"),
        "row 0 (byte 76): element 0 is inf");
    npy(DICT("<f2", "False", "(1, 1)"), BYTES("\0\x7c"), "row 0 (byte 76): element 0 is infinite");
    npy(DICT("<f2", "False", "(1, 1)"), BYTES("\1\xfc"), "row 0 (byte 76): element 0 is no number");
    npy(DICT("<i4", "False", "(1, 1)"), BYTES(ONE), "the .npy file has elements of type '<i4'");
    npy(DICT("<f16", "False", "(1, 1)"), BYTES(ONE), "the .npy file has elements of type '<f16'");
    npy(DICT(">f4", "False", "(1, 1)"), BYTES(ONE), "the .npy file has elements of type '>f4'");
    npy(DICT("\x1b[0m", "False", "(1,)"), BYTES(ONE), "the .npy file has elements of type '?[0m'");
    npy(DICT("<f4", "True", "(1, 1)"), BYTES(ONE), "the .npy file is in Fortran order");
    npy(DICT("<f4", "Maybe", "(1,)"), BYTES(ONE), "the .npy file is in Fortran order");
    npy(DICT("<f4", "False", "(1, 1, 1)"), BYTES(ONE), "the .npy file has an array of 3 dimen");
    npy(DICT("<f4", "False", "()"), BYTES(ONE), "the .npy file has an array of 0 dimensions");
    npy(DICT("<f4", "False", "(1, 0)"), BYTES(""), "the rows of the .npy file have 0 elements");
    npy(DICT("<f4", "False", "(1, 8193)"), BYTES(""), "the rows of the .npy file have 8193");
    npy(DICT("<f4", "False", "(1, 99999999999999999999)"), BYTES(ONE), "the header of the .npy");
    npy(DICT("<f4", "False", "(18446744073709551615, 1)"), BYTES(ONE),
        " 1\nrow 1 (byte 99): the file is cut");
    npy("{'descr': '<f4', 'shape': (1, 1)}", BYTES(ONE), "the header of the .npy file is damaged");
    npy("{'descr': '<f4', 'fortran_order': False}", BYTES(ONE), "the header of the .npy file is");
    npy("{'descr': [('a', '<f4')]}", BYTES(ONE), "the header of the .npy file is damaged");
    npy("{'descr': '<f4' 'fortran_order': False}", BYTES(ONE), "the header of the .npy file is");
    npy("{", BYTES(ONE), "the header of the .npy file is damaged");
    check(BYTES("\x93NUMPY"), "the header of the .npy file is cut");
    check(BYTES("\x93NUMPY\1\0\xff\xff{}"), "the header of the .npy file is cut");
    check(BYTES("\x93NUMPY\2\0\xff\xff\xff\xff{}"), "the header of the .npy file is cut");
    check(BYTES("\x93NUMPY\11\0\x40\0" DICT("<f4", "False", "(1,)") ONE),
          "the header of the .npy file is cut, or damaged"); /* version 9 */
}

static void cut(void **state)
{
    static const char rows[] = FVECS("\2", ONE TWO) FVECS("\2", TWO ONE);
    static const char array[] =
        "\x93NUMPY\1\0\x42\0" DICT("<f4", "False", "(2, 2)") ONE TWO TWO ONE;
    (void)state;
    check_cuts(BYTES(rows), 6);
    check_cuts(BYTES(array), 6);
}

/* What a file of this size is told to be; "" if all is well. */
static void measure(struct bytes bytes, uint64_t size, uint64_t rows, const char *expected)
{
    struct opened o;
    assert_int_equal(begin(&o, bytes), 1);
    int err = vector_table_measure(&o.table, size, &o.usage);
    assert_int_equal(err, expected[0] == 0 ? 0 : ERR_BAD_ARGUMENT);
    if (err == 0)
        assert_int_equal(o.table.rows, rows);
    if (!bytes_start_with(bytes_of(o.usage.text), bytes_of(expected)))
        fail_msg("%s instead of %s", o.usage.text, expected);
    end(&o);
}

static void measured(void **state)
{
    static const char array[] = "\x93NUMPY\1\0\x42\0" DICT("<f4", "False", "(2, 2)");
    static const char huge[] =
        "\x93NUMPY\1\0\x54\0" DICT("<f4", "False", "(4611686018427387904, 1)");
    const uint64_t head = sizeof array - 1;
    (void)state;
    measure(BYTES(FVECS("\1", ONE)), 8, 1, "");
    measure(BYTES(FVECS("\1", ONE)), 800, 100, "");
    measure(BYTES(FVECS("\1", ONE)), 801, 0, "the file has 100 rows of 1 elements and 1 bytes");
    measure(BYTES(FVECS("\1", ONE)), 7, 0, "the file has 0 rows of 1 elements and 7 bytes");
    measure(BYTES(array), head + 16, 2, "");
    measure(BYTES(array), head + 15, 0,
            "15 bytes follow the header of the .npy file, which tells "
            "of 2 rows of 8 bytes");
    measure(BYTES(array), head + 17, 0, "17 bytes follow");
    measure(BYTES(array), head + 24, 0, "24 bytes follow");
    measure(BYTES(array), head, 0, "0 bytes follow");
    measure(BYTES(array), 0, 0, "0 bytes follow");
    measure(BYTES(huge), sizeof huge - 1, 0, "0 bytes follow"); /* 2^62 * 4 is 0 in 64 bits */
}

/* Any row can be gone to, in any order; behind the last there is none. */
static void seek(void **state)
{
    static const char array[] = "\x93NUMPY\1\0\x42\0" DICT("<f4", "False", "(2, 1)") ONE TWO;
    const struct bytes files[] = {BYTES(FVECS("\1", ONE) FVECS("\1", TWO)), BYTES(array)};
    struct opened o;
    struct bytes row;
    float element;
    (void)state;
    for (size_t k = 0; k < LENGTH_OF(files); k++) {
        assert_int_equal(begin(&o, files[k]), 1);
        for (unsigned i = 0; i < 10; i++) {
            assert_int_equal(vector_table_seek(&o.table, i % 2, &o.usage), 0);
            assert_int_equal(vector_table_next(&o.table, &row, &o.usage), 1);
            memcpy(&element, row.data, sizeof element);
            assert_true(element == (float)(1 + i % 2));
        }
        assert_int_equal(vector_table_next(&o.table, &row, &o.usage), 0);
        assert_int_equal(vector_table_seek(&o.table, UINT64_MAX, &o.usage), ERR_BAD_ARGUMENT);
        end(&o);
    }
}

/* Files with some bytes changed: what is taken are finite rows that are there. */
static void anything(void **state)
{
    static const char array[] =
        "\x93NUMPY\1\0\x42\0" DICT("<f4", "False", "(2, 2)") ONE TWO TWO ONE;
    static const char rows[] = FVECS("\2", ONE TWO) FVECS("\2", TWO ONE);
    struct rng rng = {11};
    uint8_t bytes[sizeof array];
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        size_t size = round % 3 == 0 ? sizeof rows - 1 : sizeof array - 1;
        struct buf out;
        memcpy(bytes, round % 3 == 0 ? rows : array, size);
        for (unsigned i = 0; i < 1 + round % 4; i++)
            bytes[rng_below(&rng, round % 2 == 0 ? 16 : size)] = (uint8_t)rng_next(&rng);
        buf_init(&out);
        read_all((struct bytes){bytes, 1 + (size_t)rng_below(&rng, size)}, &out, false);
        assert_null(out.size > 0 ? memmem(out.data, out.size, "inf", 3) : NULL);
        assert_null(out.size > 0 ? memmem(out.data, out.size, "nan", 3) : NULL);
        buf_deinit(&out);
    }
}

/* What is written is what is read, and of one size. */
static void written(void **state)
{
    static const uint64_t shapes[][2] = {{0, 1}, {1, 8192}, {123456789, 768}, {UINT64_MAX, 8192}};
    uint8_t head[NPY_HEAD_WRITTEN];
    struct usage usage;
    struct npy npy;
    (void)state;
    for (size_t i = 0; i < LENGTH_OF(shapes); i++) {
        npy_write(shapes[i][0], shapes[i][1], head);
        assert_int_equal(npy_read((struct bytes){head, sizeof head}, &npy, &usage), 0);
        assert_true(npy.rows == shapes[i][0] && npy.columns == shapes[i][1]);
        assert_true(npy.element == 4 && npy.size == sizeof head);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none),         cmocka_unit_test(fvecs),    cmocka_unit_test(npys),
        cmocka_unit_test(npys_refused), cmocka_unit_test(cut),      cmocka_unit_test(measured),
        cmocka_unit_test(seek),         cmocka_unit_test(anything), cmocka_unit_test(written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
