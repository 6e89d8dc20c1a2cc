/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Takes the vectors of a run from files.
 *
 * How: the header says how long rows are and, with the size of the file, how many there are, so
 * that it is known what to reserve; then rows are read one by one.
 *
 * Invariants: nothing is reserved that the file is not large enough for; what is read is finite.
 * Threads: any; no state. Failures: a sentence that names option and file.
 */
#include "client/loadgen/vector_file.h"

#include "client/common/vector_table.h"
#include "common/err.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert((int)VECTOR_DIM_MAX == (int)ELEMENTS_MAX, "files have what can be made up, too");

struct vector_file {
    const char *option, *path;
    FILE *file;
    struct window window;
    struct vector_table table;
};

static int file_wrong(const struct vector_file *f, const char *why, char *out_detail)
{
    (void)snprintf(out_detail, VECTOR_DETAIL_SIZE, "--%s %.80s: %s", f->option, f->path, why);
    return ERR_BAD_ARGUMENT;
}

/* What the reader says, with the name of the file. */
static int file_told(const struct vector_file *f, int err, const struct usage *usage,
                     char *out_detail)
{
    return err == ERR_BAD_ARGUMENT ? file_wrong(f, usage->text, out_detail) : err;
}

static int file_look(struct vector_file *f, uint64_t size, struct usage *usage)
{
    window_init(&f->window, f->file);
    int got = vector_table_begin(&f->table, &f->window, usage);
    if (got == 0)
        return usage_set(usage, "it is neither .npy nor .fvecs: numpy.save(file, "
                                "array.astype('float32')) makes one");
    int err = got < 0 ? got : vector_table_measure(&f->table, size, usage);
    if (err == 0 && f->table.rows == 0)
        err = usage_set(usage, "there is no vector in it");
    return err;
}

/* file_close is due in any case. */
static int file_open(struct vector_file *f, const char *option, const char *path, char *out_detail)
{
    struct stat status;
    struct usage usage = {""};
    *f = (struct vector_file){.option = option, .path = path, .file = fopen(path, "rbe")};
    if (f->file == NULL || fstat(fileno(f->file), &status) != 0)
        return file_wrong(f, strerror(errno), out_detail);
    if (!S_ISREG(status.st_mode))
        return file_wrong(f, "it is no file, whose size tells how many vectors there are",
                          out_detail);
    return file_told(f, file_look(f, (uint64_t)status.st_size, &usage), &usage, out_detail);
}

static void file_close(struct vector_file *f)
{
    vector_table_deinit(&f->table);
    window_deinit(&f->window);
    if (f->file != NULL)
        (void)fclose(f->file);
}

static int file_rows(struct vector_file *f, uint64_t from, uint64_t n, float *rows,
                     struct usage *usage)
{
    struct bytes row;
    int got = vector_table_seek(&f->table, from, usage);
    got = got == 0 ? 1 : got;
    for (uint64_t i = 0; i < n && got == 1; i++)
        if ((got = vector_table_next(&f->table, &row, usage)) == 1)
            memcpy(rows + i * f->table.elements.dim, row.data, row.size);
    if (got == 0)
        return usage_set(usage, "it became shorter while it was read");
    return got < 0 ? got : 0;
}

/* Rows of a file in memory of their own. */
static int file_take(struct vector_file *f, uint64_t from, uint64_t n, float **out,
                     char *out_detail)
{
    struct usage usage = {""};
    *out = mem_calloc(n * f->table.elements.dim, sizeof **out);
    if (*out == NULL)
        return ERR_OUT_OF_MEMORY;
    return file_told(f, file_rows(f, from, n, *out, &usage), &usage, out_detail);
}

/* How many rows are vectors and how many queries. */
static int file_share(const struct vector_file *data, const struct vector_file *queries,
                      struct vector_spec *spec, char *out_detail)
{
    bool own = queries->file != NULL;
    uint64_t rows = data->table.rows;
    if (own && queries->table.elements.dim != data->table.elements.dim)
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

static int file_read(struct vector_set *set, struct vector_file *data, struct vector_file *queries,
                     char *out_detail)
{
    struct vector_spec *spec = &set->spec;
    int err = file_share(data, queries, spec, out_detail);
    if (err != 0)
        return err;
    bool own = queries->file != NULL;
    spec->dim = data->table.elements.dim;
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
    struct vector_file data = {.file = NULL}, queries = {.file = NULL};
    int err = file_open(&data, "dataset", set->spec.dataset, out_detail);
    if (err == 0 && set->spec.query_file[0] != 0)
        err = file_open(&queries, "query-file", set->spec.query_file, out_detail);
    if (err == 0)
        err = file_read(set, &data, &queries, out_detail);
    file_close(&data);
    file_close(&queries);
    return err;
}
