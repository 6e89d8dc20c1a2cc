/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writing JSON, indented: calls in the order of the text. Commas and line ends come by themselves.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
    FILE *out;
    unsigned depth;
    bool first; /* nothing stands in the present object or array yet */
};

void json_init(struct json *json, FILE *out);

/* `key` is NULL in an array, and for the outermost value. */
void json_open(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json *json, char bracket);                 /* '}' or ']' */
void json_text(struct json *json, const char *key, const char *text);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_real(struct json *json, const char *key, double value); /* three decimals */
void json_bool(struct json *json, const char *key, bool value);
