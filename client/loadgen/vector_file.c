/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads files of vectors.
 *
 * How: the header says how long rows are and, with the size of the file, how many there are; then
 * rows are read one by one.
 *
 * Invariants: nothing is reserved that the file is not large enough for; what is read is finite.
 * Threads: any; no state. Failures: a sentence.
 */
#include "client/loadgen/vector_file.h"

#include "common/bytes.h"
#include "common/err.h"
#include "common/mem.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "floats are taken as they are in the file");

static const char npy_magic[] = "\x93NUMPY";

enum { NPY_MAGIC = 6, NPY_HEAD_1 = 10, NPY_HEAD_2 = 12, FVECS_HEAD = 4 };

static uint32_t file_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

/* ---- .npy ---- */

/* What follows 'key': in the header; size 0: there is no such key. */
static struct bytes npy_value(struct bytes header, const char *key)
{
    char quoted[32];
    int size = snprintf(quoted, sizeof quoted, "'%s'", key);
    const uint8_t *at = memmem(header.data, header.size, quoted, (size_t)size);
    const uint8_t *end = header.data + header.size;
    if (at == NULL)
        return BYTES_NONE;
    for (at += size; at < end && (*at == ' ' || *at == ':');)
        at++;
    return (struct bytes){at, (size_t)(end - at)};
}

/* A whole number, and step over it and the comma, spaces or brackets behind it. */
static bool npy_number(struct bytes *text, uint64_t *out)
{
    uint64_t number = 0;
    size_t digits = 0;
    while (text->size > 0 && text->data[0] >= '0' && text->data[0] <= '9' && digits < 18) {
        number = number * 10 + (uint64_t)(text->data[0] - '0');
        *text = (struct bytes){text->data + 1, text->size - 1};
        digits++;
    }
    while (text->size > 0 && (text->data[0] == ',' || text->data[0] == ' '))
        *text = (struct bytes){text->data + 1, text->size - 1};
    *out = number;
    return digits > 0;
}

/* "(1000, 128)" */
static bool npy_shape(struct bytes text, uint64_t *out_rows, uint64_t *out_dim)
{
    if (text.size == 0 || text.data[0] != '(')
        return false;
    text = (struct bytes){text.data + 1, text.size - 1};
    return npy_number(&text, out_rows) && npy_number(&text, out_dim) && text.size > 0 &&
           text.data[0] == ')';
}

static bool npy_find(const uint8_t *head, size_t head_size, struct vector_table *out,
                     const char **out_why)
{
    *out_why = "the header of this .npy is cut off";
    if (head_size < NPY_HEAD_2)
        return false;
    bool first = head[NPY_MAGIC] == 1;
    size_t begin = first ? NPY_HEAD_1 : NPY_HEAD_2;
    size_t size = first ? (size_t)head[8] + ((size_t)head[9] << 8) : file_u32(head + 8);
    if (size > head_size - begin)
        return false;
    struct bytes header = {head + begin, size};
    uint64_t dim = 0;
    *out_why = "its elements must be of float32, little-endian ('<f4'): convert it by "
               "array.astype('<f4')";
    if (!bytes_start_with(npy_value(header, "descr"), bytes_of("'<f4'")))
        return false;
    *out_why = "it must be in C order: numpy.ascontiguousarray(array)";
    if (!bytes_start_with(npy_value(header, "fortran_order"), bytes_of("False")))
        return false;
    *out_why = "it must have two dimensions: rows, and elements of each";
    if (!npy_shape(npy_value(header, "shape"), &out->rows, &dim))
        return false;
    *out_why = "its rows must have 1 to 8192 elements";
    if (dim == 0 || dim > VECTOR_DIM_MAX)
        return false;
    out->dim = (size_t)dim;
    out->begin = begin + size;
    out->skip = 0;
    out->stride = out->dim * sizeof(float);
    return true;
}

/* ---- both ---- */

static bool fvecs_find(const uint8_t *head, size_t head_size, struct vector_table *out,
                       const char **out_why)
{
    *out_why =
        "it is neither .npy nor .fvecs: the first four bytes are no dimension from 1 to 8192";
    if (head_size < FVECS_HEAD)
        return false;
    uint32_t dim = file_u32(head);
    if (dim == 0 || dim > VECTOR_DIM_MAX)
        return false;
    *out = (struct vector_table){.dim = dim, .skip = FVECS_HEAD};
    out->stride = out->skip + out->dim * sizeof(float);
    out->rows = UINT64_MAX; /* as many as there are */
    return true;
}

bool vector_table_find(const uint8_t *head, size_t head_size, uint64_t file_size,
                       struct vector_table *out, const char **out_why)
{
    bool npy = head_size >= NPY_MAGIC && memcmp(head, npy_magic, NPY_MAGIC) == 0;
    *out = (struct vector_table){.dim = 0};
    if (!(npy ? npy_find(head, head_size, out, out_why)
              : fvecs_find(head, head_size, out, out_why)))
        return false;
    *out_why = npy ? "it is shorter than its header says"
                   : "it does not end with a whole vector: all must be of one dimension";
    uint64_t left = file_size > out->begin ? file_size - out->begin : 0, there = left / out->stride;
    if (!npy)
        out->rows = there;
    if (out->rows > there || (!npy && left % out->stride != 0))
        return false;
    *out_why = "there is no vector in it";
    return out->rows > 0;
}

/* The first element that is no finite number; n: all are. */
static size_t file_finite(const float *row, size_t n)
{
    size_t i = 0;
    while (i < n && isfinite(row[i]))
        i++;
    return i;
}

