/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Kernels of avx512.
 */
#include "server/ds/distance_sets.h"

const struct kernels *kernels_avx512(void)
{
    return NULL;
}
