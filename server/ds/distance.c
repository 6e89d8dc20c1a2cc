/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The choice of the kernels. Each set stands in a file of its own, whose functions name the
 * instructions they are made of, so that a build for any processor of a family carries them all.
 */
#include "server/ds/distance_sets.h"

#include "common/check.h"

#include <stdatomic.h>

/* The best first. */
static const struct kernels *(*const kernels_sets[])(void) = {
    kernels_avx512_vnni,  kernels_avx512, kernels_avx2,
    kernels_neon_dotprod, kernels_neon,   kernels_scalar,
};

const struct kernels *kernels_at(unsigned i)
{
    for (size_t set = 0; set < LENGTH_OF(kernels_sets); set++) {
        const struct kernels *kernels = kernels_sets[set]();
        if (kernels != NULL && i-- == 0)
            return kernels;
    }
    return NULL;
}

const struct kernels *kernels_best(void)
{
    static _Atomic(const struct kernels *) best;
    const struct kernels *kernels = atomic_load_explicit(&best, memory_order_relaxed);
    if (kernels == NULL) {
        kernels = kernels_at(0);
        atomic_store_explicit(&best, kernels, memory_order_relaxed);
    }
    return kernels;
}