int vector_table_read(FILE *file, const struct vector_table *table, uint64_t from, uint64_t n,
                      float *rows, uint64_t *out_row)
{
    uint8_t skipped[FVECS_HEAD];
    if (fseeko(file, (off_t)(table->begin + from * table->stride), SEEK_SET) != 0)
        return ERR_IO;
    for (uint64_t i = 0; i < n; i++) {
        float *row = rows + i * table->dim;
        *out_row = from + i;
        if (table->skip > 0 && fread(skipped, table->skip, 1, file) != 1)
            return ERR_IO;
        if (fread(row, table->dim * sizeof *row, 1, file) != 1)
            return ERR_IO;
        if (table->skip > 0 && file_u32(skipped) != table->dim)
            return ERR_BAD_ARGUMENT;
        if (file_finite(row, table->dim) < table->dim)
            return ERR_BAD_ARGUMENT;
    }
    return 0;
}

/* ---- files of a set ---- */

struct vector_file {
    const char *option, *path;
    FILE *file;
    struct vector_table table;
};

static int file_wrong(const struct vector_file *f, const char *why, char *out_detail)
{
    (void)snprintf(out_detail, VECTOR_DETAIL_SIZE, "--%s %.100s: %s", f->option, f->path, why);
    return ERR_BAD_ARGUMENT;
}

static int file_look(struct vector_file *f, uint8_t *head, char *out_detail)
{
    struct stat status;
    const char *why;
    f->file = fopen(f->path, "re");
    if (f->file == NULL || fstat(fileno(f->file), &status) != 0)
        return file_wrong(f, strerror(errno), out_detail);
    size_t size = fread(head, 1, VECTOR_FILE_HEAD, f->file);
    if (ferror(f->file) != 0)
        return file_wrong(f, strerror(errno), out_detail);
    if (!vector_table_find(head, size, (uint64_t)status.st_size, &f->table, &why))
        return file_wrong(f, why, out_detail);
    return 0;
}

static int file_open(struct vector_file *f, const char *option, const char *path, char *out_detail)
{
    *f = (struct vector_file){.option = option, .path = path};
    uint8_t *head = mem_alloc(VECTOR_FILE_HEAD);
    int err = head == NULL ? ERR_OUT_OF_MEMORY : file_look(f, head, out_detail);
    mem_free(head);
    return err;
}

static void file_close(struct vector_file *f)
{
    if (f->file != NULL)
        (void)fclose(f->file);
}

/* Rows of a file in memory of their own. */
static int file_take(const struct vector_file *f, uint64_t from, uint64_t n, float **out,
                     char *out_detail)
{
    char why[96];
    uint64_t row = 0;
    *out = mem_calloc(n * f->table.dim, sizeof **out);
    if (*out == NULL)
        return ERR_OUT_OF_MEMORY;
    int err = vector_table_read(f->file, &f->table, from, n, *out, &row);
    if (err == 0)
        return 0;
    (void)snprintf(why, sizeof why, "row %llu %s", (unsigned long long)row,
                   err == ERR_IO ? "cannot be read"
                                 : "has another dimension, or elements that are no numbers");
    return file_wrong(f, why, out_detail);
}

/* How many rows are vectors and how many queries. */
static int file_share(const struct vector_file *data, const struct vector_file *queries,
                      struct vector_spec *spec, char *out_detail)
{
    bool own = queries->file != NULL;
    uint64_t rows = data->table.rows;
    if (own && queries->table.dim != data->table.dim)
        return file_wrong(queries, "its vectors have another dimension than those of --dataset",
                          out_detail);
    uint64_t most = own ? queries->table.rows : rows / 2;
    if (spec->queries == 0)
        spec->queries = most < VECTOR_FILE_QUERIES ? most : VECTOR_FILE_QUERIES;
    uint64_t reserved = own ? 0 : spec->queries;
    if (spec->queries == 0 || spec->queries > (own ? queries->table.rows : rows - 1))
        return file_wrong(own ? queries : data, "it has fewer rows than --queries", out_detail);
    if (spec->n == 0)
        spec->n = rows - reserved;
    if (spec->n > rows - reserved)
        return file_wrong(data, "it has fewer rows than --vectors and --queries", out_detail);
    return 0;
}

static int file_read(struct vector_set *set, const struct vector_file *data,
                     const struct vector_file *queries, char *out_detail)
{
    struct vector_spec *spec = &set->spec;
    int err = file_share(data, queries, spec, out_detail);
    if (err != 0)
        return err;
    bool own = queries->file != NULL;
    spec->dim = data->table.dim;
    err = file_take(data, 0, spec->n, &set->rows, out_detail);
    if (err == 0 && own)
        err = file_take(queries, 0, spec->queries, &set->queries, out_detail);
    else if (err == 0)
        err = file_take(data, data->table.rows - spec->queries, spec->queries, &set->queries,
                        out_detail);
    return err;
}

int vector_file_fill(struct vector_set *set, char out_detail[static VECTOR_DETAIL_SIZE])
{
    struct vector_file data, queries = {.file = NULL};
    int err = file_open(&data, "dataset", set->spec.dataset, out_detail);
    if (err == 0 && set->spec.query_file[0] != 0)
        err = file_open(&queries, "query-file", set->spec.query_file, out_detail);
    if (err == 0)
        err = file_read(set, &data, &queries, out_detail);
    file_close(&data);
    file_close(&queries);
    return err;
}
