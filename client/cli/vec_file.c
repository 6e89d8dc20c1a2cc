/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading files of vectors: see vec_file.h.
 *
 *   in -> raw (a window on the file) -> a row as it stands there -> elements, key, metadata
 *
 * How: a line of JSON becomes MessagePack first, from which its fields are taken. Rows of the other
 * forms are numbers alone.
 *
 * Invariants
 *   1. Every row has file->dim elements, 1 to VEC_FILE_DIM_MAX, all of them finite as 32-bit
 *      floats.
 *   2. What is reserved is bounded by these limits and by what was read, never by a number in the
 *      file.
 *
 * Threads: one. Failures: no memory; what is wrong, as a sentence that begins with its place.
 */
#include "client/cli/vec_file.h"

#include "client/cli/json.h"
#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>

enum { VEC_FILE_STEP = 256 * 1024, VEC_FILE_PLACE = 32 };

const char *vec_file_unit(const struct vec_file *file)
{
    return file->form == VEC_FILE_LINES ? "line" : "row";
}

/* Tell what is wrong with the row. */
static PRINTF_LIKE(3, 4) int file_wrong(const struct vec_file *file, struct usage *usage,
                                        const char *format, ...)
{
    char text[sizeof usage->text - VEC_FILE_PLACE];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return usage_set(usage, "%s %" PRIu64 ": %s", vec_file_unit(file), file->number, text);
}

/* ---- The window ----------------------------------------------------------------------------- */

static size_t file_left(const struct vec_file *file)
{
    return file->raw.size - file->at;
}

static const uint8_t *file_data(const struct vec_file *file)
{
    return file->raw.data + file->at;
}

/* Have n bytes in the window, or all that are left. */
static int file_have(struct vec_file *file, size_t n, struct usage *usage)
{
    if (file->at > 0 && file_left(file) < n) {
        buf_consume(&file->raw, file->at);
        file->at = 0;
    }
    while (file_left(file) < n && !file->ended) {
        int err = buf_reserve(&file->raw, VEC_FILE_STEP);
        if (err != 0)
            return err;
        errno = 0;
        size_t got = fread(file->raw.data + file->raw.size, 1, VEC_FILE_STEP, file->in);
        file->raw.size += got;
        file->ended = got == 0;
        if (got == 0 && ferror(file->in))
            return usage_set(usage, "the file cannot be read: %s", strerror(errno));
    }
    return 0;
}

/* ---- Elements ------------------------------------------------------------------------------- */

/* The row has so many elements: as many as those before it? */
static int file_dim(struct vec_file *file, uint64_t dim, struct usage *usage)
{
    if (dim == 0 || dim > VEC_FILE_DIM_MAX)
        return file_wrong(file, usage, "a vector of %" PRIu64 " elements; 1 to %d are possible",
                          dim, VEC_FILE_DIM_MAX);
    if (file->dim != 0 && dim != file->dim)
        return file_wrong(file, usage, "a vector of %" PRIu64 " elements; those before it have %u",
                          dim, file->dim);
    file->dim = (unsigned)dim;
    file->elements.size = 0;
    return buf_reserve(&file->elements, dim * sizeof(float));
}

/* Add one; room for it was reserved. */
static int file_element(struct vec_file *file, double number, struct usage *usage)
{
    float element = (float)number;
    if (!isfinite(element))
        return file_wrong(file, usage,
                          "element %zu is %s as a 32-bit float; those of a vector are "
                          "finite",
                          file->elements.size / sizeof element,
                          isnan(element) ? "no number" : "infinite");
    memcpy(file->elements.data + file->elements.size, &element, sizeof element);
    file->elements.size += sizeof element;
    return 0;
}

/* A float of 16 bits: sign, 5 bits of exponent, 10 of fraction. */
static double file_half(uint16_t bits)
{
    int exponent = bits >> 10 & 0x1f;
    double fraction = bits & 0x3ff;
    double size = exponent == 0      ? ldexp(fraction, -24)
                  : exponent == 0x1f ? (fraction == 0.0 ? (double)INFINITY : (double)NAN)
                                     : ldexp(fraction + 1024.0, exponent - 25);
    return (bits & 0x8000) != 0 ? -size : size;
}

