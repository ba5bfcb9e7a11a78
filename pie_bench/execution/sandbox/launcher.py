"""Runs as a separate program: puts a child behind Landlock, seccomp and limits, waits for it, and cleans up.

    python -I -S launcher.py FD

FD is a file with the job (see landlock.py), in `marshal` format. It imports nothing of pie_bench and little else,
because every run waits for it to start. The launcher stays outside and inherits whatever the child leaves running. A
job that `serves` gets a child for each input, one after the other (`Served` in sandbox.py).
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import os
import resource
import select
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing these takes as long as everything else
    import signal
    from collections.abc import Iterator, Mapping
    from typing import Any
else:
    import _signal as signal  # without enums

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP = 1, 4, 22
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls, x86-64
_MODE_FILTER = 2
_NO_RANDOM_ADDRESSES = 0x0040000
_LOOK_EVERY_MS = 50

_FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl of devices
_RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_RIGHTS = (1 << 16) - 1

_DESCRIPTORS, _REPLY = struct.Struct("4i"), struct.Struct("=iQ")
_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(BaseException):
    """SIGTERM."""


def landlock_abi() -> int:
    """The version of Landlock's interface; 0 if there is none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, 1)))


def main() -> None:
    descriptor = int(sys.argv[1])
    with os.fdopen(descriptor, "rb") as file:
        job = marshal.load(file)
    os.set_inheritable(job["status"], False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # end with the harness's thread
    _prctl(_PR_SET_DUMPABLE, 0)
    if os.getppid() != job["parent"]:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = None if job["serves"] else _started(job)
    status = 128 + signal.SIGKILL
    try:
        signal.signal(signal.SIGTERM, _stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        control = os.dup(0)
        nothing = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1):
            os.dup2(nothing, stream)
        status = _serve(control, job) if child is None else _wait_for(child, job)
    except Stopped:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end_all()
    if not os.fstat(job["status"]).st_size:
        os.write(job["status"], b"ended")
    os._exit(status)


def _stop(number: int, frame: object) -> None:
    raise Stopped


def _started(job: Mapping[str, Any], descriptors: tuple[int, ...] = ()) -> int:
    """A child that becomes the job's program, with the first three of the descriptors as its streams; its process
    id."""
    child = os.fork()
    if child == 0:
        for stream, descriptor in enumerate(descriptors[:3]):
            os.dup2(descriptor, stream)
        for descriptor in descriptors:
            os.close(descriptor)
        _become(job)
    return child


def _serve(control: int, job: Mapping[str, Any]) -> int:
    """Runs a child for each input that arrives, until the socket is closed. Ends early if one cannot be started."""
    import _socket as sockets  # without classes on top

    socket = sockets.socket(fileno=control)
    socket.recv(1 << 16)  # a filter, which the job has
    while True:
        tag, ancillary, _, _ = socket.recvmsg(1, sockets.CMSG_SPACE(_DESCRIPTORS.size))
        if not tag:
            return 0
        descriptors = _DESCRIPTORS.unpack(ancillary[0][2])
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        child = _started(job, descriptors)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        for descriptor in descriptors:
            os.close(descriptor)
        _, status, used = os.wait4(child, 0)
        _end_all()
        if os.fstat(job["status"]).st_size:
            return 1
        socket.send(_REPLY.pack(status, int(used.ru_utime * 1e6)))


def _wait_for(child: int, job: Mapping[str, Any]) -> int:
    """The child's exit status as a shell reports it; kills a child that overfills its temporary folder."""
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll(_LOOK_EVERY_MS if job["writable"] else None)]
        if any(_size_of(folder) > job["writable_bytes"] for folder in job["writable"]):
            return 128 + signal.SIGXFSZ
        if handle in ready:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            return code if code >= 0 else 128 - code


def _size_of(folder: str) -> int:
    """The disk usage in bytes of a folder without subfolders; each file takes at least one block."""
    size = 0
    for entry in os.scandir(folder):
        try:
            size += max(4096, entry.stat(follow_symlinks=False).st_blocks * 512)
        except OSError:  # already gone
            continue
    return size


