/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reading files of vectors: see vec_file.h.
 *
 *   in -> window -> a row as it stands there -> elements, key, metadata
 *
 * How: a line of JSON becomes MessagePack first, from which its fields are taken. Rows of the other
 * forms are numbers alone, which client/common reads.
 *
 * Invariants: as those of vector_table.c, also for lines.
 *
 * Threads: one. Failures: no memory; what is wrong, as a sentence that begins with its place.
 */
#include "client/cli/vec_file.h"

#include "client/cli/json.h"
#include "common/err.h"
#include "proto/mp.h"
#include "proto/pack.h"

#include <inttypes.h>
#include <sys/stat.h>

unsigned vec_file_dim(const struct vec_file *file)
{
    return file->table.elements.dim;
}

const char *vec_file_unit(const struct vec_file *file)
{
    return file->is_table ? "row" : "line";
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
static int line_add(struct line *line, struct bytes name, struct bytes value, const uint8_t *start,
                    struct usage *usage)
{
    enum line_field field = line_field_of(name);
    if (field != LINE_OTHER && line->fields[field].size > 0)
        return usage_set(usage, "'%.*s' is there, and another field of the same meaning",
                         (int)name.size, (const char *)name.data);
    if (field != LINE_OTHER) {
        line->fields[field] = value;
        return 0;
    }
    if (line->n_others == VEC_FILE_FIELDS_MAX)
        return usage_set(usage,
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
        return usage_set(usage, "not an object such as {\"key\": \"a\", \"%s}",
                         file->is_table ? "metadata\": {}" : "vector\": [0.5, 1]");
    int err = 0;
    for (uint32_t i = 0; i < head.count && err == 0; i++) {
        const uint8_t *start = reader.at;
        struct bytes name, value;
        if (mp_read_bytes(&reader, &name, &text) != 0)
            return usage_set(usage, "a field whose name is no text");
        value.data = reader.at;
        if (mp_skip(&reader, MP_DEPTH_MAX) != 0)
            return usage_set(usage, "nested more than %d deep", MP_DEPTH_MAX);
        value.size = (size_t)(reader.at - value.data);
        err = line_add(line, name, value, start, usage);
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
        return usage_set(usage, "a key that is neither text nor an integer");
    return pack_str(&file->key, bytes_of(text));
}

/* The elements of an array of numbers, from the reader on. */
static int line_numbers(struct elements *elements, struct mp_reader reader, struct usage *usage)
{
    int err = 0;
    for (unsigned i = 0; i < elements->dim && err == 0; i++) {
        struct mp mp;
        if (mp_read(&reader, &mp) != 0 ||
            (mp.kind != MP_UINT && mp.kind != MP_SINT && mp.kind != MP_FLOAT))
            return usage_set(usage, "element %u of the vector is not a number", i);
        err = elements_add(elements,
                           mp.kind == MP_FLOAT  ? mp.real
                           : mp.kind == MP_UINT ? (double)mp.uint
                                                : (double)mp.sint,
                           usage);
    }
    return err;
}

int vec_file_elements(struct elements *elements, struct bytes packed, struct usage *usage)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct mp mp = {.kind = MP_NIL};
    bool is_read = mp_read(&reader, &mp) == 0;
    bool is_bin = is_read && mp.kind == MP_BIN && mp.bytes.size % sizeof(float) == 0;
    if (!is_bin && (!is_read || mp.kind != MP_ARRAY))
        return usage_set(usage, "the vector is not an array of numbers");
    int err = elements_begin(elements, is_bin ? mp.bytes.size / sizeof(float) : mp.count, usage);
    if (err != 0)
        return err;
    return is_bin ? elements_take(elements, mp.bytes.data, sizeof(float), usage)
                  : line_numbers(elements, reader, usage);
}

/* A line has a vector, but for one of keys, whose vector is in the table. */
static int line_vector(struct vec_file *file, struct bytes packed, struct usage *usage)
{
    if (file->is_table && packed.size > 0)
        return usage_set(usage, "a vector, though vectors come from the other file");
    if (file->is_table)
        return 0;
    if (packed.size == 0)
        return usage_set(usage, "no vector: it is expected under \"vector\", \"embedding\" "
                                "or \"values\"");
    return vec_file_elements(&file->table.elements, packed, usage);
}

/* A name that may stand in a sentence on a terminal. */
static int line_twice(struct bytes name, struct usage *usage)
{
    char shown[48];
    size_t n = 0;
    for (; n < name.size && n + 1 < sizeof shown; n++)
        shown[n] = name.data[n] >= 0x20 && name.data[n] < 0x7f ? (char)name.data[n] : '?';
    shown[n] = 0;
    return usage_set(usage, "'%s' is in the metadata, and a field of its own, which would join it",
                     shown);
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
        return usage_set(usage, "the metadata is not an object");
    if (head.kind == MP_NIL && line->n_others == 0)
        return 0;
    uint32_t own = head.kind == MP_MAP ? head.count : 0;
    int err = pack_map(&file->metadata, (size_t)own + line->n_others);
    if (err == 0 && own > 0)
        err = buf_append(&file->metadata, reader.at, (size_t)(reader.end - reader.at));
    for (unsigned i = 0; i < line->n_others && err == 0; i++) {
        if (own > 0 && line_map_has(packed, line->names[i]))
            return line_twice(line->names[i], usage);
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
    if (err == ERR_BAD_REQUEST)
        return usage_set(usage, "%.200s; a file of vectors has lines of JSON, or is .npy or .fvecs",
                         why.text);
    if (err == ERR_BAD_ARGUMENT)
        return usage_set(usage, "not JSON that can be stored: %.200s", why.text);
    if (err == 0)
        err = line_sort(file, &line, usage);
    if (err == 0)
        err = line_vector(file, line.fields[LINE_VECTOR], usage);
    if (err == 0)
        err = line_key(file, line.fields[LINE_KEY], usage);
    return err != 0 ? err : line_metadata(file, &line, usage);
}

/* Have the whole of the next line in the window. *out: it, with its end if it has one; none: there
 * is none. */
static int line_find(struct window *window, struct bytes *out, struct usage *usage)
{
    size_t seen = 0;
    for (;;) {
        struct bytes bytes = window_bytes(window);
        const uint8_t *end =
            bytes.size > seen ? memchr(bytes.data + seen, '\n', bytes.size - seen) : NULL;
        seen = end != NULL ? (size_t)(end - bytes.data) + 1 : bytes.size;
        if (seen > VEC_FILE_LINE_MAX)
            return usage_set(usage, "longer than %d MiB: is it really a file of lines?",
                             VEC_FILE_LINE_MAX >> 20);
        *out = (struct bytes){bytes.data, seen};
        if (end != NULL || window->ended)
            return 0;
        int err = window_have(window, seen + 1, usage);
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

/* The next line of this window that is not blank. */
static int line_next(struct vec_file *file, struct window *window, uint64_t *number,
                     struct usage *usage)
{
    for (;;) {
        struct bytes text;
        ++*number;
        int err = line_find(window, &text, usage);
        if (err != 0 || text.size == 0)
            return err;
        window_take(window, text.size);
        if (line_is_blank(text))
            continue;
        err = line_read(file, text, usage);
        return err != 0 ? err : 1;
    }
}

/* ---- Keys of a table ------------------------------------------------------------------------ */

/* The line of the row that was read, or of none: got. There are as many lines as rows. */
static int keys_next(struct vec_file *file, int got, struct usage *usage)
{
    int more = line_next(file, &file->keys, &file->keys_line, usage);
    if (more == 1 && got == 1 && file->key.size == 0)
        more = usage_set(usage, "no key: it is expected under \"key\" or \"id\"");
    if (more == ERR_BAD_ARGUMENT)
        return usage_at(usage, "line %" PRIu64 " of the keys", file->keys_line);
    if (more == got || more < 0)
        return more;
    return usage_set(usage,
                     got == 1 ? "row %" PRIu64
                                ": the file of keys has no line for it: it needs one "
                                "for each row"
                              : "the file of keys has more lines than there are rows, %" PRIu64,
                     file->number);
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* Are all rows there? A pipe tells only when it ends. */
static int file_measure(struct vec_file *file, struct usage *usage)
{
    struct stat status;
    int fd = fileno(file->window.in);
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return 0;
    return vector_table_measure(&file->table, (uint64_t)status.st_size, usage);
}

int vec_file_begin(FILE *in, FILE *keys, struct vec_file *out, struct usage *usage)
{
    *out = (struct vec_file){.has_keys = keys != NULL};
    window_init(&out->window, in);
    if (keys != NULL)
        window_init(&out->keys, keys);
    int got = vector_table_begin(&out->table, &out->window, usage);
    out->is_table = got == 1;
    if (got == 0 && keys != NULL)
        return usage_set(usage, "a file of keys is for .npy and .fvecs; lines of JSON have theirs");
    return out->is_table ? file_measure(out, usage) : got;
}

static int file_next_row(struct vec_file *file, struct usage *usage)
{
    struct bytes elements;
    file->number = file->table.row;
    int got = vector_table_next(&file->table, &elements, usage);
    return got >= 0 && file->has_keys ? keys_next(file, got, usage) : got;
}

int vec_file_next(struct vec_file *file, struct vec_row *out, struct usage *usage)
{
    int got = file->is_table ? file_next_row(file, usage)
                             : line_next(file, &file->window, &file->number, usage);
    if (got == ERR_BAD_ARGUMENT && !file->is_table)
        (void)usage_at(usage, "line %" PRIu64, file->number);
    file->count += got == 1;
    *out = (struct vec_row){buf_bytes(&file->key), buf_bytes(&file->table.elements.row),
                            buf_bytes(&file->metadata)};
    return got;
}

void vec_file_deinit(struct vec_file *file)
{
    vector_table_deinit(&file->table);
    window_deinit(&file->window);
    window_deinit(&file->keys);
    buf_deinit(&file->packed);
    buf_deinit(&file->key);
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
    int err = vec_file_begin(in, NULL, &file, usage);
    if (err == 0 && file.table.rows != 1)
        err = usage_set(usage, "the .npy file has %" PRIu64 " rows; one vector is wanted",
                        file.table.rows);
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
        bytes.size / sizeof(float) > ELEMENTS_MAX)
        return usage_set(usage,
                         "%zu bytes are no vector: give an array in JSON, a .npy file of one "
                         "row, or 32-bit floats, at most %d",
                         bytes.size, ELEMENTS_MAX);
    return pack_bin(out, bytes);
}