/* A little-endian float of so many bytes. */
static double file_float(const uint8_t *at, size_t size)
{
    uint16_t half;
    double wide;
    float narrow;
    if (size == sizeof half) {
        memcpy(&half, at, sizeof half);
        return file_half(half);
    }
    if (size == sizeof wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return (double)narrow;
}

/* Little-endian floats of 2, 4 or 8 bytes, file->dim of them. */
static int file_floats(struct vec_file *file, const uint8_t *at, size_t size, struct usage *usage)
{
    int err = 0;
    for (unsigned i = 0; i < file->dim && err == 0; i++)
        err = file_element(file, file_float(at + i * size, size), usage);
    return err;
}

/* ---- Rows of numbers ------------------------------------------------------------------------ */

static int file_cut(const struct vec_file *file, struct usage *usage)
{
    return file_wrong(file, usage, "the file is cut inside of it");
}

static int file_next_fvecs(struct vec_file *file, struct usage *usage)
{
    uint32_t dim;
    int err = file_have(file, sizeof dim, usage);
    if (err != 0 || file_left(file) == 0)
        return err;
    if (file_left(file) < sizeof dim)
        return file_cut(file, usage);
    memcpy(&dim, file_data(file), sizeof dim);
    err = file_dim(file, dim, usage);
    size_t size = sizeof dim + file->dim * sizeof(float);
    if (err == 0)
        err = file_have(file, size, usage);
    if (err == 0 && file_left(file) < size)
        err = file_cut(file, usage);
    if (err == 0)
        err = file_floats(file, file_data(file) + sizeof dim, sizeof(float), usage);
    file->at += err == 0 ? size : 0;
    return err != 0 ? err : 1;
}

/* The end of a .npy file: nothing may follow. */
static int file_end_npy(struct vec_file *file, struct usage *usage)
{
    int err = file_have(file, 1, usage);
    if (err != 0 || file_left(file) == 0)
        return err;
    return usage_set(usage,
                     "there is more behind the %" PRIu64 " rows that the header of the .npy "
                     "file tells of",
                     file->npy.rows);
}

static int file_next_npy(struct vec_file *file, struct usage *usage)
{
    if (file->count == file->npy.rows)
        return file_end_npy(file, usage);
    int err = file_dim(file, file->npy.columns, usage);
    size_t size = file->dim * file->npy.element;
    if (err == 0)
        err = file_have(file, size, usage);
    if (err == 0 && file_left(file) < size)
        err = file_cut(file, usage);
    if (err == 0)
        err = file_floats(file, file_data(file), file->npy.element, usage);
    file->at += err == 0 ? size : 0;
    return err != 0 ? err : 1;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

enum line_field { LINE_KEY, LINE_VECTOR, LINE_METADATA, LINE_OTHER, LINE_FIELDS = LINE_OTHER };

static const struct {
    const char *name;
    enum line_field field;
} line_names[] = {
    {"key", LINE_KEY},          {"id", LINE_KEY},        {"vector", LINE_VECTOR},
    {"embedding", LINE_VECTOR}, {"values", LINE_VECTOR}, {"metadata", LINE_METADATA},
    {"payload", LINE_METADATA},
};

static enum line_field line_field_of(struct bytes name)
{
    for (size_t i = 0; i < LENGTH_OF(line_names); i++)
        if (bytes_equal(name, bytes_of(line_names[i].name)))
            return line_names[i].field;
    return LINE_OTHER;
}

/* What a line holds, packed. */
struct line {
    struct bytes fields[LINE_FIELDS];
    struct bytes others[VEC_FILE_FIELDS_MAX]; /* name and value behind each other */
    struct bytes names[VEC_FILE_FIELDS_MAX];
    unsigned n_others;
};

/* Does this map have the key? */
static bool line_map_has(struct bytes map, struct bytes wanted)
{
    struct mp_reader reader = mp_reader_of(map);
    struct bytes key;
    struct mp head;
    bool text;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return false;
    for (uint32_t i = 0; i < head.count; i++)
        if (mp_read_bytes(&reader, &key, &text) == 0) {
            if (bytes_equal(key, wanted))
                return true;
            if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
                return false;
        } else if (mp_skip(&reader, MP_DEPTH_MAX) != 0 || mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return false;
    return false;
}

/* One field of a line; `start` is where its name begins. */
static int line_add(struct vec_file *file, struct line *line, struct bytes name, struct bytes value,
                    const uint8_t *start, struct usage *usage)
{
    enum line_field field = line_field_of(name);
    if (field != LINE_OTHER && line->fields[field].size > 0)
        return file_wrong(file, usage, "'%.*s' is there, and another field of the same meaning",
                          (int)name.size, (const char *)name.data);
    if (field != LINE_OTHER) {
        line->fields[field] = value;
        return 0;
    }
    if (line->n_others == VEC_FILE_FIELDS_MAX)
        return file_wrong(file, usage,
                          "more than %d fields besides key, vector and metadata: put "
                          "them into the metadata",
                          VEC_FILE_FIELDS_MAX);
    line->names[line->n_others] = name;
    line->others[line->n_others++] =
        (struct bytes){start, (size_t)(value.data + value.size - start)};
    return 0;
}

/* Sort the fields of a packed line. */
static int line_sort(struct vec_file *file, struct line *line, struct usage *usage)
{
    struct mp_reader reader = mp_reader_of(buf_bytes(&file->packed));
    struct mp head;
    bool text;
    if (mp_read(&reader, &head) != 0 || head.kind != MP_MAP)
        return file_wrong(file, usage,
                          "not an object such as "
                          "{\"key\": \"a\", \"vector\": [0.5, 1]}");
    int err = 0;
    for (uint32_t i = 0; i < head.count && err == 0; i++) {
        const uint8_t *start = reader.at;
        struct bytes name, value;
        if (mp_read_bytes(&reader, &name, &text) != 0)
            return file_wrong(file, usage, "a field whose name is no text");
        value.data = reader.at;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return file_wrong(file, usage, "nested more than %d deep", MP_DEPTH_MAX);
        value.size = (size_t)(reader.at - value.data);
        err = line_add(file, line, name, value, start, usage);
    }
    return err;
}

/* A text as it is; a number as text. */
static int line_key(struct vec_file *file, struct bytes packed, struct usage *usage)
{
    char text[NUM_REAL_SIZE];
    struct mp_reader reader = mp_reader_of(packed);
    struct mp mp;
    file->key.size = 0;
    if (packed.size == 0 || mp_read(&reader, &mp) != 0)
        return 0;
    if (mp.kind == MP_STR || mp.kind == MP_BIN)
        return buf_append(&file->key, packed.data, packed.size);
    if ((mp.kind != MP_UINT && mp.kind != MP_SINT) || !mp_number_text(&mp, text))
        return file_wrong(file, usage, "a key that is neither text nor an integer");
    return pack_str(&file->key, bytes_of(text));
}

/* The elements of an array of numbers, from the reader on. */
static int line_numbers(struct vec_file *file, struct mp_reader reader, struct usage *usage)
{
    int err = 0;
    for (unsigned i = 0; i < file->dim && err == 0; i++) {
        struct mp mp;
        if (mp_read(&reader, &mp) != 0 ||
            (mp.kind != MP_UINT && mp.kind != MP_SINT && mp.kind != MP_FLOAT))
            return file_wrong(file, usage, "element %u of the vector is not a number", i);
        err = file_element(file,
                           mp.kind == MP_FLOAT  ? mp.real
                           : mp.kind == MP_UINT ? (double)mp.uint
                                                : (double)mp.sint,
                           usage);
    }
    return err;
}

static int line_vector(struct vec_file *file, struct bytes packed, struct usage *usage)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct mp mp = {.kind = MP_NIL};
    if (packed.size == 0)
        return file_wrong(file, usage,
                          "no vector: it is expected under \"vector\", \"embedding\" "
                          "or \"values\"");
    bool is_read = mp_read(&reader, &mp) == 0;
    bool is_bin = is_read && mp.kind == MP_BIN && mp.bytes.size % sizeof(float) == 0;
    if (!is_bin && (!is_read || mp.kind != MP_ARRAY))
        return file_wrong(file, usage, "the vector is not an array of numbers");
    int err = file_dim(file, is_bin ? mp.bytes.size / sizeof(float) : mp.count, usage);
    if (err != 0)
        return err;
    return is_bin ? file_floats(file, mp.bytes.data, sizeof(float), usage)
                  : line_numbers(file, reader, usage);
}

/* A name that may stand in a sentence on a terminal. */
static int line_twice(const struct vec_file *file, struct bytes name, struct usage *usage)
{
    char shown[48];
    size_t n = 0;
    for (; n < name.size && n + 1 < sizeof shown; n++)
        shown[n] = name.data[n] >= 0x20 && name.data[n] < 0x7f ? (char)name.data[n] : '?';
    shown[n] = 0;
    return file_wrong(
        file, usage, "'%s' is in the metadata, and a field of its own, which would join it", shown);
}

/* The metadata with the other fields behind; none if there are neither. */
static int line_metadata(struct vec_file *file, const struct line *line, struct usage *usage)
{
    struct bytes packed = line->fields[LINE_METADATA];
    struct mp_reader reader = mp_reader_of(packed);
    struct mp head = {.kind = MP_NIL};
    file->metadata.size = 0;
    if (packed.size > 0 && mp_read(&reader, &head) != 0)
        return ERR_INTERNAL;
    if (head.kind != MP_MAP && head.kind != MP_NIL)
        return file_wrong(file, usage, "the metadata is not an object");
    if (head.kind == MP_NIL && line->n_others == 0)
        return 0;
    uint32_t own = head.kind == MP_MAP ? head.count : 0;
    int err = pack_map(&file->metadata, (size_t)own + line->n_others);
    if (err == 0 && own > 0)
        err = buf_append(&file->metadata, reader.at, (size_t)(reader.end - reader.at));
    for (unsigned i = 0; i < line->n_others && err == 0; i++) {
        if (own > 0 && line_map_has(packed, line->names[i]))
            return line_twice(file, line->names[i], usage);
        err = buf_append(&file->metadata, line->others[i].data, line->others[i].size);
    }
    return err;
}

/* A line, without its end. */
static int line_read(struct vec_file *file, struct bytes text, struct usage *usage)
{
    struct line line = {.n_others = 0};
    struct usage why;
    file->packed.size = 0;
    int err = json_in(text, &file->packed, &why);
    if (err == ERR_BAD_REQUEST || err == ERR_BAD_ARGUMENT)
        return file_wrong(file, usage, "not JSON that can be stored: %.200s", why.text);
    if (err == 0)
        err = line_sort(file, &line, usage);
    if (err == 0)
        err = line_vector(file, line.fields[LINE_VECTOR], usage);
    if (err == 0)
        err = line_key(file, line.fields[LINE_KEY], usage);
    return err != 0 ? err : line_metadata(file, &line, usage);
}

/* Have the whole of the next line in the window. *out_size: its bytes, with its end if it has one;
 * 0: there is none. */
static int line_find(struct vec_file *file, size_t *out_size, struct usage *usage)
{
    size_t seen = 0;
    for (;;) {
        const uint8_t *end = file_left(file) > seen
                                 ? memchr(file_data(file) + seen, '\n', file_left(file) - seen)
                                 : NULL;
        seen = end != NULL ? (size_t)(end - file_data(file)) + 1 : file_left(file);
        if (seen > VEC_FILE_LINE_MAX)
            return file_wrong(file, usage, "longer than %d MiB: is it really a file of lines?",
                              VEC_FILE_LINE_MAX >> 20);
        *out_size = seen;
        if (end != NULL || file->ended)
            return 0;
        int err = file_have(file, seen + 1, usage);
        if (err != 0)
            return err;
    }
}

static bool line_is_blank(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\r' &&
            text.data[i] != '\n')
            return false;
    return true;
}

static int file_next_line(struct vec_file *file, struct usage *usage)
{
    for (;;) {
        size_t size = 0;
        file->number++;
        int err = line_find(file, &size, usage);
        if (err != 0 || size == 0)
            return err;
        struct bytes text = {file_data(file), size};
        file->at += size;
        if (line_is_blank(text))
            continue;
        err = line_read(file, text, usage);
        return err != 0 ? err : 1;
    }
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* No text has a NUL, and no row of .fvecs has 65,536 elements. */
static bool file_is_fvecs(struct bytes bytes)
{
    return bytes.size >= 4 && bytes.data[2] == 0 && bytes.data[3] == 0;
}

static int file_begin_npy(struct vec_file *file, struct usage *usage)
{
    int err = file_have(file, NPY_HEAD_MAX, usage);
    if (err == 0)
        err = npy_read((struct bytes){file_data(file), file_left(file)}, &file->npy, usage);
    if (err == 0 && (file->npy.columns == 0 || file->npy.columns > VEC_FILE_DIM_MAX))
        err = usage_set(usage,
                        "the rows of the .npy file have %" PRIu64 " elements; 1 to %d are possible",
                        file->npy.columns, VEC_FILE_DIM_MAX);
    if (err != 0)
        return err;
    file->at += file->npy.size;
    file->dim = (unsigned)file->npy.columns;
    return 0;
}

int vec_file_begin(FILE *in, struct vec_file *out, struct usage *usage)
{
    *out = (struct vec_file){.in = in};
    int err = file_have(out, 8, usage);
    struct bytes bytes = {out->raw.data, file_left(out)};
    if (err == 0 && npy_is(bytes)) {
        out->form = VEC_FILE_NPY;
        return file_begin_npy(out, usage);
    }
    out->form = file_is_fvecs(bytes) ? VEC_FILE_FVECS : VEC_FILE_LINES;
    return err;
}

int vec_file_next(struct vec_file *file, struct vec_row *out, struct usage *usage)
{
    int got;
    if (file->form != VEC_FILE_LINES)
        file->number = file->count;
    switch (file->form) {
    case VEC_FILE_LINES:
        got = file_next_line(file, usage);
        break;
    case VEC_FILE_FVECS:
        got = file_next_fvecs(file, usage);
        break;
    case VEC_FILE_NPY:
        got = file_next_npy(file, usage);
        break;
    default:
        got = ERR_INTERNAL;
    }
    file->count += got == 1;
    *out = (struct vec_row){buf_bytes(&file->key), buf_bytes(&file->elements),
                            buf_bytes(&file->metadata)};
    return got;
}

void vec_file_deinit(struct vec_file *file)
{
    buf_deinit(&file->raw);
    buf_deinit(&file->packed);
    buf_deinit(&file->key);
    buf_deinit(&file->elements);
    buf_deinit(&file->metadata);
}

/* ---- One vector ----------------------------------------------------------------------------- */

/* The only row of a .npy file. */
static int vector_npy(struct bytes bytes, struct buf *out, struct usage *usage)
{
    struct vec_file file;
    struct vec_row row;
    FILE *in = fmemopen((void *)(uintptr_t)bytes.data, bytes.size, "rb");
    if (in == NULL)
        return ERR_OUT_OF_MEMORY;
    int err = vec_file_begin(in, &file, usage);
    if (err == 0 && file.npy.rows != 1)
        err = usage_set(usage, "the .npy file has %" PRIu64 " rows; one vector is wanted",
                        file.npy.rows);
    if (err == 0 && (err = vec_file_next(&file, &row, usage)) == 1)
        err = pack_bin(out, row.elements);
    vec_file_deinit(&file);
    fclose(in);
    return err;
}

int vec_file_vector(struct bytes bytes, struct buf *out, struct usage *usage)
{
    if (npy_is(bytes))
        return vector_npy(bytes, out, usage);
    int err = json_in(bytes, out, usage);
    if (err != ERR_BAD_REQUEST)
        return err;
    if (bytes.size == 0 || bytes.size % sizeof(float) != 0 || line_is_blank(bytes) ||
        bytes.size / sizeof(float) > VEC_FILE_DIM_MAX)
        return usage_set(usage,
                         "%zu bytes are no vector: give an array in JSON, a .npy file of one "
                         "row, or 32-bit floats, at most %d",
                         bytes.size, VEC_FILE_DIM_MAX);
    return pack_bin(out, bytes);
}
