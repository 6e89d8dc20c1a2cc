/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Splitting and quoting of command lines.
 *
 *   kv put 'a b' "c\"d"   ->   kv NUL put NUL a b NUL c"d NUL
 *
 * How: one pass over the line with the state of the quotes; words are written one behind the other,
 * and become argv when all are there.
 *
 * Invariants: what words_quote writes is one word that words_split reads as the same bytes.
 * Threads: pure functions. Failures: as the header says.
 */
#include "client/common/words.h"

#include "common/err.h"
#include "common/mem.h"

static bool words_is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

/* Does a backslash before c escape it? */
static bool words_escapes(char quote, uint8_t c)
{
    return quote == 0 || (quote == '"' && strchr("\"\\$`", c) != NULL);
}

/* One byte at line[*i] inside of a word; *i moves behind what was used. */
static int words_byte(struct words *w, struct bytes line, size_t *i)
{
    uint8_t c = line.data[(*i)++];
    bool more = *i < line.size;
    if (w->open != 0 && c == (uint8_t)w->open) {
        w->open = 0;
        return 0;
    }
    if (w->open == 0 && (c == '\'' || c == '"')) {
        w->open = (char)c;
        return 0;
    }
    if (c == '\\' && w->open != '\'' && more && words_escapes(w->open, line.data[*i]))
        c = line.data[(*i)++];
    return buf_append(&w->text, &c, 1);
}

static int words_scan(struct words *w, struct bytes line)
{
    int err = 0;
    for (size_t i = 0; i < line.size && err == 0;) {
        uint8_t c = line.data[i];
        bool blank = w->open == 0 && words_is_blank(c);
        if (blank && w->inside)
            err = buf_append(&w->text, "", 1);
        if (blank) {
            w->inside = false;
            i++;
            continue;
        }
        if (!w->inside && c == '#')
            break;
        if (!w->inside) {
            w->inside = true;
            w->last = i;
            w->argc++;
        }
        err = words_byte(w, line, &i);
    }
    return err == 0 && w->inside ? buf_append(&w->text, "", 1) : err;
}

int words_split(struct bytes line, struct words *out)
{
    struct words w = {.argc = 0};
    if (line.size > 0 && memchr(line.data, 0, line.size) != NULL)
        return ERR_BAD_ARGUMENT;
    buf_init(&w.text);
    int err = words_scan(&w, line);
    w.argv = err == 0 ? mem_calloc((size_t)w.argc + 1, sizeof *w.argv) : NULL;
    if (w.argv == NULL) {
        buf_deinit(&w.text);
        return ERR_OUT_OF_MEMORY;
    }
    char *at = (char *)w.text.data;
    for (int i = 0; i < w.argc; i++, at += strlen(at) + 1)
        w.argv[i] = at;
    *out = w;
    return 0;
}

void words_deinit(struct words *words)
{
    mem_free(words->argv);
    buf_deinit(&words->text);
}

int words_quote(const char *word, char open, struct buf *out)
{
    int err = 0;
    for (const char *p = word; *p != 0 && err == 0; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || (*p & 0x80) != 0 || strchr("_-./:=@,+%", *p);
        if (open == '\'' && *p == '\'')
            err = buf_append(out, "'\\'", 3); /* close, a quote, and below: open again */
        else if ((open == '"' && strchr("\"\\$`", *p)) || (open == 0 && !plain))
            err = buf_append(out, "\\", 1);
        if (err == 0)
            err = buf_append(out, p, 1);
    }
    return err;
}
