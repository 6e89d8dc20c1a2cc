/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The special keys of objects that stand for what JSON has no words for; json.h describes them.
 */
#pragma once

#include "common/bytes.h"

enum json_special {
    JSON_SPECIAL_NONE,
    JSON_SPECIAL_BIN,
    JSON_SPECIAL_STR,
    JSON_SPECIAL_EXT,
    JSON_SPECIAL_FLOAT,
    JSON_SPECIAL_UINT,
    JSON_SPECIAL_MAP,
};

static inline enum json_special json_special_of(struct bytes key)
{
    static const char *const names[] = {
        [JSON_SPECIAL_BIN] = "$bin",     [JSON_SPECIAL_STR] = "$str",   [JSON_SPECIAL_EXT] = "$ext",
        [JSON_SPECIAL_FLOAT] = "$float", [JSON_SPECIAL_UINT] = "$uint", [JSON_SPECIAL_MAP] = "$map",
    };
    for (enum json_special i = JSON_SPECIAL_BIN; i <= JSON_SPECIAL_MAP; i++)
        if (bytes_equal(key, bytes_of(names[i])))
            return i;
    return JSON_SPECIAL_NONE;
}
