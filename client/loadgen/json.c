/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A JSON writer.
 *
 * How: each value first ends the one before it (comma, line end, indentation) and writes its key.
 *
 * Invariants: the text is valid JSON if open and close are paired; no NaN or infinity is written.
 * Threads: as the struct. Failures: none kept; the caller looks at ferror of the stream.
 */
#include "client/loadgen/json.h"

#include <inttypes.h>
#include <math.h>

static void json_string(struct json *json, const char *text)
{
    fputc('"', json->out);
    for (; *text != 0; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(json->out, "\\%c", c);
        else if (c < ' ' || c > '~')
            fprintf(json->out, "\\u%04x", c);
        else
            fputc(c, json->out);
    }
    fputc('"', json->out);
}

static void json_line(struct json *json)
{
    fprintf(json->out, "\n%*s", (int)(2 * json->depth), "");
}

static void json_begin(struct json *json, const char *key)
{
    if (!json->first)
        fputc(',', json->out);
    json->first = false;
    if (json->depth > 0)
        json_line(json);
    if (key != NULL) {
        json_string(json, key);
        fputs(": ", json->out);
    }
}

void json_init(struct json *json, FILE *out)
{
    *json = (struct json){.out = out, .first = true};
}

void json_open(struct json *json, const char *key, char bracket)
{
    json_begin(json, key);
    fputc(bracket, json->out);
    json->depth++;
    json->first = true;
}

void json_close(struct json *json, char bracket)
{
    json->depth--;
    if (!json->first)
        json_line(json);
    fputc(bracket, json->out);
    json->first = false;
    if (json->depth == 0)
        fputc('\n', json->out);
}

void json_text(struct json *json, const char *key, const char *text)
{
    json_begin(json, key);
    json_string(json, text);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
    json_begin(json, key);
    fprintf(json->out, "%" PRIu64, value);
}

void json_real(struct json *json, const char *key, double value)
{
    json_begin(json, key);
    fprintf(json->out, "%.3f", isfinite(value) ? value : 0);
}

void json_bool(struct json *json, const char *key, bool value)
{
    json_begin(json, key);
    fputs(value ? "true" : "false", json->out);
}
