/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A JSON writer.
 *
 * How: each value first ends the one before it (comma, line end, indentation) and writes its key.
 *
 * Invariants: the text is valid JSON if open and close are paired; no NaN or infinity is written.
 * Threads: as the struct. Failures: none kept; the caller looks at ferror of the stream.
 */
#include "client/loadgen/writer.h"

#include "proto/mp.h"

#include <inttypes.h>
#include <math.h>

static void writer_string(struct writer *writer, const char *text)
{
    bool utf8 = mp_utf8_valid(bytes_of(text));
    fputc('"', writer->out);
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(writer->out, "\\%c", c);
        else if (c < ' ' || c == 0x7f || (c > '~' && !utf8))
            fprintf(writer->out, "\\u%04x", c);
        else
            fputc(c, writer->out);
    }
    fputc('"', writer->out);
}

static void writer_line(struct writer *writer)
{
    fprintf(writer->out, "\n%*s", (int)(2 * writer->depth), "");
}

static void writer_begin(struct writer *writer, const char *key)
{
    if (!writer->first)
        fputc(',', writer->out);
    writer->first = false;
    if (writer->depth > 0 && writer->line == 0)
        writer_line(writer);
    if (key != NULL) {
        writer_string(writer, key);
        fputs(": ", writer->out);
    }
}

void writer_init(struct writer *writer, FILE *out)
{
    *writer = (struct writer){.out = out, .first = true};
}

void writer_init_line(struct writer *writer, FILE *out)
{
    *writer = (struct writer){.out = out, .first = true, .line = 1};
}

void writer_open(struct writer *writer, const char *key, char bracket)
{
    writer_begin(writer, key);
    fputc(bracket, writer->out);
    writer->depth++;
    writer->first = true;
}

void writer_open_line(struct writer *writer, const char *key, char bracket)
{
    writer_open(writer, key, bracket);
    if (writer->line == 0)
        writer->line = writer->depth;
}

void writer_close(struct writer *writer, char bracket)
{
    bool in_line = writer->line != 0;
    if (writer->line == writer->depth)
        writer->line = 0;
    writer->depth--;
    if (!writer->first && !in_line)
        writer_line(writer);
    fputc(bracket, writer->out);
    writer->first = false;
    if (writer->depth == 0)
        fputc('\n', writer->out);
}

void writer_text(struct writer *writer, const char *key, const char *text)
{
    writer_begin(writer, key);
    writer_string(writer, text);
}

void writer_known(struct writer *writer, const char *key, const char *text)
{
    if (text != NULL && text[0] != 0)
        writer_text(writer, key, text);
}

void writer_uint(struct writer *writer, const char *key, uint64_t value)
{
    writer_begin(writer, key);
    fprintf(writer->out, "%" PRIu64, value);
}

void writer_real(struct writer *writer, const char *key, double value)
{
    writer_begin(writer, key);
    fprintf(writer->out, "%.10g", isfinite(value) ? value : 0);
}

void writer_bool(struct writer *writer, const char *key, bool value)
{
    writer_begin(writer, key);
    fputs(value ? "true" : "false", writer->out);
}
