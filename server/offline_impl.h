/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files server/offline*.c share; only they and their tests include this.
 */
#pragma once

#include "server/survey.h"

#include <stdio.h>

/* What the command line says. */
struct offline {
    const char *path;
    bool json, keys;
    uint64_t from_lsn, to_lsn, limit;
    FILE *out, *errors;
    struct dir *dir;
    struct store_id id;
    bool has_id;
};

/* Both take over an open and locked directory; exit status. */
int offline_check(struct offline *offline);
int offline_dump(struct offline *offline);

/* A sentence to people: "cairnd: ..."; returns status. */
int offline_fail(const struct offline *offline, int status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Exit status for ERR_IO, ERR_OUT_OF_MEMORY, or damage. */
int offline_status(int err);

/* How far a long work has come, on a terminal. As of struct survey; `context` is the offline. */
void offline_progress(void *context, uint64_t done_bytes, uint64_t all_bytes);
void offline_end_progress(const struct offline *offline);

/* ---- JSON ---- */

struct offline_json {
    FILE *out;
    bool more; /* a comma is due */
};

/* Keys are NULL inside of an array. */
void json_open(struct offline_json *json, const char *key, char bracket);
void json_close(struct offline_json *json, char bracket);
void json_uint(struct offline_json *json, const char *key, uint64_t value);
void json_int(struct offline_json *json, const char *key, int64_t value);
void json_bool(struct offline_json *json, const char *key, bool value);
/* NULL: null. */
void json_text(struct offline_json *json, const char *key, const char *value);
/* As text if it is UTF-8, else as digits under `hex_key`. */
void json_bytes(struct offline_json *json, const char *key, const char *hex_key,
                struct bytes value);

/* In double quotes, with everything escaped that is not printable ASCII. */
void offline_quote(FILE *out, struct bytes bytes);

/* ---- waldump ---- */

/* One entry that is good and stands at `offset` of `file`, as a line. */
void dump_text(FILE *out, const char *file, uint64_t offset, const struct entry *entry, bool keys);
void dump_json(FILE *out, const char *file, uint64_t offset, const struct entry *entry, bool keys);
