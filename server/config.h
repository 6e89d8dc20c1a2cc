/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The configuration: the options of options.def with their values.
 *
 * A value comes from, in rising precedence: its default, the file, the command line (--set). At run
 * time reloadable options can be changed one by one (config_change) or by reading the file again
 * (config_reload). Order at start: config_create, config_load_file, config_override for each --set,
 * config_check.
 *
 * Threads: none of its own; the caller makes sure that nobody reads while somebody changes.
 * Failures: functions return 0, or a negative enum err and put a sentence for people into
 * `out_detail` (may be NULL): printable ASCII, no line end. The configuration is then as it was.
 */
#pragma once

#include "common/check.h"
#include "proto/limits.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

enum option_id {
#define OPTION(section, key, type, default_value, min, max, reloadable, text)                      \
    OPTION_##section##_##key,
#include "server/options.def"
#undef OPTION
    OPTION_COUNT
};

enum option_type {
    OPTION_TYPE_TEXT,
    OPTION_TYPE_INT,
    OPTION_TYPE_BYTES,
    OPTION_TYPE_DURATION, /* milliseconds */
    OPTION_TYPE_MODE,
    OPTION_TYPE_BOOL,
    OPTION_TYPE_ENUM,
    OPTION_TYPE_BY_NAME, /* in the table only; config_option never returns it */
};

/* Values of ENUM options, in the order of their words. Those of log.level are enum log_level. */
enum durability_mode { DURABILITY_AUTO, DURABILITY_MEMORY, DURABILITY_BUFFERED, DURABILITY_STRICT };
enum memory_policy { MEMORY_POLICY_REFUSE, MEMORY_POLICY_EVICT };

enum {
    CONFIG_VALUE_SIZE = 2048,           /* room for any value as text, NUL included */
    CONFIG_FILE_SIZE_MAX = 1024 * 1024, /* bytes of a file */
    CONFIG_ADDRESSES_MAX = 16,          /* addresses in one option */
    CONFIG_ADDRESS_SIZE = 128,          /* room for one as text, NUL included */
};

/* A row of the table. Constant text. */
struct config_option {
    const char *name; /* "section.key" */
    const char *section;
    const char *key;
    enum option_type type;
    bool reloadable;
    const char *default_text; /* TEXT, ENUM */
    const char *words;        /* ENUM: "all|the|words" */
    int64_t default_number;   /* all others */
    int64_t min;              /* TEXT: bytes */
    int64_t max;
    const char *text;
};

/* What went wrong, for people. The caller owns it. */
struct err_detail {
    char text[512];
};

/* An address to listen on. */
struct config_address {
    enum { CONFIG_ADDRESS_TCP4, CONFIG_ADDRESS_TCP6, CONFIG_ADDRESS_UNIX } kind;
    union {
        struct sockaddr sa; /* for bind */
        struct sockaddr_in tcp4;
        struct sockaddr_in6 tcp6;
        struct sockaddr_un un;
    };
    char text[CONFIG_ADDRESS_SIZE]; /* as written, for messages */
};

/* What config_reload did: options that have a new value in force, and options of which the file
 * has another value than the one in force, which needs a restart. */
struct config_changes {
    unsigned n_applied;
    unsigned n_restart;
    enum option_id applied[OPTION_COUNT];
    enum option_id restart[OPTION_COUNT];
};

struct config;

/* All defaults. NULL without memory. */
MUST_USE struct config *config_create(void);
void config_destroy(struct config *config);

/* Read a YAML file; `name` stands for the file in messages. Files hold one document, a mapping of
 * sections to mappings of keys to scalars. Errors: IO, LIMIT_EXCEEDED (the file is too big),
 * NOT_FOUND (no such option), BAD_ARGUMENT, OUT_OF_MEMORY. */
MUST_USE int config_load_file(struct config *config, const char *path,
                              struct err_detail *out_detail);
MUST_USE int config_load_memory(struct config *config, const void *data, size_t size,
                                const char *name, struct err_detail *out_detail);

/* Set an option for good, as --set does: "limits.connections=100". Files do not change it any more.
 * Errors: NOT_FOUND, BAD_ARGUMENT, OUT_OF_MEMORY. */
MUST_USE int config_override(struct config *config, const char *assignment,
                             struct err_detail *out_detail);

/* Change a reloadable option of a running server until the next reload. All rules of config_check
 * are kept. Errors: as above, and UNSUPPORTED where the option is not reloadable. */
MUST_USE int config_change(struct config *config, const char *name, const char *value,
                           struct err_detail *out_detail);

/* Load `path` (NULL: none) into a fresh configuration with the same overrides, check it, and take
 * over the values of reloadable options. */
MUST_USE int config_reload(struct config *config, const char *path,
                           struct config_changes *out_changes, struct err_detail *out_detail);

/* The rules between options, and the syntax of addresses. Errors: BAD_ARGUMENT, UNSUPPORTED (not in
 * this build). */
MUST_USE int config_check(const struct config *config, struct err_detail *out_detail);

/* The row of an option. */
struct config_option config_option(enum option_id id);

/* The option with this name ("server.loops"), OPTION_COUNT if there is none. */
enum option_id config_find(const char *name);

/* Values. config_int is for INT, BYTES, DURATION and MODE; config_text is valid until the next
 * change of the configuration. */
int64_t config_int(const struct config *config, enum option_id id);
const char *config_text(const struct config *config, enum option_id id);
bool config_bool(const struct config *config, enum option_id id);
unsigned config_enum(const struct config *config, enum option_id id);

/* What is in force: durability.mode, never DURABILITY_AUTO; and where data is, "" if nowhere. */
enum durability_mode config_durability(const struct config *config);
const char *config_data_dir(const struct config *config);

/* All options limits.* as the struct the event loops own. */
struct limits config_limits(const struct config *config);

/* The value as a file would write it, without quotes: "16MiB", "10s", "0660", "true", "evict". */
void config_format_value(const struct config *config, enum option_id id,
                         char out_text[static CONFIG_VALUE_SIZE]);

/* The default in the same form; and what the option accepts: "a number between 4 and 1000000". */
void config_format_default(enum option_id id, char out_text[static CONFIG_VALUE_SIZE]);
void config_describe(enum option_id id, char out_text[static CONFIG_VALUE_SIZE]);

/* The addresses of a TEXT option that holds a list of them; *out_count may be 0. Errors:
 * BAD_ARGUMENT. */
MUST_USE int config_addresses(const struct config *config, enum option_id id,
                              struct config_address out_addresses[static CONFIG_ADDRESSES_MAX],
                              unsigned *out_count, struct err_detail *out_detail);

/* Can only this machine reach the address? 127.0.0.0/8, ::1, Unix sockets. */
bool config_address_is_local(const struct config_address *address);
