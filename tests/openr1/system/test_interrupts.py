"""Signals to small programs: what they raise, when, and how the program ends."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

BEGIN = """
import os, signal, sys, time
from openr1.system import interrupts
from openr1.options.guard import guarded
from openr1.system.errors import ConfigError, Interrupted
"""


def default_signals():
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):  # a shell lets jobs in the background ignore some
        signal.signal(number, signal.SIG_DFL)


def start(program, preexec_fn=default_signals, **options):
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        preexec_fn=preexec_fn,
        **options,
    )


def ended(program, *numbers, pause=0.0, **options):
    """Return the exit status and the outputs of a program that gets signals once it has printed a line."""
    process = start(program, **options)
    assert process.stdout.readline() == "ready\n", process.communicate()
    for number in numbers:
        process.send_signal(number)
        time.sleep(pause)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


SLEEP = """
def command():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned up", flush=True)
sys.argv[0] = "openr1"
guarded(command)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_in_order(name):
    number = signal.Signals[name]
    assert ended(SLEEP, number) == (128 + number, "cleaned up\n", f"openr1: interrupted by {name}; the same command resumes\n")


def test_a_signal_that_comes_twice_at_once_counts_once():
    slow = SLEEP.replace('print("cleaned up"', 'time.sleep(0.5); print("cleaned up"')
    status, out, _ = ended(slow, signal.SIGTERM, signal.SIGTERM, pause=0.05)
    assert (status, out) == (143, "cleaned up\n")


def test_a_second_signal_ends_a_command_at_once():
    stuck = SLEEP.replace('print("cleaned up"', 'time.sleep(60); print("cleaned up"')
    status, out, _ = ended(stuck, signal.SIGTERM, signal.SIGTERM, pause=1.2)
    assert (status, out) == (-signal.SIGTERM, "")


def test_a_signal_that_is_ignored_stays_ignored():
    program = 'print("ready", flush=True); time.sleep(0.5); print("done")'
    program = f"guarded(lambda: exec({program!r}))"
    assert ended(program, signal.SIGHUP, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) == (0, "done\n", "")


def test_an_error_of_a_library_after_a_signal_follows_from_it():
    program = """
    def command():
        try:
            print("ready", flush=True)
            time.sleep(60)
        except BaseException:
            raise OSError("the connection is closed")
    guarded(command)
    """
    status, _, err = ended(program, signal.SIGTERM)
    assert status == 143
    assert err == "-c: interrupted by SIGTERM; the same command resumes\n"


def test_the_end_of_a_deferred_block_is_waited_for():
    program = """
    def command():
        with interrupts.deferred():
            print("ready", flush=True)
            while not interrupts.received():
                time.sleep(0.01)
            print("whole", flush=True)
        print("not reached")
    guarded(command)
    """
    assert ended(program, signal.SIGTERM)[:2] == (143, "whole\n")


@pytest.mark.parametrize("by_itself", [False, True])
def test_what_is_cleaned_up_after_an_interruption_is_not_interrupted_again(by_itself):
    program = f"""
    def command():
        try:
            with interrupts.deferred():
                print("ready", flush=True)
                while not interrupts.received():
                    time.sleep(0.01)
                if {by_itself}:
                    raise Interrupted(interrupts.received())
        finally:
            with interrupts.deferred():
                pass
            print("cleaned up", flush=True)
    guarded(command)
    """
    assert ended(program, signal.SIGTERM)[:2] == (143, "cleaned up\n")


@pytest.mark.parametrize(("saves", "out"), [(False, ""), (True, "saved\n")])
def test_a_deferred_block_has_some_time_and_more_to_save(saves, out):
    program = f"""
    interrupts.DEFERRED_SECONDS = 0.2
    def command():
        with interrupts.deferred():
            print("ready", flush=True)
            while not interrupts.received():
                time.sleep(0.01)
            if {saves}:
                interrupts.take_time()
            time.sleep(0.5)
            print("saved", flush=True)
    guarded(command)
    """
    assert ended(program, signal.SIGTERM)[:2] == (143, out)


def test_an_interruption_that_python_drops_is_raised_again():
    program = """
    class Closing:
        def __del__(self):
            print("ready", flush=True)
            time.sleep(60)
    def command():
        Closing()
        time.sleep(60)
    guarded(command)
    """
    status, out, err = ended(program, signal.SIGTERM)
    assert (status, out) == (143, "")
    assert err == "-c: interrupted by SIGTERM; the same command resumes\n"


def test_a_process_of_a_pool_is_interrupted_in_its_job_and_before_the_next():
    program = """
    interrupts.start_worker()
    for _ in range(2):
        try:
            with interrupts.interruptible():
                print("ready", flush=True)
                time.sleep(60)
        except Interrupted as error:
            print(error, flush=True)
    time.sleep(0.5)
    """
    assert ended(program, signal.SIGTERM, signal.SIGTERM) == (0, "interrupted by SIGTERM\n" * 2, "")


def test_a_process_of_a_pool_keeps_a_signal_that_comes_between_its_jobs():
    program = """
    interrupts.start_worker()
    print("ready", flush=True)
    while not interrupts.received():
        time.sleep(0.01)
    try:
        with interrupts.interruptible():
            print("not reached")
    except Interrupted as error:
        print(error, flush=True)
    """
    assert ended(program, signal.SIGTERM) == (0, "interrupted by SIGTERM\n", "")


def test_a_process_ends_with_its_parent():
    program = """
    import subprocess
    child = "import time; from openr1.system.interrupts import *; end_with_parent(); print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
    process.stdout.readline()
    print("ready", process.pid, flush=True)
    time.sleep(60)
    """
    parent = start(program)
    child = psutil.Process(int(parent.stdout.readline().split()[1]))
    parent.kill()
    parent.communicate()
    child.wait(timeout=10)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_a_fork_ends_silently_and_with_its_parent():
    program = """
    def command():
        child = os.fork()
        if not child:
            time.sleep(60)
        print("ready", child, flush=True)
        time.sleep(60)
    guarded(command)
    """
    parent = start(program)
    child = psutil.Process(int(parent.stdout.readline().split()[1]))
    parent.kill()
    child.wait(timeout=10)
    assert parent.communicate()[1] == ""
