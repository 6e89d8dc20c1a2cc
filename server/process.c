/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Asks the system about this process.
 *
 * How: /proc/self, which a unit with ProcSubset=pid still has, getrusage and getrlimit.
 * Threads: any.
 * Failures: a figure that cannot be had is 0.
 */
#include "server/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static void process_memory(uint64_t *out_virtual, uint64_t *out_resident)
{
    unsigned long long size = 0, resident = 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &size, &resident) != 2)
            size = resident = 0;
        (void)fclose(file);
    }
    *out_virtual = size * page;
    *out_resident = resident * page;
}

uint64_t process_cpu_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t process_open_fds(void)
{
    uint64_t n = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        n += entry->d_name[0] != '.';
    (void)closedir(folder);
    return n - 1; /* without the one of the folder itself */
}

static uint64_t process_max_fds(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (uint64_t)limit.rlim_cur : 0;
}

uint64_t process_resident_bytes(void)
{
    uint64_t size, resident;
    process_memory(&size, &resident);
    return resident;
}

void process_figures(struct process_figures *out_figures)
{
    process_memory(&out_figures->virtual_bytes, &out_figures->resident_bytes);
    out_figures->cpu_us = process_cpu_us();
    out_figures->open_fds = process_open_fds();
    out_figures->max_fds = process_max_fds();
}
