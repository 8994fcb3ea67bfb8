import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from openr1.distributed.deepspeed import release_stale_locks


def test_a_lock_of_a_killed_compilation_is_removed_and_one_that_is_held_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    release_stale_locks()
    folders = [tmp_path / name for name in ("shm_comm", "fused_adam", "cpu_adam")]
    for folder in folders:
        folder.mkdir()
    code = """
import runpy, sys
FileBaton = runpy.run_path(sys.argv[1])["FileBaton"]
for folder in sys.argv[2:]:
    assert FileBaton(folder + "/lock").try_acquire()
print("held", flush=True)
sys.stdin.read()
"""

    baton = str(Path(find_spec("torch").origin).parent / "utils/file_baton.py")  # alone, since torch takes seconds to import

    def compile_in(*names):
        command = [sys.executable, "-c", code, baton, *(str(tmp_path / name) for name in names)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "held\n"
        return process

    killed, alive = compile_in("shm_comm", "cpu_adam"), compile_in("fused_adam")
    killed.kill()
    killed.wait()
    release_stale_locks()
    assert [(folder / "lock").exists() for folder in folders] == [False, True, False]
    alive.communicate()
    release_stale_locks()
    assert not (tmp_path / "fused_adam/lock").exists()
