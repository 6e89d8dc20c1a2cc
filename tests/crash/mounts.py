# SPDX-License-Identifier: BSD-3-Clause
"""File systems of a rig's own, which it may crash, fill and throw away.

They are mounted in a mount namespace that nobody else sees and that goes with its last process, on
a loop device that goes with the mount: whatever happens to the rig, nothing stays behind."""

import ctypes
import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_PRIVATE_ALL, PR_SET_PDEATHSIG = 0x20000, 0x44000, 1
EXT4_IOC_SHUTDOWN = 0x8004587D
# What happens to the journal: nothing, as when the power fails; or it is written first.
NO_LOG_FLUSH, LOG_FLUSH = 2, 1
SKIPPED = 77


def system(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          encoding="utf-8", errors="replace", timeout=60)
    if done.returncode != 0:
        raise OSError(errno.EIO, f"{' '.join(command)}: {done.stdout.strip()}")


def die_with_parent():
    """For preexec: a daemon must not outlive the rig, nor keep what it has mounted."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def skip(count, why):
    """Say that so much was not tried, and leave."""
    print(f"SKIP: {count} not tried: {why}")
    sys.exit(SKIPPED)


def enter(count, folder):
    """Move to a namespace of our own, and end in order when told to; skip if file systems cannot be
    mounted here."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if os.geteuid() != 0:
        skip(count, "not root")
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_PRIVATE_ALL, None) != 0:
        skip(count, "no mount namespace: " + os.strerror(ctypes.get_errno()))
    try:
        with Ext4(folder, 8) as probe:
            probe.shutdown(NO_LOG_FLUSH)
    except OSError as error:
        skip(count, f"no ext4 on a loop device: {error}")


class Mounted:
    """Something mounted at `path`, until the end of the block."""

    def __init__(self, folder, name):
        self.path = os.path.join(folder, name)
        self.mounted = False
        os.makedirs(self.path, exist_ok=True)

    def _mount(self, *how):
        system("mount", *how, self.path)
        self.mounted = True

    def unmount(self):
        """Whoever uses it has just been killed and may take a moment."""
        deadline = time.monotonic() + 10
        while self.mounted:
            try:
                system("umount", self.path)
                self.mounted = False
            except OSError:
                if time.monotonic() > deadline:
                    system("umount", "--lazy", self.path)
                    raise
                time.sleep(0.01)

    def free_bytes(self):
        """That anybody may still write."""
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unmount()


class Ext4(Mounted):
    """An ext4 in a file; mounted at first, and again after a crash."""

    def __init__(self, folder, mib, name="ext4"):
        super().__init__(folder, name)
        self.image = os.path.join(folder, name + ".img")
        with open(self.image, "wb") as file:
            file.truncate(mib << 20)
        system("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        self.mount()

    def mount(self):
        """After a crash the journal is replayed here."""
        self._mount("-o", "loop", self.image)

    def shutdown(self, flags):
        """The file system dies at once, with everything that was not on the disk."""
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", flags))
        finally:
            os.close(handle)


class Tmpfs(Mounted):
    def __init__(self, folder, mib, name="tmpfs"):
        super().__init__(folder, name)
        self._mount("-t", "tmpfs", "-o", f"size={mib}m", "none")
