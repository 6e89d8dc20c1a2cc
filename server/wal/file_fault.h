/* SPDX-License-Identifier: BSD-3-Clause
 *
 * File operations of a whole process that fail when they are told to, for rigs that run the daemon.
 *
 *   CAIRN_FAULT_FILE=sync:12:EIO        the 12th sync
 *   CAIRN_FAULT_FILE=write:5-60:ENOSPC  from the 5th write to the 60th
 *   CAIRN_FAULT_FILE=any:100-:EIO       all operations from the 100th on
 *   CAIRN_FAULT_FILE=rename:2:KILL      the process is killed in place of the second renaming
 *
 * Operations have the names of struct file_ops. Each that fails is told in the log (`fault: ...`),
 * so that a rig knows when there was none left to fail. Only in builds with -Dfaults=true.
 */
#pragma once

#include "server/wal/file.h"

#ifdef CAIRN_FAULTS
/* The table to use instead of `below`, which is the same for all calls; `below` itself if nothing
 * is to fail. A setting that cannot be read ends the process. */
const struct file_ops *file_fault_ops(const struct file_ops *below);
#else
static inline const struct file_ops *file_fault_ops(const struct file_ops *below)
{
    return below;
}
#endif
