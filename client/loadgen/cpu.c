/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads processor time from the kernel.
 *
 * How: of another process by adding up /proc/PID/task/TID/schedstat, whose first number is in ns;
 * without it, /proc/PID/stat counts in ticks of 10 ms.
 *
 * Invariants: none kept. Threads: any; no state.
 * Failures: ERR_NOT_FOUND if the process does not exist or may not be looked at.
 */
#include "client/loadgen/cpu.h"

#include "common/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t cpu_timeval_ns(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000u;
}

struct cpu_time cpu_time_self(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct cpu_time){cpu_timeval_ns(usage.ru_utime), cpu_timeval_ns(usage.ru_stime)};
}

/* Read a small file as text. */
static bool cpu_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

static bool cpu_add_task(int64_t pid, const char *task, uint64_t *total)
{
    char path[320], text[128];
    uint64_t ns;
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/task/%s/schedstat", pid, task);
    if (!cpu_read(path, text, sizeof text) || sscanf(text, "%" SCNu64, &ns) != 1)
        return false;
    *total += ns;
    return true;
}

static bool cpu_from_schedstat(int64_t pid, uint64_t *out_ns)
{
    char path[64];
    uint64_t total = 0;
    bool any = false;
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return false;
    for (const struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks))
        if (task->d_name[0] != '.' && cpu_add_task(pid, task->d_name, &total))
            any = true;
    closedir(tasks);
    *out_ns = total;
    return any;
}

static bool cpu_from_stat(int64_t pid, uint64_t *out_ns)
{
    char path[64], text[1024];
    uint64_t user, system;
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (!cpu_read(path, text, sizeof text))
        return false;
    const char *behind_name = strrchr(text, ')');
    if (behind_name == NULL ||
        sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
               &user, &system) != 2)
        return false;
    *out_ns = (user + system) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

int cpu_time_of(int64_t pid, uint64_t *out_ns)
{
    return cpu_from_schedstat(pid, out_ns) || cpu_from_stat(pid, out_ns) ? 0 : ERR_NOT_FOUND;
}

bool cpu_process_is(int64_t pid, const char *name)
{
    char path[64], text[64];
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/comm", pid);
    return name[0] != 0 && cpu_read(path, text, sizeof text) &&
           strncmp(text, name, strlen(name)) == 0;
}

uint64_t cpu_thread_waiting_ns(void)
{
    char text[128];
    uint64_t ns;
    bool known = cpu_read("/proc/thread-self/schedstat", text, sizeof text) &&
                 sscanf(text, "%*u %" SCNu64, &ns) == 1;
    return known ? ns : 0;
}

struct cpu_thread cpu_thread_self(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (struct cpu_thread){
        .user_ns = cpu_timeval_ns(usage.ru_utime),
        .system_ns = cpu_timeval_ns(usage.ru_stime),
        .waiting_ns = cpu_thread_waiting_ns(),
        .switches = (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw,
    };
}

void cpu_thread_add(struct cpu_thread *into, const struct cpu_thread *from)
{
    into->user_ns += from->user_ns;
    into->system_ns += from->system_ns;
    into->waiting_ns += from->waiting_ns;
    into->switches += from->switches;
}

struct cpu_thread cpu_thread_between(const struct cpu_thread *begin, const struct cpu_thread *end)
{
    return (struct cpu_thread){
        .user_ns = end->user_ns - begin->user_ns,
        .system_ns = end->system_ns - begin->system_ns,
        .waiting_ns = end->waiting_ns - begin->waiting_ns,
        .switches = end->switches - begin->switches,
    };
}

struct cpu_system cpu_system_read(void)
{
    char text[256];
    uint64_t user, nice, system, idle, waiting, irq, softirq, steal;
    uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    if (!cpu_read("/proc/stat", text, sizeof text) ||
        sscanf(text,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64 " %" SCNu64,
               &user, &nice, &system, &idle, &waiting, &irq, &softirq, &steal) != 8)
        return (struct cpu_system){.user_ns = 0};
    return (struct cpu_system){.user_ns = (user + nice) * tick_ns,
                               .system_ns = system * tick_ns,
                               .softirq_ns = (irq + softirq) * tick_ns,
                               .steal_ns = steal * tick_ns,
                               .idle_ns = (idle + waiting) * tick_ns};
}

/* Idle time has been seen to go back. */
static uint64_t cpu_more(uint64_t begin, uint64_t end)
{
    return end > begin ? end - begin : 0;
}

struct cpu_system cpu_system_between(const struct cpu_system *begin, const struct cpu_system *end)
{
    return (struct cpu_system){.user_ns = cpu_more(begin->user_ns, end->user_ns),
                               .system_ns = cpu_more(begin->system_ns, end->system_ns),
                               .softirq_ns = cpu_more(begin->softirq_ns, end->softirq_ns),
                               .steal_ns = cpu_more(begin->steal_ns, end->steal_ns),
                               .idle_ns = cpu_more(begin->idle_ns, end->idle_ns)};
}

void cpu_system_add(struct cpu_system *into, const struct cpu_system *from)
{
    into->user_ns += from->user_ns;
    into->system_ns += from->system_ns;
    into->softirq_ns += from->softirq_ns;
    into->steal_ns += from->steal_ns;
    into->idle_ns += from->idle_ns;
}

uint64_t cpu_system_all_ns(const struct cpu_system *system)
{
    return system->user_ns + system->system_ns + system->softirq_ns + system->steal_ns +
           system->idle_ns;
}

uint64_t cpu_stolen_ns(void)
{
    return cpu_system_read().steal_ns;
}

unsigned cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
