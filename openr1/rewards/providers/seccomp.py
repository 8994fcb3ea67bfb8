"""A filter of system calls, which refuses those that would get around the limits of memory and the namespaces.

A limit of memory holds for one process, so a program must not start processes or allocate memory that belongs to none; the
attributes of files are such memory. Sockets are refused because network namespaces do not restrict some families, such as
AF_VSOCK on a virtual machine. The log of the kernel and its contexts of asynchronous input are shared with the host.
"""

from __future__ import annotations

import errno
import platform
import struct

# name: number on x86_64 and on aarch64 (None: does not exist), from the kernel's tables
REFUSED: dict[str, tuple[int, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "io_setup": (206, 0),
    "syslog": (103, 116),
    "socket": (41, 198),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}
CLONE, CLONE3 = (56, 220), (435, 435)
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # <linux/audit.h>
CLONE_THREAD = 0x00010000
X32 = 0x40000000  # the second table of system calls on x86_64

# <linux/bpf_common.h>, <linux/seccomp.h>; struct seccomp_data: number at 0, architecture at 4, arguments from 16
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def build_filter(machine: str | None = None) -> bytes | None:
    """Build the filter in the kernel's format; None for a processor without a table here, where namespaces and limits must do.

    New processes are refused, new threads are not. A filter cannot read the flags of ``clone3``, which is therefore "not
    implemented", so that the C library falls back to ``clone``.
    """
    machine = machine or platform.machine()
    if machine not in AUDIT:
        return None
    column = list(AUDIT).index(machine)
    refused = [number for numbers in REFUSED.values() if (number := numbers[column]) is not None]
    # a jump counts the instructions to skip; its target is a label, resolved below
    code: list[tuple[int, int, str, str]] = [
        (LOAD, 4, "", ""),
        (EQUAL, AUDIT[machine], "", "kill"),
        (LOAD, 0, "", ""),
        (AT_LEAST, X32, "refuse", ""),
        *((EQUAL, number, "refuse", "") for number in refused),
        (EQUAL, CLONE3[column], "unknown", ""),
        (EQUAL, CLONE[column], "", "allow"),
        (LOAD, 16, "", ""),
        (ANY_BIT, CLONE_THREAD, "allow", "refuse"),
    ]
    ends = {"allow": ALLOW, "refuse": ERRNO | errno.EPERM, "unknown": ERRNO | errno.ENOSYS, "kill": KILL}
    place = {label: len(code) + i for i, label in enumerate(ends)}

    def jump(i: int, label: str) -> int:
        return place[label] - i - 1 if label else 0

    program = [struct.pack("HBBI", op, jump(i, yes), jump(i, no), value) for i, (op, value, yes, no) in enumerate(code)]
    program += [struct.pack("HBBI", RETURN, 0, 0, value) for value in ends.values()]
    return b"".join(program)
