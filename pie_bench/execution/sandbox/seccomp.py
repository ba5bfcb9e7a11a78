"""System call filters, one profile per stage, as BPF programs for bubblewrap's `--seccomp`.

`payload` and `simulator` allow what a contest program (and QEMU around it) needs and refuse the rest with EPERM:
processes cannot fork and calls cannot wait, so idle time cannot pass for work. `emulated` is `payload` plus what QEMU
itself needs. `compile` must fork (g++ starts cc1plus, as and ld) and refuses whatever reaches into other processes, the
network or the kernel's administration.
`server` is `simulator` plus what a process that serves inputs needs to fork a child for each; the child drops that, by
stacking `simulator` on top, before the program sees its input. `gem5` is what gem5 needs; untrusted code is simulated
there, instruction by instruction, and makes no system calls of its own.
"""

from __future__ import annotations

import functools
import os
import struct
import tempfile
from typing import Any, Literal

from pie_bench.execution.sandbox.sandbox import Stage

Filter = Literal[Stage, "server", "gem5"]

_CLONE_THREAD = 0x00010000
_CLONE_FORK = 0x01200011  # CHILD_SETTID, CHILD_CLEARTID and SIGCHLD: the C library's fork
_CLONE_NEW_NAMESPACES = 0x7E020000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

_PROGRAM = """
access arch_prctl brk clock_getres clock_gettime close dup dup2 dup3 execve exit exit_group faccessat faccessat2
fcntl fstat ftruncate futex get_robust_list getcwd getegid geteuid getgid getpgrp getpid getppid getrandom getresgid
getresuid getrlimit getrusage gettid gettimeofday getuid ioctl lseek lstat madvise mmap mprotect mremap munmap
newfstatat open openat pread64 prlimit64 pwrite64 read readlink readlinkat readv restart_syscall rseq rt_sigaction
rt_sigpending rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield set_robust_list set_tid_address setrlimit
sigaltstack stat statfs fstatfs statx sysinfo tgkill time times tkill uname wait4 write writev
"""

_QEMU = "kill prctl rt_sigsuspend"

_SERVER = "fork recvfrom recvmsg seccomp sendto"

_GEM5 = """
chdir getdents getdents64 link mkdir mknod mknodat pipe pipe2 rename unlink unlinkat
clone vfork pselect6 select poll ppoll sendmsg getsockname getsockopt shutdown fchmod
fchown umask setitimer getitimer timer_create timer_settime timer_delete clock_nanosleep nanosleep
"""

_RUNC = "capget capset close_range getdents64 personality prctl"  # for runc, which starts the program

_NEVER_WHILE_COMPILING = """
acct add_key adjtimex bpf chroot clock_adjtime clock_settime delete_module fanotify_init finit_module fsconfig
fsmount fsopen fspick init_module io_setup io_uring_enter io_uring_register io_uring_setup ioperm iopl kcmp
kexec_file_load kexec_load keyctl lookup_dcookie mount mount_setattr move_mount move_pages name_to_handle_at
nfsservctl open_by_handle_at open_tree perf_event_open personality pivot_root process_madvise process_vm_readv
process_vm_writev ptrace quotactl reboot request_key setdomainname sethostname setns settimeofday socket socketpair
swapoff swapon syslog umount2 unshare userfaultfd vhangup
"""


_OF_PROFILE = {
    "payload": "",
    "emulated": _QEMU,
    "simulator": _QEMU,
    "server": f"{_QEMU} {_SERVER}",
    "gem5": f"{_QEMU} {_SERVER} {_GEM5}",
}


@functools.cache
def filter_program(stage: Filter) -> bytes:
    """The BPF program of a profile, as written by `seccomp_export_bpf`."""
    import pyseccomp as seccomp

    refuse = seccomp.ERRNO(1)  # EPERM
    if stage == "compile":
        rules = seccomp.SyscallFilter(seccomp.ALLOW)
        for name in _known(seccomp, _NEVER_WHILE_COMPILING):
            rules.add_rule(refuse, name)
        for bit in (1 << i for i in range(32) if _CLONE_NEW_NAMESPACES >> i & 1):
            rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, bit, bit))
    else:
        rules = seccomp.SyscallFilter(refuse)
        for name in _known(seccomp, _PROGRAM + _OF_PROFILE[stage]):
            rules.add_rule(seccomp.ALLOW, name)
        rules.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
        if stage == "server":
            rules.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.EQ, _CLONE_FORK))
    # ENOSYS makes the C library fall back to clone, whose flags a filter can see.
    rules.add_rule(seccomp.ERRNO(38), "clone3")
    before = b"" if stage == "compile" else _no_signals_to_several(seccomp.resolve_syscall(seccomp.Arch.NATIVE, "kill"))
    return before + _exported(rules)


def _no_signals_to_several(kill: int) -> bytes:
    """Instructions that refuse `kill` for a group, for everybody, and for a namespace's first process; QEMU needs it to
    end itself by a signal. They run before the others, which decide the rest; libseccomp compares only once with an
    argument, and all 64 bits of it, where the kernel takes 32."""
    load, equal, at_least, end = 0x20, 0x15, 0x35, 0x06  # of BPF: absolute words, jumps, return
    number, first_argument = 0, 16  # in struct seccomp_data
    instructions = [
        (load, 0, 0, number),
        (equal, 0, 4, kill),
        (load, 0, 0, first_argument),
        (at_least, 1, 0, 1 << 31),  # negative: a group, or everybody
        (at_least, 1, 0, 2),
        (end, 0, 0, 0x00050001),  # EPERM
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in instructions)


def docker_profile(stage: Stage) -> dict[str, Any]:
    """A profile in Docker's format. It also applies to whatever starts the program in the container."""
    calls: list[dict[str, Any]]
    if stage == "compile":
        default, refused = "SCMP_ACT_ALLOW", _NEVER_WHILE_COMPILING.replace(" personality", "").split()
        calls = [{"names": refused, "action": "SCMP_ACT_ERRNO"}]
        calls += [
            {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "args": [_masked(1 << i)]}
            for i in range(32)
            if _CLONE_NEW_NAMESPACES >> i & 1
        ]
    else:
        default, allowed = "SCMP_ACT_ERRNO", (_PROGRAM + _OF_PROFILE[stage] + _RUNC).split()
        calls = [
            {"names": [name for name in allowed if name != "kill"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [_masked(_CLONE_THREAD)]},
        ]
        if "kill" in allowed:  # not for the container's first process; a profile compares once with an argument
            first = {"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_NE"}
            calls.append({"names": ["kill"], "action": "SCMP_ACT_ALLOW", "args": [first]})
    calls.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38})
    return {"defaultAction": default, "architectures": ["SCMP_ARCH_X86_64"], "syscalls": calls}


def _masked(bits: int) -> dict[str, Any]:
    return {"index": 0, "value": bits, "valueTwo": bits, "op": "SCMP_CMP_MASKED_EQ"}


def _exported(rules: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _known(seccomp: Any, names: str) -> list[str]:
    """The names that this machine's libseccomp knows; newer calls get the default."""

    def known(name: str) -> bool:
        try:
            return bool(seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0)
        except (ValueError, OSError):
            return False

    return [name for name in names.split() if known(name)]


def as_file(stage: Filter) -> int:
    """A descriptor, positioned at the start, of the profile's BPF program; the caller closes it."""
    fd = os.memfd_create(f"seccomp-{stage}")
    os.write(fd, filter_program(stage))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
