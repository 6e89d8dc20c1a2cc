/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Moves threads to CPUs.
 *
 * How: sched_setaffinity. The main thread gets all CPUs of loadgen and what it starts inherits
 * them; then each worker takes one. Of a server each thread it has is moved; those it starts later
 * inherit that.
 *
 * Invariants: none kept; a CPU that does not exist is refused before anything is measured.
 * Threads: any; no state. Failures: ERR_BAD_ARGUMENT and a sentence.
 */
#include "client/loadgen/pin.h"

#include "common/err.h"
#include "common/num.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int pin_wrong(char *out_detail)
{
    (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE,
                   "--pin takes numbers of CPUs, at most %d, as client=0,2-3 or client=0,server=1",
                   PIN_CPUS);
    return ERR_BAD_ARGUMENT;
}

static bool pin_number(const char *text, size_t size, int64_t *out)
{
    return num_read_int((struct bytes){(const uint8_t *)text, size}, out) && *out >= 0 &&
           *out < CPU_SETSIZE;
}

/* "2" or "2-5". */
static bool pin_add(struct pin_list *list, const char *text, size_t size)
{
    const char *dash = size > 0 ? memchr(text, '-', size) : NULL;
    size_t head = dash != NULL ? (size_t)(dash - text) : size;
    int64_t from, to;
    if (!pin_number(text, head, &from))
        return false;
    to = from;
    if (dash != NULL && !pin_number(dash + 1, size - head - 1, &to))
        return false;
    if (to < from)
        return false;
    for (; from <= to; from++) {
        if (list->n == PIN_CPUS)
            return false;
        list->cpu[list->n++] = (unsigned short)from;
    }
    return true;
}

int pin_parse(const char *text, struct pin *out, char out_detail[static OPTIONS_DETAIL_SIZE])
{
    static const char client[] = "client=", server[] = "server=";
    struct pin_list *list = NULL; /* whose CPUs follow */
    *out = (struct pin){.client.n = 0};
    for (const char *at = text; *at != 0;) {
        if (strncmp(at, client, sizeof client - 1) == 0) {
            list = &out->client;
            at += sizeof client - 1;
        } else if (strncmp(at, server, sizeof server - 1) == 0) {
            list = &out->server;
            at += sizeof server - 1;
        }
        size_t size = strcspn(at, ",");
        if (list == NULL || !pin_add(list, at, size) || (at[size] == ',' && at[size + 1] == 0))
            return pin_wrong(out_detail);
        at += size + (at[size] == ',');
    }
    return 0;
}

static int pin_task(pid_t task, const struct pin_list *list)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (unsigned i = 0; i < list->n; i++)
        CPU_SET(list->cpu[i], &set);
    return sched_setaffinity(task, sizeof set, &set) == 0 ? 0 : errno;
}

/* The kernel leaves out CPUs that do not exist, as long as there is another one. */
static int pin_check(const struct pin_list *list, char *out_detail)
{
    for (unsigned i = 0; i < list->n; i++) {
        const struct pin_list one = {1, {list->cpu[i]}};
        if (pin_task(0, &one) == 0)
            continue;
        (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE,
                       "--pin: there is no CPU %u here that may be used", list->cpu[i]);
        return ERR_BAD_ARGUMENT;
    }
    return 0;
}

/* The error number, or 0. A thread that has ended meanwhile needs no CPU. */
static int pin_tasks(int64_t pid, const struct pin_list *list)
{
    char path[64];
    int error = 0;
    (void)snprintf(path, sizeof path, "/proc/%" PRId64 "/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return errno;
    for (const struct dirent *task = readdir(tasks); task != NULL && error == 0;
         task = readdir(tasks)) {
        if (task->d_name[0] != '.')
            error = pin_task((pid_t)strtol(task->d_name, NULL, 10), list);
        error = error == ESRCH ? 0 : error;
    }
    closedir(tasks);
    return error;
}

static int pin_server(const struct pin_list *list, int64_t pid, char *out_detail)
{
    if (list->n == 0)
        return 0;
    if (pid <= 0) {
        (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE,
                       "--pin server= moves the process of --server-pid: give it");
        return ERR_BAD_ARGUMENT;
    }
    int error = pin_tasks(pid, list);
    if (error == 0)
        return 0;
    (void)snprintf(out_detail, OPTIONS_DETAIL_SIZE, "--pin: cannot move the server: %s",
                   strerror(error));
    return ERR_BAD_ARGUMENT;
}

int pin_processes(const struct pin *pin, int64_t server_pid,
                  char out_detail[static OPTIONS_DETAIL_SIZE])
{
    cpu_set_t before;
    bool known = sched_getaffinity(0, sizeof before, &before) == 0;
    int err = pin_check(&pin->client, out_detail);
    if (err == 0)
        err = pin_check(&pin->server, out_detail);
    if (known)
        (void)sched_setaffinity(0, sizeof before, &before);
    if (err == 0)
        err = pin_server(&pin->server, server_pid, out_detail);
    if (err == 0 && pin->client.n > 0)
        (void)pin_task(0, &pin->client);
    return err;
}

void pin_thread(const struct pin *pin, unsigned index)
{
    if (pin->client.n == 0)
        return;
    const struct pin_list one = {1, {pin->client.cpu[index % pin->client.n]}};
    (void)pin_task(0, &one);
}
