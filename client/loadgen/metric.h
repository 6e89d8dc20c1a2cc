/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The figures of metrics.def as C.
 */
#pragma once

#include "client/loadgen/result.h"
#include "client/loadgen/text.h"
#include "client/loadgen/writer.h"

#include <jansson.h>

enum metric_id {
#define METRIC(id, title, key, unit, better, scale, judged, value) METRIC_##id,
#include "client/loadgen/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metric {
    const char *title;
    const char *key;
    const char *unit;
    bool higher_is_better;
    double scale;
    bool judged;
};

extern const struct metric metric_table[METRIC_COUNT];

/* A value as it is stored, in the unit of its figure, with about four digits. */
void metric_format(const struct metric *metric, double value, char out_text[static TEXT_SIZE]);

/* All figures of a result as they are stored; 0 where one is not known. */
void metric_values(const struct result *result, double out_values[static METRIC_COUNT]);

/* Those that are known as members of an object; open and close it around. */
void metric_write(struct writer *json, const double values[static METRIC_COUNT]);

/* A figure of an object of --json, or all of them; 0 if one is not there. */
double metric_of_json(const struct metric *metric, const json_t *object);
void metric_values_of_json(const json_t *object, double out_values[static METRIC_COUNT]);
