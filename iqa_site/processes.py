"""Child processes that die with their parent, locks that die with their owner, and leftovers of both.

Everything here is plain Unix: ``flock`` (the kernel lets go of it when the owner dies, however hard)
and, on Linux, ``PR_SET_PDEATHSIG``. No file has to be believed after a crash.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# linux/prctl.h and linux/capability.h
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION_3 = 0x20080522
LOG_KEEP_BYTES = 5_000_000
WORKER_NICENESS = 5
RUN_MARK = "VITRINE_RUN_FOLDER"


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [(word, ctypes.c_uint32) for word in ("effective", "permitted", "inheritable")]


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class ProcessUser:
    """Who a child runs as. ``may_search`` keeps the right to walk through closed folders."""

    name: str
    uid: int
    gid: int
    may_search: bool = False


class FolderLock:
    """An exclusive lock on a file, held until released or until this process is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        """True when the lock is now ours; False when somebody alive holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    @property
    def held(self) -> bool:
        return self._file is not None

    def release(self) -> None:
        """Let go; harmless when not held. The file stays: removing it would race with the next owner."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _keep_search_right() -> None:
    """Stay able to pass closed folders after leaving root (PostgreSQL refuses to run as root itself)."""
    assert _libc is not None  # noqa: S101  (Linux only, checked by the caller)
    header = _CapHeader(CAPABILITY_VERSION_3, 0)
    for right in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        bit = 1 << right
        data = (_CapData * 2)(_CapData(bit, bit, bit), _CapData(0, 0, 0))
        if _libc.capset(ctypes.byref(header), ctypes.byref(data)) == 0:
            _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, right, 0, 0)
            return


def _between_fork_and_exec(
    user: ProcessUser | None, death_signal: signal.Signals, *, bound_to_parent: bool
) -> Callable[[], None]:
    parent = os.getpid()

    def steps() -> None:
        if user is not None:
            if user.may_search and _libc is not None:
                _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
            os.setgroups([])
            os.setgid(user.gid)
            os.setuid(user.uid)
            if user.may_search and _libc is not None:
                _keep_search_right()
        if bound_to_parent and _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return steps


def give_way(pid: int) -> None:
    """Let a worker run after the web where both want a processor: a person waits for the web."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, WORKER_NICENESS)


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: ProcessUser | None = None,
    stdin: bytes | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in its own session, output appended to ``log``.

    On Linux the child gets ``death_signal`` when this process dies. The kernel binds that to the
    *thread* that started it, so a child started beside the main thread is not bound at all.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    _roll(log)
    bound = threading.current_thread() is threading.main_thread()
    with log.open("ab") as sink:
        child = subprocess.Popen(
            [os.fspath(word) for word in command],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
            preexec_fn=_between_fork_and_exec(user, death_signal, bound_to_parent=bound),
        )
    if stdin is not None and child.stdin is not None:
        with suppress(BrokenPipeError):
            child.stdin.write(stdin)
            child.stdin.close()
    return child


def _roll(log: Path) -> None:
    """Keep one older log beside a long one."""
    if log.exists() and log.stat().st_size > LOG_KEEP_BYTES:
        log.replace(log.with_suffix(".1.log"))


def wait_until(check: Callable[[], bool], *, seconds: float, step: float = 0.02) -> bool:
    """Poll ``check`` until it holds (True) or ``seconds`` are over (False)."""
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            return False
        time.sleep(step)
    return True


def signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child and everything it started; harmless when they are gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


def stop_child(child: subprocess.Popen[bytes], steps: Iterable[tuple[signal.Signals, float]]) -> None:
    """Send the child each signal in turn, waiting so many seconds after each; then kill its group."""
    for number, seconds in steps:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                child.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                child.wait(seconds)
    signal_group(child, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        child.wait(2)


def processes_in(folder: Path, program: str) -> list[int]:
    """Process ids of ``program`` (the executable's name) whose working folder is ``folder``."""
    import psutil  # only a hard kill leads here

    found = []
    for process in psutil.process_iter(["pid", "name", "cwd"]):
        name, cwd = process.info["name"] or "", process.info["cwd"]
        if name.startswith(program) and cwd and Path(cwd) == folder:
            found.append(process.info["pid"])
    return found


def processes_marked(folder: Path) -> list[int]:
    """Process ids that carry ``RUN_MARK=folder`` in their environment: children of a launcher there."""
    import psutil

    found = []
    for process in psutil.process_iter(["pid"]):
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(RUN_MARK) == str(folder):
                found.append(process.pid)
    return found


def end_processes(pids: Iterable[int], *, first: signal.Signals, patience_s: float) -> None:
    """Ask, wait, then kill. Meant for leftovers, which are nobody's children."""
    import psutil

    alive = []
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            process.send_signal(first)
            alive.append(process)
    _, stubborn = psutil.wait_procs(alive, timeout=patience_s)
    for process in stubborn:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def user_for_server(owner_of: Path, reaches: Iterable[Path]) -> ProcessUser | None:
    """Who a server that refuses root runs as: None unless we are root.

    The owner of an existing ``owner_of`` folder, else ``postgres``, else ``nobody``. It keeps the
    search right only when one of ``reaches`` lies below a folder closed to others.
    """
    if os.geteuid() != 0:
        return None
    entry = _existing_owner(owner_of) or _named_user("postgres") or _named_user("nobody")
    if entry is None:
        raise RuntimeError("PostgreSQL does not run as root, and there is no user 'nobody' to run it as.")
    closed = any(not _open_to_others(path) for path in reaches)
    return ProcessUser(entry.pw_name, entry.pw_uid, entry.pw_gid, may_search=closed)


def _existing_owner(folder: Path) -> pwd.struct_passwd | None:
    if not folder.exists() or folder.stat().st_uid == 0:
        return None
    with suppress(KeyError):
        return pwd.getpwuid(folder.stat().st_uid)
    return None


def _named_user(name: str) -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(name)
    return None


def _open_to_others(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)
