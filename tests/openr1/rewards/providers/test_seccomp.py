"""The filter of system calls, run by a small interpreter of its instructions."""

import struct

import pytest

from openr1.rewards.providers.seccomp import AUDIT, CLONE, CLONE3, REFUSED, build_filter

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
CLONE_THREAD = 0x10000


def verdict(program, architecture, number, argument=0):
    """As the kernel runs it: classic BPF over ``struct seccomp_data``."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    code = list(struct.iter_unpack("HBBI", program))
    value = place = 0
    while True:
        operation, yes, no, constant = code[place]
        place += 1
        if operation == 0x20:
            [value] = struct.unpack_from("<I", data, constant)
        elif operation == 0x06:
            return constant
        else:
            holds = {0x15: value == constant, 0x35: value >= constant, 0x45: bool(value & constant)}[operation]
            place += yes if holds else no


@pytest.mark.parametrize(("column", "machine"), enumerate(AUDIT))
def test_what_is_refused(column, machine):
    program, architecture = build_filter(machine), AUDIT[machine]
    for name, numbers in REFUSED.items():
        if numbers[column] is not None:
            assert verdict(program, architecture, numbers[column]) == EPERM, name
    assert verdict(program, architecture, CLONE3[column]) == ENOSYS
    assert verdict(program, architecture, CLONE[column], 17) == EPERM  # fork: SIGCHLD alone
    assert verdict(program, architecture, CLONE[column], 0x4000 | 0x100 | 17) == EPERM  # vfork, posix_spawn
    assert verdict(program, architecture, CLONE[column], CLONE_THREAD | 0x100) == ALLOW
    for number in (0, 1, 3, 9, 59, 62, 231, 63, 93, 221, 222):  # read, write, mmap, execve, exit: on one or the other
        if number not in {numbers[column] for numbers in REFUSED.values()}:
            assert verdict(program, architecture, number) == ALLOW


def test_another_table_of_system_calls_is_no_way_around():
    program = build_filter("x86_64")
    assert verdict(program, 0x40000003, 2) == KILL  # fork of i386
    assert verdict(program, AUDIT["x86_64"], 0x40000000 + 57) == EPERM  # fork of x32


def test_an_unknown_processor_has_no_filter():
    assert build_filter("s390x") is None
