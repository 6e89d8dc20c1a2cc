/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Commands that look at a data directory: their command line, and what they share.
 *
 *   command line -> open -> lock, shared: beside each other, never beside a server -> the command
 *
 * Invariant: nothing below the directory is made, opened for writing or changed.
 *
 * Threads: one. Failures: a sentence on standard error, and an exit status.
 */
#include "server/offline.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/num.h"
#include "proto/mp.h"
#include "server/offline_impl.h"
#include "server/storage_id.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sysexits.h>
#include <unistd.h>

enum { OFFLINE_LIMIT = 1000, OFFLINE_PROGRESS_NS = 100000000 };

static const struct offline_command {
    const char *name;
    int (*run)(struct offline *offline);
    bool needs_id;
    const char *options; /* that it takes */
} offline_commands[] = {
    {"check", offline_check, true, "j"},
    {"waldump", offline_dump, false, "jkftl"},
};

/* ---- telling ---- */

int offline_fail(const struct offline *offline, int status, const char *format, ...)
{
    va_list args;
    offline_end_progress(offline);
    (void)fputs("cairnd: ", offline->errors);
    va_start(args, format);
    (void)vfprintf(offline->errors, format, args);
    va_end(args);
    (void)fputc('\n', offline->errors);
    return status;
}

int offline_status(int err)
{
    return err == ERR_OUT_OF_MEMORY ? EX_OSERR : err == ERR_IO ? EX_IOERR : EX_DATAERR;
}

void offline_progress(void *context, uint64_t done_bytes, uint64_t all_bytes)
{
    static uint64_t told_ns;
    const struct offline *offline = context;
    uint64_t now_ns = clock_mono_ns();
    if (!isatty(fileno(offline->errors)) || now_ns - told_ns < OFFLINE_PROGRESS_NS ||
        all_bytes == 0)
        return;
    told_ns = now_ns;
    double percent = 100.0 * (double)done_bytes / (double)all_bytes;
    (void)fprintf(offline->errors, "\r%3.0f %% of %" PRIu64 " MiB", percent,
                  (all_bytes + (1 << 20) - 1) >> 20);
}

void offline_end_progress(const struct offline *offline)
{
    if (isatty(fileno(offline->errors)))
        (void)fputs("\r\033[K", offline->errors);
}

void offline_quote(FILE *out, struct bytes bytes)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        if (c < 0x20 || c > 0x7e)
            (void)fprintf(out, "\\x%02x", c);
        else if (c == '"' || c == '\\')
            (void)fprintf(out, "\\%c", c);
        else
            (void)fputc(c, out);
    }
    (void)fputc('"', out);
}

/* ---- JSON ---- */

/* Bytes that are no UTF-8, as of a strange path, become code points of their own: JSON has no words
 * for them. */
static void json_string(FILE *out, struct bytes text)
{
    uint8_t last = mp_utf8_valid(text) ? 0xff : 0x7e;
    (void)fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c == 0x7f || c > last)
            (void)fprintf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            (void)fprintf(out, "\\%c", c);
        else
            (void)fputc(c, out);
    }
    (void)fputc('"', out);
}

static void json_key(struct offline_json *json, const char *key)
{
    if (json->more)
        (void)fputs(", ", json->out);
    json->more = true;
    if (key != NULL)
        (void)fprintf(json->out, "\"%s\": ", key);
}

void json_open(struct offline_json *json, const char *key, char bracket)
{
    json_key(json, key);
    (void)fputc(bracket, json->out);
    json->more = false;
}

void json_close(struct offline_json *json, char bracket)
{
    (void)fputc(bracket, json->out);
    json->more = true;
}

void json_uint(struct offline_json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    (void)fprintf(json->out, "%" PRIu64, value);
}

void json_int(struct offline_json *json, const char *key, int64_t value)
{
    json_key(json, key);
    (void)fprintf(json->out, "%" PRId64, value);
}

void json_bool(struct offline_json *json, const char *key, bool value)
{
    json_key(json, key);
    (void)fputs(value ? "true" : "false", json->out);
}

void json_text(struct offline_json *json, const char *key, const char *value)
{
    json_key(json, key);
    if (value == NULL)
        (void)fputs("null", json->out);
    else
        json_string(json->out, bytes_of(value));
}

void json_bytes(struct offline_json *json, const char *key, const char *hex_key, struct bytes value)
{
    if (mp_utf8_valid(value)) {
        json_key(json, key);
        json_string(json->out, value);
        return;
    }
    json_key(json, hex_key);
    (void)fputc('"', json->out);
    for (size_t i = 0; i < value.size; i++)
        (void)fprintf(json->out, "%02x", value.data[i]);
    (void)fputc('"', json->out);
}

/* ---- the directory ---- */

