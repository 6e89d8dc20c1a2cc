// SPDX-License-Identifier: BSD-3-Clause
//
// The specifications of the suite use describe, it and expect as globals.
export default { test: { globals: true, include: ["*.test.mjs"], watch: false } };
