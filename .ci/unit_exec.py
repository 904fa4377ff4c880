"""Starts the command of a systemd unit without systemd: unit_exec.py UNIT USER_ID

The process gets what the unit says of user, groups, limits, umask and system calls. Mounts are left out; so are
the settings that need namespaces. systemd-analyze tells the members of the sets of system calls, libseccomp makes
the filter. Used by package_life.py.
"""

import ctypes
import grp
import os
import pathlib
import resource
import shlex
import subprocess
import sys

ALLOW, REFUSE_WITH_EPERM = 0x7FFF0000, 0x00050001


def settings(unit, name):
    lines = pathlib.Path(unit).read_text(encoding="utf-8").splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{name}=")]


def system_calls(name):
    """The names of a set, which has other sets in it, or of one system call."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, text=True, capture_output=True).stdout
    words = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(system_calls(word) for word in words if word and not word.startswith("#")))


def allowed_system_calls(unit):
    allowed = set()
    for line in settings(unit, "SystemCallFilter"):
        names = set().union(*(system_calls(name) for name in line.lstrip("~").split()))
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def restrict_system_calls(names):
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    filter_ = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(REFUSE_WITH_EPERM)))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        # Negative: this processor has no such system call.
        if number >= 0:
            assert seccomp.seccomp_rule_add(filter_, ctypes.c_uint32(ALLOW), number, 0) == 0, name
    # It also sets no_new_privs.
    assert seccomp.seccomp_load(filter_) == 0


def main(unit, user):
    names = allowed_system_calls(unit)
    assert 200 < len(names) < 400 and "execve" in names and "mount" not in names, names
    (core,), (files,), (umask,) = (settings(unit, name) for name in ("LimitCORE", "LimitNOFILE", "UMask"))
    resource.setrlimit(resource.RLIMIT_CORE, (int(core), int(core)))
    # A container may have a lower limit, which root cannot raise there.
    files = min(int(files), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    os.setgroups([grp.getgrnam(name).gr_gid for name in settings(unit, "SupplementaryGroups")])
    os.setgid(int(user))
    os.setuid(int(user))
    os.umask(int(umask, 8))
    os.chdir("/")
    (command,) = settings(unit, "ExecStart")
    command = shlex.split(command)
    restrict_system_calls(names)
    os.execv(command[0], command)


main(*sys.argv[1:])
