/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A pool of connections to one server.
 *
 *   borrow: idle and quiet? -> take it (latest used first)     give_back: clean? -> idle
 *           room for one more? -> connect, outside the lock               else   -> close
 *           else wait for a give_back, until the deadline
 *
 * Invariants
 *   1. idle connections + lent ones + those being connected = open <= size.
 *   2. The lock is never held across I/O; only idle[] and open are shared.
 *   3. What is handed out has no request out and nothing unread, so nobody sees another's reply.
 *
 * Threads: any number. Failures: as cairn.h says; a failed connect frees its place at once.
 */
#include "client/lib/client.h"
#include "client/lib/fault.h"
#include "common/mem.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

enum { POOL_SIZE_MAX = 65536 };

struct cairn_pool {
    pthread_mutex_t mutex;
    pthread_cond_t given_back; /* on CLOCK_MONOTONIC */
    struct target target;
    size_t size;
    size_t open;
    size_t n_idle;
    struct cairn **idle; /* a stack of `size` places */
};

static void pool_init_sync(struct cairn_pool *pool)
{
    pthread_condattr_t attr;
    REQUIRE(pthread_mutex_init(&pool->mutex, NULL) == 0);
    REQUIRE(pthread_condattr_init(&attr) == 0);
    REQUIRE(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    REQUIRE(pthread_cond_init(&pool->given_back, &attr) == 0);
    pthread_condattr_destroy(&attr);
}

struct cairn_pool *cairn_pool_create(const char *address, const struct cairn_options *options,
                                     size_t size, struct cairn_error *out_error)
{
    struct cairn_error error;
    struct cairn_pool *pool = mem_calloc(1, sizeof *pool);
    struct cairn **idle = mem_calloc(size > 0 ? size : 1, sizeof(struct cairn *));
    int status = 0;
    fault_clear(&error);
    if (pool == NULL || idle == NULL)
        status = fault_set(&error, CAIRN_OUT_OF_MEMORY, "no memory for the pool");
    else if (size == 0 || size > POOL_SIZE_MAX)
        status =
            fault_set(&error, CAIRN_BAD_ARGUMENT, "a pool has 1 to %d connections", POOL_SIZE_MAX);
    else
        status = target_init(&pool->target, address, options, &error);
    if (status != 0) {
        if (out_error != NULL)
            *out_error = error;
        mem_free(idle);
        mem_free(pool);
        return NULL;
    }
    pool->size = size;
    pool->idle = idle;
    pool_init_sync(pool);
    return pool;
}

void cairn_pool_destroy(struct cairn_pool *pool)
{
    if (pool == NULL)
        return;
    REQUIRE(pool->open == pool->n_idle); /* every connection was given back */
    while (pool->n_idle > 0)
        cairn_close(pool->idle[--pool->n_idle]);
    pthread_cond_destroy(&pool->given_back);
    pthread_mutex_destroy(&pool->mutex);
    explicit_bzero(pool->target.token, sizeof pool->target.token);
    mem_free(pool->idle);
    mem_free(pool);
}

static struct timespec pool_deadline(uint32_t timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Wait for an idle connection (*out) or the right to connect one (*out NULL). False: too late. */
static bool pool_wait(struct cairn_pool *pool, uint32_t timeout_ms, struct cairn **out)
{
    struct timespec deadline = pool_deadline(timeout_ms);
    bool got = true;
    pthread_mutex_lock(&pool->mutex);
    while (got && pool->n_idle == 0 && pool->open == pool->size)
        got = pthread_cond_timedwait(&pool->given_back, &pool->mutex, &deadline) != ETIMEDOUT;
    /* One may have been given back at the very last moment. */
    got = pool->n_idle > 0 || pool->open < pool->size;
    if (pool->n_idle > 0)
        *out = pool->idle[--pool->n_idle];
    else if (got) {
        *out = NULL;
        pool->open++;
    }
    pthread_mutex_unlock(&pool->mutex);
    return got;
}

/* A connection is no more: its place is free. */
static void pool_free_place(struct cairn_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->open--;
    pthread_cond_signal(&pool->given_back);
    pthread_mutex_unlock(&pool->mutex);
}

struct cairn *cairn_pool_borrow(struct cairn_pool *pool, uint32_t timeout_ms,
                                struct cairn_error *out_error)
{
    struct cairn_error error;
    struct cairn *c = NULL;
    fault_clear(&error);
    if (!pool_wait(pool, timeout_ms, &c)) {
        (void)fault_set(&error, CAIRN_TIMEOUT, "all %zu connections of the pool are in use",
                        pool->size);
    } else {
        if (c != NULL && client_is_clean(c))
            return c;
        cairn_close(c); /* the server went away, or was restarted, while it was idle */
        c = client_open(&pool->target, &error);
        if (c == NULL)
            pool_free_place(pool);
    }
    if (c == NULL && out_error != NULL)
        *out_error = error;
    return c;
}

void cairn_pool_give_back(struct cairn_pool *pool, struct cairn *c)
{
    if (c == NULL)
        return;
    if (!client_is_clean(c)) {
        cairn_close(c);
        pool_free_place(pool);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->idle[pool->n_idle++] = c;
    pthread_cond_signal(&pool->given_back);
    pthread_mutex_unlock(&pool->mutex);
}
