"""The server's process keeps what loads took in one place; what undoes that shows only in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ARENAS = """
import ctypes, sys, threading
from api import memory
import api.cli

early = [name for name in ("numpy", "pyarrow", "duckdb") if name in sys.modules]
assert not early, f"loaded before the memory is set up: {early}"
memory.keep_at_work()
import api.serve
import pyarrow

assert pyarrow.default_memory_pool().backend_name == "system"
unused = [name for name in ("numpy.f2py", "numpy.testing") if name in sys.modules]
assert not unused, f"loaded, and used by nobody: {unused}"
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p

def arenas():
    file = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    return open(sys.argv[1]).read().count("<heap nr")

def work():
    held = [bytes(300_000) for _ in range(200)]
    counts.append(arenas())

counts = []
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
memory.rest()
print(max(counts))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_all_threads_of_a_server_share_one_arena(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ARENAS, str(tmp_path / "malloc.xml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]
