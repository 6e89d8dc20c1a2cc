/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads JSON files.
 *
 * How: jansson parses; here is what it says to people.
 *
 * Invariants: what is handed out is an object.
 * Threads: any; no state. Failures: ERR_IO, ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/load.h"

#include "common/err.h"

#include <errno.h>
#include <string.h>

int load_file(const char *path, json_t **out_document, char out_detail[static LOAD_DETAIL_SIZE])
{
    json_error_t error;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(out_detail, LOAD_DETAIL_SIZE, "cannot read %.150s: %s", path,
                       strerror(errno));
        return ERR_IO;
    }
    json_t *document = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    if (file != stdin)
        fclose(file);
    if (document != NULL && json_is_object(document)) {
        *out_document = document;
        return 0;
    }
    if (document != NULL)
        (void)snprintf(out_detail, LOAD_DETAIL_SIZE, "%.150s holds no JSON object", path);
    else
        (void)snprintf(out_detail, LOAD_DETAIL_SIZE, "%.150s is not JSON: line %d: %.100s", path,
                       error.line, error.text);
    json_decref(document);
    return ERR_BAD_ARGUMENT;
}

int load_check(const json_t *document, const char *name, char out_detail[static LOAD_DETAIL_SIZE])
{
    if (strncmp(load_text(document, "version"), "2.", 2) == 0 &&
        json_is_object(json_object_get(document, "results")))
        return 0;
    (void)snprintf(out_detail, LOAD_DETAIL_SIZE,
                   "%.150s is not what loadgen --json writes (version 2.x with results)", name);
    return ERR_BAD_ARGUMENT;
}

int load_results(const char *path, json_t **out_document, char out_detail[static LOAD_DETAIL_SIZE])
{
    json_t *document = NULL;
    int err = load_file(path, &document, out_detail);
    if (err == 0)
        err = load_check(document, path, out_detail);
    if (err == 0)
        *out_document = document;
    else
        json_decref(document);
    return err;
}

const char *load_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

double load_value(const json_t *value)
{
    double number = json_number_value(value);
    return number > 0 && number < 1e18 ? number : 0;
}

double load_number(const json_t *object, const char *key)
{
    return load_value(json_object_get(object, key));
}

double load_element(const json_t *array, size_t index)
{
    return load_value(json_array_get(array, index));
}
