"""Runs one part: takes on its identity, ties its life to the supervisor's, then becomes its program.

Started as a file of its own with `python -I -S`, so it may import nothing but the standard library:

    launch.py PARENT SIGNAL IDENTITY FOLDER PROGRAM [ARGUMENT ...]

PARENT is the supervisor's process id; SIGNAL is what the kernel sends the part when the supervisor dies
(prctl(2), PR_SET_PDEATHSIG), so nothing outlives a supervisor that was killed. IDENTITY is `same`,
`namespace:UID` (that user in a new user namespace, who outside of it is still the caller) or `user:UID` (that
user, keeping of root's powers only the one to pass folders). FOLDER becomes the working folder. Exit status 126 means
that the part could not be started.
"""

import ctypes
import os
import signal
import sys

FAILED = 126
_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _prctl(*arguments: int) -> None:
    padded = (*arguments, 0, 0, 0, 0)[:5]
    _call("prctl", *(ctypes.c_ulong(value) for value in padded))


def _enter_namespace(inside: int) -> None:
    """Become user `inside` of a new user namespace; files stay those of the caller (user_namespaces(7))."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", ctypes.c_int(_CLONE_NEWUSER))
    for name, line in (
        ("setgroups", "deny"),
        ("gid_map", f"{inside} {group} 1"),
        ("uid_map", f"{inside} {user} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(line)


def _become_user(user: int) -> None:
    """Give up root, but go on passing folders that only root may pass (capabilities(7), ambient set)."""
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    header, sets = _CapabilityHeader(_CAPABILITY_VERSION_3, 0), (_CapabilitySets * 2)()
    _call("capget", ctypes.byref(header), sets)
    kept = [bit for bit in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH) if sets[0].permitted & 1 << bit]
    mask = sum(1 << bit for bit in kept)
    sets[0].effective = sets[0].permitted = sets[0].inheritable = mask
    sets[1].effective = sets[1].permitted = sets[1].inheritable = 0
    _call("capset", ctypes.byref(header), sets)
    for bit in kept:
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, bit)


def _take_on(identity: str) -> None:
    kind, _, user = identity.partition(":")
    if kind == "namespace":
        _enter_namespace(int(user))
    elif kind == "user":
        _become_user(int(user))


def _die_with(parent: int, number: int) -> None:
    # After the change of identity, which would clear it; the parent may have died before it took effect.
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(FAILED)


def main(parent: str, number: str, identity: str, folder: str, *command: str) -> None:
    """Become `command`; returns only by raising OSError."""
    _take_on(identity)
    _die_with(int(parent), int(number))
    os.chdir(folder)
    if identity != "same" and not os.access(".", os.W_OK):
        raise PermissionError(f"{folder} is not writable")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"{sys.argv[5]}: {error}\n")
        os._exit(FAILED)
