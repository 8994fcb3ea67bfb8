"""The start of a program's process: gives up rights, sets limits that cannot be raised, and becomes the program.

It is run as ``python -c SOURCE size ready user cpu wall memory threads disk``. The program is the first ``size`` bytes of
standard input; the rest is the program's own input. A byte on the descriptor ``ready`` says that the sandbox is set up; any
failure after it is the program's.
"""

import _signal  # signal itself imports enum, which takes as long as the whole start of the interpreter
import builtins
import os
import resource
import sys


def become_the_program() -> None:
    """Set the limits, and run the program as ``__main__``."""
    size, ready, user, cpu, wall, memory, threads, disk = map(int, sys.argv[1:])
    limits = {
        resource.RLIMIT_CPU: (cpu, cpu + 1),  # first SIGXCPU, then SIGKILL
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_FSIZE: (disk, disk),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
    }
    if threads:
        limits[resource.RLIMIT_NPROC] = (threads + 1, threads + 1)
    for limit, values in limits.items():
        resource.setrlimit(limit, values)
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _signal.alarm(wall)  # in case the parent that enforces the limit has ended
    source = b""
    while len(source) < size:
        source += os.read(0, size - len(source)) or sys.exit("the program was cut short")
    os.write(ready, b"1")
    os.close(ready)

    # programs use them, and the module site, which is not imported, would have defined them
    vars(builtins).update(exit=sys.exit, quit=sys.exit)
    sys.argv[:] = ["program.py"]
    code = compile(source, "program.py", "exec", dont_inherit=True)
    main = vars(sys.modules["__main__"])
    for name in [name for name in main if not name.startswith("__")]:
        del main[name]
    exec(code, main)


if __name__ == "__main__":
    become_the_program()
