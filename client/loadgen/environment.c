/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads what the machine says about itself.
 *
 * How: one small file of /proc or /sys for each fact; the file or the line may be missing, as in
 * most virtual machines and containers.
 *
 * Invariants: texts are printable and end in NUL.
 * Threads: any; no state. Failures: none; what is not known stays empty.
 */
#include "client/loadgen/environment.h"

#include "common/check.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

/* Without white space and quotes at the ends, and without what does not print. */
static void environment_clean(char *text)
{
    size_t size = strlen(text), from = strspn(text, " \t\"");
    while (size > from && strchr(" \t\r\n\"", text[size - 1]) != NULL)
        size--;
    memmove(text, text + from, size - from);
    text[size - from] = 0;
    for (; *text != 0; text++)
        if (!isprint((unsigned char)*text))
            *text = '?';
}

/* What follows `name` and `separator` in the first line that begins with it; the whole first line
 * for the name "". */
static bool environment_line(const char *path, const char *name, char separator,
                             char out[static ENVIRONMENT_TEXT_SIZE])
{
    char line[512];
    bool found = false;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        const char *value = name[0] == 0 ? line : strchr(line, separator);
        if (value == NULL || strncmp(line, name, strlen(name)) != 0)
            continue;
        (void)snprintf(out, ENVIRONMENT_TEXT_SIZE, "%s", value + (name[0] != 0));
        environment_clean(out);
        found = true;
    }
    fclose(file);
    return found;
}

static void environment_cpu(struct environment *out)
{
    char text[ENVIRONMENT_TEXT_SIZE];
    if (!environment_line("/proc/cpuinfo", "model name", ':', out->cpu))
        (void)environment_line("/proc/cpuinfo", "Hardware", ':', out->cpu);
    (void)environment_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", 0,
                           out->governor);
    if (environment_line("/sys/devices/system/cpu/cpufreq/boost", "", 0, text))
        (void)snprintf(out->turbo, sizeof out->turbo, "%s", text[0] == '1' ? "on" : "off");
    else if (environment_line("/sys/devices/system/cpu/intel_pstate/no_turbo", "", 0, text))
        (void)snprintf(out->turbo, sizeof out->turbo, "%s", text[0] == '0' ? "on" : "off");
}

static void environment_memory(struct environment *out)
{
    char text[ENVIRONMENT_TEXT_SIZE];
    uint64_t kib;
    if (environment_line("/proc/meminfo", "MemTotal", ':', text) &&
        sscanf(text, "%" SCNu64, &kib) == 1)
        out->memory_bytes = kib * 1024;
}

/* The type of the file system at "/". */
static void environment_file_system(char out[static ENVIRONMENT_TEXT_SIZE])
{
    char where[256], type[64];
    FILE *mounts = fopen("/proc/self/mounts", "re");
    if (mounts == NULL)
        return;
    while (fscanf(mounts, "%*s %255s %63s %*[^\n]", where, type) == 2)
        if (strcmp(where, "/") == 0)
            (void)snprintf(out, ENVIRONMENT_TEXT_SIZE, "%s", type);
    fclose(mounts);
}

/* The first line of a file in a folder. */
static bool environment_below(const char *folder, const char *name,
                              char out[static ENVIRONMENT_TEXT_SIZE])
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return environment_line(path, "", 0, out);
}

static void environment_disk(struct environment *out)
{
    struct stat root;
    char path[128], model[ENVIRONMENT_TEXT_SIZE] = "", spins[ENVIRONMENT_TEXT_SIZE] = "";
    environment_file_system(out->disk);
    if (stat("/", &root) != 0 || major(root.st_dev) == 0)
        return;
    (void)snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(root.st_dev),
                   minor(root.st_dev));
    if (!environment_below(path, "queue/rotational", spins)) /* a partition: its disk is above */
        (void)environment_below(path, "../queue/rotational", spins);
    if (!environment_below(path, "device/model", model))
        (void)environment_below(path, "../device/model", model);
    size_t used = strlen(out->disk);
    /* A virtual disk has no model, and what it says about its kind is made up. */
    if (model[0] != 0)
        (void)snprintf(out->disk + used, sizeof out->disk - used, ", %s %.60s",
                       spins[0] == '1' ? "hard disk" : "SSD", model);
}

void environment_read(struct environment *out)
{
    struct utsname name;
    memset(out, 0, sizeof *out);
    environment_cpu(out);
    environment_memory(out);
    environment_disk(out);
    (void)environment_line("/etc/os-release", "PRETTY_NAME", '=', out->os);
    if (uname(&name) != 0)
        return;
    (void)snprintf(out->kernel, sizeof out->kernel, "%s %.60s", name.sysname, name.release);
    (void)snprintf(out->machine, sizeof out->machine, "%.100s", name.machine);
}

void environment_print(FILE *out, const struct environment *environment, unsigned cpus)
{
    const struct {
        const char *name, *text;
    } lines[] = {
        {"cpu", environment->cpu},         {"governor", environment->governor},
        {"turbo", environment->turbo},     {"disk", environment->disk},
        {"os", environment->os},           {"kernel", environment->kernel},
        {"machine", environment->machine},
    };
    fprintf(out, "%-12s %u\n", "cpus", cpus);
    if (environment->memory_bytes > 0)
        fprintf(out, "%-12s %" PRIu64 " MiB\n", "memory", environment->memory_bytes / 1048576);
    for (size_t i = 0; i < LENGTH_OF(lines); i++)
        if (lines[i].text[0] != 0)
            fprintf(out, "%-12s %s\n", lines[i].name, lines[i].text);
}
