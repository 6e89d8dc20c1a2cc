/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing JSON, indented: calls in the order of the text. Commas and line ends come by themselves.
 * (Reading is jansson's, whose names begin with json_.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct writer {
    FILE *out;
    unsigned depth;
    unsigned line; /* depth from which on all is on one line; 0: none */
    bool first;    /* nothing stands in the present object or array yet */
};

void writer_init(struct writer *writer, FILE *out);
void writer_init_line(struct writer *writer, FILE *out); /* all on one line */

/* `key` is NULL in an array, and for the outermost value. */
void writer_open(struct writer *writer, const char *key, char bracket);      /* '{' or '[' */
void writer_open_line(struct writer *writer, const char *key, char bracket); /* all on one line */
void writer_close(struct writer *writer, char bracket);                      /* '}' or ']' */
void writer_text(struct writer *writer, const char *key, const char *text);
void writer_known(struct writer *writer, const char *key, const char *text); /* NULL, "": nothing */
void writer_uint(struct writer *writer, const char *key, uint64_t value);
void writer_real(struct writer *writer, const char *key, double value); /* ten digits */
void writer_bool(struct writer *writer, const char *key, bool value);
