/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The values of all options, and the ways to change them.
 *
 * How: whatever changes more than one thing, or may fail half-way, works on a clone and exchanges
 * the two at the end. config_value.c knows types, config_yaml.c files, config_check.c rules.
 * Invariants: every value is within the bounds of its row; TEXT values are never NULL.
 * Threads: the caller's matter, see config.h.
 * Failures: the configuration is unchanged and the detail says why.
 */
#include "server/config.h"

#include "common/err.h"
#include "common/mem.h"
#include "server/config_impl.h"

#include <stdio.h>
#include <string.h>

struct config *config_create(void)
{
    struct config *config = mem_calloc(1, sizeof(*config));
    if (config == NULL)
        return NULL;
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        struct config_option option = config_option(id);
        if (config_value_default(&option, &config->values[id]) != 0) {
            config_destroy(config);
            return NULL;
        }
    }
    return config;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        mem_free(config->values[id].text);
        mem_free(config->overrides[id]);
    }
    mem_free(config);
}

static int copy_text(const char *text, char **out_copy)
{
    char *copy = NULL;
    if (text != NULL) {
        size_t size = strlen(text) + 1;
        copy = mem_alloc(size);
        if (copy == NULL)
            return ERR_OUT_OF_MEMORY;
        memcpy(copy, text, size);
    }
    *out_copy = copy;
    return 0;
}

struct config *config_clone(const struct config *config)
{
    struct config *clone = mem_calloc(1, sizeof(*clone));
    if (clone == NULL)
        return NULL;
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        clone->values[id].number = config->values[id].number;
        if (copy_text(config->values[id].text, &clone->values[id].text) != 0 ||
            copy_text(config->overrides[id], &clone->overrides[id]) != 0) {
            config_destroy(clone);
            return NULL;
        }
    }
    return clone;
}

void config_swap(struct config *a, struct config *b)
{
    struct config c = *a;
    *a = *b;
    *b = c;
}

int config_assign(struct config *config, enum option_id id, const char *text,
                  struct err_detail *out_detail)
{
    struct config_option option = config_option(id);
    struct config_value value;
    int err = config_value_parse(&option, text, &value, out_detail);
    if (err != 0)
        return err;
    mem_free(config->values[id].text);
    config->values[id] = value;
    return 0;
}

int config_override(struct config *config, const char *assignment, struct err_detail *out_detail)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL)
        return config_fail(out_detail, ERR_BAD_ARGUMENT,
                           "%.64s: not an assignment; write it like server.loops=4", assignment);
    char name[128];
    int size = (int)(equals - assignment < 127 ? equals - assignment : 127);
    (void)snprintf(name, sizeof(name), "%.*s", size, assignment);
    enum option_id id = config_find(name);
    if (id == OPTION_COUNT)
        return config_fail_unknown(out_detail, name);
    char *copy;
    if (copy_text(equals + 1, &copy) != 0)
        return config_fail(out_detail, ERR_OUT_OF_MEMORY, "%s: out of memory", name);
    int err = config_assign(config, id, copy, out_detail);
    if (err != 0) {
        mem_free(copy);
        return err;
    }
    mem_free(config->overrides[id]);
    config->overrides[id] = copy;
    return 0;
}

int config_change(struct config *config, const char *name, const char *value,
                  struct err_detail *out_detail)
{
    enum option_id id = config_find(name);
    if (id == OPTION_COUNT)
        return config_fail_unknown(out_detail, name);
    if (!config_option(id).reloadable)
        return config_fail(out_detail, ERR_UNSUPPORTED,
                           "%s: cannot be changed while the server runs; set it in the "
                           "configuration file and restart",
                           name);
    struct config *changed = config_clone(config);
    if (changed == NULL)
        return config_fail(out_detail, ERR_OUT_OF_MEMORY, "%s: out of memory", name);
    int err = config_assign(changed, id, value, out_detail);
    if (err == 0)
        err = config_check(changed, out_detail);
    if (err == 0)
        config_swap(config, changed);
    config_destroy(changed);
    return err;
}

/* Fill `fresh`, which holds defaults, from the file and the overrides of `config`. */
static int load_anew(struct config *fresh, const struct config *config, const char *path,
                     struct err_detail *out_detail)
{
    int err = path == NULL ? 0 : config_load_file(fresh, path, out_detail);
    for (unsigned id = 0; id < OPTION_COUNT && err == 0; id++) {
        if (config->overrides[id] != NULL)
            err = config_assign(fresh, id, config->overrides[id], out_detail);
    }
    return err == 0 ? config_check(fresh, out_detail) : err;
}

/* Move what is reloadable and differs from `fresh` to `config`. */
static void take_over(struct config *config, struct config *fresh,
                      struct config_changes *out_changes)
{
    struct config_changes changes = {0};
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        if (config_value_equal(&config->values[id], &fresh->values[id]))
            continue;
        if (!config_option(id).reloadable) {
            changes.restart[changes.n_restart++] = id;
            continue;
        }
        struct config_value old = config->values[id];
        config->values[id] = fresh->values[id];
        fresh->values[id] = old;
        changes.applied[changes.n_applied++] = id;
    }
    *out_changes = changes;
}

int config_reload(struct config *config, const char *path, struct config_changes *out_changes,
                  struct err_detail *out_detail)
{
    struct config *fresh = config_create();
    struct config *merged = config_clone(config);
    struct config_changes changes;
    int err = ERR_OUT_OF_MEMORY;
    if (fresh == NULL || merged == NULL)
        err = config_fail(out_detail, err, "reload: out of memory");
    else
        err = load_anew(fresh, config, path, out_detail);
    if (err == 0) {
        /* The file may keep the rules, and yet not together with what needs a restart. */
        take_over(merged, fresh, &changes);
        err = config_check(merged, out_detail);
    }
    if (err == 0) {
        config_swap(config, merged);
        *out_changes = changes;
    }
    config_destroy(fresh);
    config_destroy(merged);
    return err;
}

int64_t config_int(const struct config *config, enum option_id id)
{
    enum option_type type = config_option(id).type;
    REQUIRE(type == OPTION_TYPE_INT || type == OPTION_TYPE_BYTES || type == OPTION_TYPE_DURATION ||
            type == OPTION_TYPE_MODE);
    return config->values[id].number;
}

const char *config_text(const struct config *config, enum option_id id)
{
    REQUIRE(config_option(id).type == OPTION_TYPE_TEXT);
    return config->values[id].text;
}

bool config_bool(const struct config *config, enum option_id id)
{
    REQUIRE(config_option(id).type == OPTION_TYPE_BOOL);
    return config->values[id].number != 0;
}

unsigned config_enum(const struct config *config, enum option_id id)
{
    REQUIRE(config_option(id).type == OPTION_TYPE_ENUM);
    return (unsigned)config->values[id].number;
}

struct limits config_limits(const struct config *config)
{
    return (struct limits){
#define LIMIT(name, default_value, min, max, text)                                                 \
    .name = (uint64_t)config->values[OPTION_limits_##name].number,
#include "proto/limits.def"
#undef LIMIT
    };
}

void config_format_value(const struct config *config, enum option_id id,
                         char out_text[static CONFIG_VALUE_SIZE])
{
    struct config_option option = config_option(id);
    config_value_format(&option, &config->values[id], out_text);
}
