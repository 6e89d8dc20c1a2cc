/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Clocks of the operating system, and the processor's counter for short durations.
 *
 * The time stamp counter is used on x86-64 only if the kernel itself uses it as clock source, which
 * is its proof that the counter is constant and the same on all processors. Elsewhere ticks are the
 * nanoseconds of the monotonic clock.
 *
 * Threads: clock_init before any other thread; the rest from any.
 */
#include "common/clock.h"

#include "common/wide.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool clock_use_tsc;
static uint64_t clock_ns_per_tick_32 = (uint64_t)1 << 32; /* nanoseconds per tick, 32.32 */

uint64_t clock_mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#if defined(__x86_64__)
enum { CLOCK_READINGS = 8 };

static uint64_t clock_read_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/* Does the kernel trust the counter? Guests with kvm-clock keep a constant counter as well when the
 * processor says so (constant_tsc and nonstop_tsc, which the kernel checks before offering "tsc").
 * */
static bool clock_tsc_trusted(void)
{
    char text[256] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/available_clocksource",
                  O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && (strncmp(text, "tsc", 3) == 0 || strstr(text, " tsc") != NULL);
}

/* Both clocks at the same time. Whoever is interrupted between the two readings tries again: what
 * is kept is the closest pair. */
static void clock_read_both(uint64_t *out_ns, uint64_t *out_ticks)
{
    uint64_t closest = UINT64_MAX;
    for (unsigned i = 0; i < CLOCK_READINGS; i++) {
        uint64_t before = clock_read_tsc(), ns = clock_mono_ns(), after = clock_read_tsc();
        if (after - before >= closest)
            continue;
        closest = after - before;
        *out_ns = ns;
        *out_ticks = before + closest / 2;
    }
}

void clock_init(void)
{
    uint64_t ns_0 = 0, ticks_0 = 0, ns_1 = 0, ticks_1 = 0;
    if (!clock_tsc_trusted())
        return;
    clock_read_both(&ns_0, &ticks_0);
    do
        clock_read_both(&ns_1, &ticks_1);
    while (ns_1 - ns_0 < 1000000);
    clock_ns_per_tick_32 = ((ns_1 - ns_0) << 32) / (ticks_1 - ticks_0); /* about 2^20 ns: fits */
    clock_use_tsc = true;
}

uint64_t clock_ticks(void)
{
    return clock_use_tsc ? clock_read_tsc() : clock_mono_ns();
}
#else
void clock_init(void)
{
}

uint64_t clock_ticks(void)
{
    return clock_mono_ns();
}
#endif

uint64_t clock_ticks_to_ns(uint64_t ticks)
{
    return wide_mul_shift(ticks, clock_ns_per_tick_32, 32);
}
