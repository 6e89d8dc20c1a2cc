/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of columns: see columns.h.
 *
 * Threads: pure functions but for the clock. Failures: no memory.
 */
#include "client/cli/columns.h"

#include "client/cli/json.h"
#include "client/cli/print.h"
#include "common/clock.h"
#include "common/err.h"

#include <inttypes.h>
#include <math.h>

static const struct columns columns_rows[] = {
    {OP_ckpt_list,
     {{"id", "id", COLUMN_WHOLE},
      {"session", "session", COLUMN_WHOLE},
      {"ns", "ns", COLUMN_WHOLE},
      {"created_at", "age", COLUMN_AGE},
      {"tags", "tags", COLUMN_WORDS},
      {"message", "message", COLUMN_PLAIN},
      {"bytes", "bytes", COLUMN_PLAIN}}},
    {OP_ckpt_notes,
     {{"id", "id", COLUMN_WHOLE},
      {"ns", "ns", COLUMN_WHOLE},
      {"at", "age", COLUMN_AGE},
      {"type", "type", COLUMN_PLAIN},
      {"severity", "severity", COLUMN_PLAIN},
      {"note", "note", COLUMN_PLAIN}}},
    {OP_ckpt_session_list,
     {{"session", "session", COLUMN_WHOLE},
      {"name", "name", COLUMN_PLAIN},
      {"created_at", "age", COLUMN_AGE},
      {"last_at", "last change", COLUMN_AGE},
      {"checkpoints", "checkpoints", COLUMN_PLAIN},
      {"bytes", "bytes", COLUMN_PLAIN}}},
    {OP_vec_list,
     {{"collection", "collection", COLUMN_WHOLE},
      {"count", "count", COLUMN_PLAIN},
      {"dim", "dim", COLUMN_PLAIN},
      {"metric", "metric", COLUMN_PLAIN},
      {"index", "index", COLUMN_PLAIN},
      {"state", "state", COLUMN_PLAIN},
      {"bytes", "bytes", COLUMN_PLAIN}}},
    {OP_vec_search,
     {{"rank", "rank", COLUMN_PLAIN},
      {"key", "key", COLUMN_WHOLE},
      {"score", "score", COLUMN_SCORE},
      {"metadata", "metadata", COLUMN_PLAIN}}},
};

const struct columns *columns_of(const struct op *op)
{
    for (size_t i = 0; i < LENGTH_OF(columns_rows) && op != NULL; i++)
        if (columns_rows[i].id == op->id)
            return &columns_rows[i];
    return NULL;
}

void columns_age(int64_t ms, char out[static 24])
{
    static const struct {
        int64_t ms;
        char letter;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
    unsigned i = 0;
    ms = ms > 0 ? ms : 0;
    while (i + 1 < LENGTH_OF(units) && ms < 2 * units[i].ms)
        i++;
    snprintf(out, 24, "%" PRId64 "%c", ms / units[i].ms, units[i].letter);
}

static int columns_words(struct bytes packed, struct buf *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    struct bytes part;
    struct mp head;
    int err = mp_read(&reader, &head);
    if (err != 0 || head.kind != MP_ARRAY)
        return json_out(packed, 0, out);
    for (uint32_t i = 0; i < head.count && err == 0; i++) {
        struct mp_reader inside;
        struct mp mp;
        if (!print_skip(&reader, &part))
            return ERR_BAD_REQUEST;
        inside = mp_reader_of(part);
        if (i > 0)
            err = buf_append(out, " ", 1);
        if (err == 0 && mp_read(&inside, &mp) == 0 && (mp.kind == MP_STR || mp.kind == MP_BIN) &&
            print_is_plain(mp.bytes))
            err = buf_append(out, mp.bytes.data, mp.bytes.size);
        else if (err == 0)
            err = json_out(part, 0, out);
    }
    return err;
}

static int columns_score(struct bytes packed, struct buf *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    char text[32];
    struct mp mp;
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_FLOAT)
        return json_out(packed, 0, out);
    snprintf(text, sizeof text, fabs(mp.real) < 1e9 ? "%.6f" : "%.9g", mp.real);
    return buf_append(out, text, strlen(text));
}

int columns_text(const struct column *column, struct bytes packed, struct buf *out)
{
    struct mp_reader reader = mp_reader_of(packed);
    char age[24];
    struct mp mp;
    if (column->form == COLUMN_WORDS)
        return columns_words(packed, out);
    if (column->form == COLUMN_SCORE)
        return columns_score(packed, out);
    if (mp_read(&reader, &mp) != 0 || mp.kind != MP_UINT || mp.uint > INT64_MAX)
        return json_out(packed, 0, out);
    columns_age(clock_wall_ms() - (int64_t)mp.uint, age);
    return buf_append(out, age, strlen(age));
}