def _end_all() -> None:
    """Kills everything left: any process that loses its parent becomes a child of this one."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                for process in _children():
                    os.kill(process, signal.SIGKILL)
                os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    own = str(os.getpid()).encode()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    if file.read().rpartition(b")")[2].split()[1] == own:
                        yield int(name)
            except (OSError, IndexError):  # it has ended
                continue


def _become(job: Mapping[str, Any]) -> None:
    """Turns this process into the job's."""
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        ruleset = _ruleset(job)
        limits = dict(job["limits"])
        if job["uid"] is None:  # the limit covers all processes of the user
            running = _threads_of(os.getuid()) - 1  # except this one
            limits["NPROC"] = tuple(limit + running for limit in limits["NPROC"])
        else:
            if os.getgroups():
                os.setgroups([])
            os.setresgid(job["uid"], job["uid"], job["uid"])
            os.setresuid(job["uid"], job["uid"], job["uid"])
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _libc.personality(_NO_RANDOM_ADDRESSES)  # if refused, addresses differ from run to run
        _checked("landlock_restrict_self", _libc.syscall(_RESTRICT_SELF, ruleset, 0))
        os.close(ruleset)
        arguments, environment, program = job["argv"], job["environment"], _program(job["filter"])
        for name, limit in limits.items():
            resource.setrlimit(getattr(resource, "RLIMIT_" + name), limit)
        _prctl(_PR_SET_SECCOMP, _MODE_FILTER, program)
    except BaseException as error:
        os.write(job["status"], str(error).encode())
        os._exit(125)
    try:
        os.execve(arguments[0], arguments, environment)
    except OSError as error:
        message = "failed to execute " + job["name"] + ": " + (error.strerror or "") + "\n"
        os.write(2, message.encode())
        os._exit(127 if error.errno == errno.ENOENT else 126)


def _ruleset(job: Mapping[str, Any]) -> int:
    """A Landlock rule set: whatever is not in `readable`, `writable` or `devices` cannot be opened."""
    abi = landlock_abi()
    handled = _RIGHTS_BY_ABI.get(abi, _ALL_RIGHTS)
    # File system, TCP (none is allowed), signals and abstract sockets: none to the outside.
    attributes = struct.pack("QQQ", handled, 3, 3)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = _checked("landlock_create_ruleset", _libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    read = 1 << 0 | 1 << 2 | 1 << 3  # execute, read files and folders
    own = "/proc/" + str(os.getpid()) + "/"
    allowed = [(path, read) for path in job["readable"]]
    allowed += [(own + name, 1 << 2) for name in ("maps", "status", "stat", "statm", "cmdline", "auxv")]
    allowed += [(path, 1 << 1 | 1 << 2) for path in job["devices"]]
    # Creating and removing regular files; no folders, links, devices, sockets or pipes.
    allowed += [(path, read | 1 << 1 | 1 << 5 | 1 << 8 | 1 << 14) for path in job["writable"]]
    for path, rights in allowed:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # a missing file cannot be opened anyway
        try:
            if not os.path.isdir(path):
                rights &= _FILE_RIGHTS
            rule = struct.pack("=Qi", rights & handled, place)
            _checked(path, _libc.syscall(_ADD_RULE, ruleset, 1, rule, 0))
        finally:
            os.close(place)
    return ruleset


def _threads_of(uid: int) -> int:
    running = 0
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat("/proc/" + name).st_uid == uid:
                running += len(os.listdir("/proc/" + name + "/task"))
        except OSError:
            continue
    return running


class _Program(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def _program(instructions: bytes) -> Any:
    return ctypes.byref(_Program(len(instructions) // 8, instructions))


def _prctl(option: int, *arguments: Any) -> None:
    values = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    _checked("prctl " + str(option), _libc.prctl(option, *values, *[ctypes.c_ulong(0)] * (4 - len(values))))


def _checked(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, what + ": " + os.strerror(number))
    return result


if __name__ == "__main__":
    main()
