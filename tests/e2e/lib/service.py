#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a service manager does for cairnd, done by hand: notifications, inherited sockets, the
journal, the system call filter of a unit; and threads that hang."""

import ctypes
import errno
import os
import re
import socket
import subprocess
import time

PYTHON = "/usr/bin/python3"

# Arguments: descriptors ("-": one that is closed), names ("-": none), command. Puts them at 3 and
# above, says so in the environment, and becomes the command.
INHERIT = """
import fcntl, os, sys
fds, names, command = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
kept = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) if fd != "-" else -1 for fd in fds]
os.closerange(3, 100)
for i, fd in enumerate(kept):
    if fd >= 0:
        os.dup2(fd, 3 + i, inheritable=True)
os.closerange(100, 200)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
if names != "-":
    os.environ["LISTEN_FDNAMES"] = names
os.execv(command[0], command)
"""

# Says that stderr is the journal, and becomes the command.
JOURNAL = """
import os, sys
st = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""
journal = (PYTHON, "-c", JOURNAL)


def inherit(sockets, names):
    """How to start cairnd with these sockets (None: a closed descriptor): keywords for Server."""
    fds = [sock.fileno() if sock else None for sock in sockets]
    text = ",".join("-" if fd is None else str(fd) for fd in fds)
    return {"wrapper": (PYTHON, "-c", INHERIT, text, "-" if names is None else names),
            "pass_fds": [fd for fd in fds if fd is not None]}


class Manager:
    """The socket that a service is to send its notifications to. `env` tells it where that is."""

    def __init__(self, address, watchdog_s=0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.env = {"NOTIFY_SOCKET": address}
        if watchdog_s:
            self.env["WATCHDOG_USEC"] = str(int(watchdog_s * 10**6))

    def read(self, seconds=120):
        """The next message as {name: value}, or None if there is none in so many seconds."""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(65536)
        except (TimeoutError, BlockingIOError):
            return None
        return dict(line.split("=", 1) for line in data.decode("ascii").split("\n"))

    def wait(self, name, seconds=120):
        """The next message with this name; others are skipped."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self.read(left)
            if message and name in message:
                return message
        raise AssertionError(f"no {name}= in {seconds} s")

    def drain(self):
        """What has come so far."""
        messages = []
        while message := self.read(0):
            messages.append(message)
        return messages

    def close(self):
        self.socket.close()


# ---- threads that hang ----

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def thread_of(pid, name):
    """The number of the thread with this name."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="ascii") as comm:
            if comm.read().strip() == name:
                return int(thread)
    raise AssertionError(f"no thread is named {name!r}")


class Hang:
    """One thread of a process stands still, and no other. Raises PermissionError where the system
    does not let us."""

    def __init__(self, thread):
        self.thread = thread

    def __enter__(self):
        ptrace(PTRACE_SEIZE, self.thread)
        ptrace(PTRACE_INTERRUPT, self.thread)
        os.waitpid(self.thread, WALL)
        return self

    def __exit__(self, *_):
        ptrace(PTRACE_DETACH, self.thread)


# ---- units ----

def unit_values(path, key):
    """The values of all lines `key=` of a unit."""
    with open(path, encoding="utf-8") as unit:
        return re.findall(rf"^{key}=(.*)$", unit.read(), re.M)


def syscall_set(name):
    """The system calls of a set (@name) as systemd knows it, sets in it included."""
    found = set()
    text = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter", name],
                          stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    for word in re.findall(r"^    ([@\w-]+)$", text, re.M):
        found |= syscall_set(word) if word.startswith("@") else {word}
    return found


# systemd.exec(5), SystemCallFilter=: allowed whatever the list says.
ALWAYS = {"execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn", "clock_gettime",
          "clock_nanosleep", "gettimeofday", "nanosleep", "time"}


def syscalls_of(unit):
    """The system calls that a unit with a list of what is allowed allows."""
    allowed = set()
    for line in unit_values(unit, "SystemCallFilter"):
        names = set()
        for word in line.lstrip("~").split():
            names |= syscall_set(word) if word.startswith("@") else {word}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed | ALWAYS


PROT_WRITE, PROT_EXEC = 2, 4


def unit_filter(unit, kill):
    """The filter of the unit: SystemCallFilter=, RestrictAddressFamilies= and
    MemoryDenyWriteExecute=. What it does not allow fails with EPERM, or kills the process.
    Returns the function that loads it, for after fork."""
    import seccomp  # here, because not every machine has it
    action = seccomp.KILL_PROCESS if kill else seccomp.ERRNO(errno.EPERM)
    rules = seccomp.SyscallFilter(defaction=action)
    own = ("socket", "mmap", "mprotect")
    for name in syscalls_of(unit) - set(own):
        if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
            rules.add_rule(seccomp.ALLOW, name)
    for family in unit_values(unit, "RestrictAddressFamilies")[0].split():
        rules.add_rule(seccomp.ALLOW, "socket",
                       seccomp.Arg(0, seccomp.EQ, getattr(socket, family).value))
    both = PROT_WRITE | PROT_EXEC
    for protection in (0, PROT_WRITE, PROT_EXEC):
        rules.add_rule(seccomp.ALLOW, "mmap",
                       seccomp.Arg(2, seccomp.MASKED_EQ, both, protection))
    rules.add_rule(seccomp.ALLOW, "mprotect", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0))
    return rules.load
