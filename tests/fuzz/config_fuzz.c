/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fuzzes the reader of the configuration file: any bytes either load or are refused with a sentence
 * that names the file and is fit to print, and then nothing has changed.
 */
#include "common/check.h"
#include "server/config.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_detail(const struct err_detail *detail)
{
    REQUIRE(strncmp(detail->text, "fuzz:", 5) == 0);
    for (const char *at = detail->text; *at != '\0'; at++)
        REQUIRE(*at >= ' ' && *at <= '~');
}

static void check_unchanged(const struct config *config)
{
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        char text[CONFIG_VALUE_SIZE];
        char expected[CONFIG_VALUE_SIZE];
        config_format_value(config, id, text);
        config_format_default(id, expected);
        REQUIRE(strcmp(text, expected) == 0);
    }
}

/* Each value, printed, is accepted again. */
static void check_values(struct config *config)
{
    for (unsigned id = 0; id < OPTION_COUNT; id++) {
        char text[CONFIG_VALUE_SIZE];
        char assignment[2 * CONFIG_VALUE_SIZE];
        config_format_value(config, id, text);
        (void)snprintf(assignment, sizeof(assignment), "%s=%s", config_option(id).name, text);
        REQUIRE(config_override(config, assignment, NULL) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_detail detail = {""};
    struct config *config = config_create();
    REQUIRE(config != NULL);
    if (config_load_memory(config, data, size, "fuzz", &detail) != 0) {
        check_detail(&detail);
        check_unchanged(config);
    } else {
        check_values(config);
        if (config_check(config, &detail) != 0)
            REQUIRE(strlen(detail.text) > 0);
    }
    config_destroy(config);
    return 0;
}