static int offline_lock(struct offline *offline)
{
    int err = dir_lock_shared(offline->dir);
    if (err == 0)
        return 0;
    if (err != -EWOULDBLOCK)
        return offline_fail(offline, err == -EACCES ? EX_NOPERM : EX_NOINPUT,
                            "%s/LOCK cannot be opened: %s", offline->path, strerrordesc_np(-err));
    return offline_fail(offline, EX_CANTCREAT,
                        "%s is in use by process %d; stop it first, its files are changing",
                        offline->path, dir_lock_holder(offline->dir));
}

static int offline_open(struct offline *offline)
{
    int err = dir_open_existing(offline->path, &offline->dir);
    if (err == 0)
        return offline_lock(offline);
    if (err == -EACCES || err == -EPERM)
        return offline_fail(offline, EX_NOPERM, "%s may not be opened by this user", offline->path);
    return offline_fail(offline, EX_NOINPUT,
                        "%s: %s; name the directory that data.dir of the configuration names",
                        offline->path, strerrordesc_np(-err));
}

static int offline_read_id(struct offline *offline, const struct offline_command *command)
{
    bool used = false;
    int err = storage_id_read(offline->dir, &offline->id);
    offline->has_id = err == 0;
    if (err == 0 || !command->needs_id)
        return 0;
    if (err == -EBADMSG)
        return offline_fail(offline, EX_DATAERR,
                            "%s/" STORAGE_ID_FILE
                            " is damaged or of a later version; put it back from a copy",
                            offline->path);
    if (err != -ENOENT)
        return offline_fail(offline, EX_IOERR, "%s/" STORAGE_ID_FILE " cannot be read: %s",
                            offline->path, strerrordesc_np(-err));
    err = storage_id_used(offline->dir, &used);
    if (err == 0 && !used)
        return offline_fail(offline, EX_NOINPUT,
                            "%s holds no store; name the directory that data.dir of the "
                            "configuration names",
                            offline->path);
    return offline_fail(offline, EX_DATAERR,
                        "%s has files of a store, but not " STORAGE_ID_FILE
                        ", which says of which; put it back from a copy",
                        offline->path);
}

/* ---- the command line ---- */

static const struct offline_command *offline_find(const char *word)
{
    for (size_t i = 0; i < sizeof offline_commands / sizeof offline_commands[0]; i++)
        if (strcmp(offline_commands[i].name, word) == 0)
            return &offline_commands[i];
    return NULL;
}

bool offline_knows(const char *word)
{
    return offline_find(word) != NULL;
}

static int offline_number(const struct offline *offline, const char *name, uint64_t *out_number)
{
    int64_t number;
    if (num_parse_int(optarg, &number) != 0 || number < 0)
        return offline_fail(offline, EX_USAGE, "--%s: '%s' is not a number", name, optarg);
    *out_number = (uint64_t)number;
    return 0;
}

static int offline_option(struct offline *offline, int c)
{
    switch (c) {
    case 'j':
        offline->json = true;
        return 0;
    case 'k':
        offline->keys = true;
        return 0;
    case 'f':
        return offline_number(offline, "from", &offline->from_lsn);
    case 't':
        return offline_number(offline, "to", &offline->to_lsn);
    default:
        return offline_number(offline, "limit", &offline->limit);
    }
}

static int offline_parse(struct offline *offline, const struct offline_command *command, int argc,
                         char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},        {"keys", no_argument, NULL, 'k'},
        {"from", required_argument, NULL, 'f'},  {"to", required_argument, NULL, 't'},
        {"limit", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0},
    };
    int c, status = 0;
    opterr = 0;
    while (status == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == '?' || strchr(command->options, c) == NULL)
            return offline_fail(offline, EX_USAGE, "%s does not know %s. Try 'cairnd --help'",
                                command->name, argv[optind - 1]);
        status = offline_option(offline, c);
    }
    if (status == 0 && argc - optind != 1)
        return offline_fail(offline, EX_USAGE, "%s takes one directory. Try 'cairnd --help'",
                            command->name);
    offline->path = argv[optind];
    return status;
}

int offline_main(int argc, char **argv)
{
    const struct offline_command *command = offline_find(argv[0]);
    struct offline offline = {
        .to_lsn = UINT64_MAX, .limit = OFFLINE_LIMIT, .out = stdout, .errors = stderr};
    int status = offline_parse(&offline, command, argc, argv);
    if (status == 0)
        status = offline_open(&offline);
    if (status == 0)
        status = offline_read_id(&offline, command);
    if (status == 0)
        status = command->run(&offline);
    dir_close(offline.dir);
    if (status == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        return offline_fail(&offline, EX_IOERR, "standard output cannot be written");
    return status;
}
