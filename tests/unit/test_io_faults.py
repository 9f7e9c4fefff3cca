"""Faults from outside: a disk that is full at any byte, kill -9 at any moment, many threads and processes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import recipnet as rn

SAMPLES = os.path.join(os.path.dirname(rn.__file__), "samples")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

FULL = """
import errno, json, os, resource, signal, sys
import recipnet as rn
folder, name, sizes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
batch, _ = rn.read_many(os.path.join(os.path.dirname(rn.__file__), "samples"))
path = os.path.join(folder, name)
rn.write(batch[:1], path)
before = open(path, "rb").read()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
whole = 0
for size in sizes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        rn.write(batch, path)
    except rn.errors.WriteError as error:
        assert error.path == path and path in str(error), error
        assert os.strerror(errno.EFBIG) in str(error) and "what was there before is untouched" in str(error), error
        assert open(path, "rb").read() == before, size
    else:
        whole += 1
    assert os.listdir(folder) == [name], (size, os.listdir(folder))
print(json.dumps([whole, os.path.getsize(path)]))
"""

KILLED = """
import os, random, signal, sys, time
from recipnet.io.convert import convert
folder, name, moments = sys.argv[1], sys.argv[2], int(sys.argv[3])
source, path = os.path.join(folder, "source"), os.path.join(folder, name)
convert(source, path)
# The first time much is imported.
began = time.perf_counter()
convert(source, path)
seconds = time.perf_counter() - began
expected = open(path, "rb").read()
generator, absent, whole = random.Random(7), 0, 0
for moment in range(moments):
    if moment % 2:
        os.unlink(path)
    child = os.fork()
    if child == 0:
        convert(source, path)
        os._exit(0)
    time.sleep(generator.random() * 1.2 * seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if os.path.exists(path):
        assert open(path, "rb").read() == expected, moment
        whole += 1
    else:
        absent += 1
    # Whatever the dead left lying about does not trouble the next run.
    convert(source, path)
    assert open(path, "rb").read() == expected, moment
print(absent, whole)
"""


def run(script: str, *arguments: object) -> str:
    """What a script prints in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs limits on the size of files")
@pytest.mark.parametrize("name", ["a.cif", "a.cif.gz", "a.extxyz", "a.parquet"])
def test_a_disk_that_is_full_at_any_byte_leaves_what_was_there(tmp_path, name):
    folder = tmp_path / "here"
    folder.mkdir()
    sizes = [*range(0, 2000, 97), 4096, 8192, 1 << 20]
    whole, size = json.loads(run(FULL, folder, name, json.dumps(sizes)))
    assert whole == sum(limit >= size for limit in sizes) > 0


@needs_fork
@pytest.mark.parametrize("name", ["a.parquet", "a.extxyz"])
def test_killed_at_any_moment_a_conversion_leaves_a_whole_file_or_none(tmp_path, name):
    source = tmp_path / "source"
    source.mkdir()
    for entry in sorted(os.listdir(SAMPLES)):
        if entry.endswith(".cif"):
            with open(os.path.join(SAMPLES, entry)) as handle:
                text = handle.read()
            for copy in range(8):
                (source / f"{copy}{entry}").write_text(text)
    absent, whole = map(int, run(KILLED, tmp_path, name, 30).split())
    assert absent + whole == 30
    assert absent > 0


def given() -> bytes:
    """Bytes of everything that a read of the samples gives, from files and from texts."""
    batch, report = rn.read_many(SAMPLES, on_error="collect")
    texts = []
    for name in sorted(os.listdir(SAMPLES)):
        if name.endswith(".cif"):
            with open(os.path.join(SAMPLES, name)) as handle:
                texts.append(handle.read())
    parsed, _ = rn.parse_many([*texts * 20, "data_broken"], on_error="collect", threads=3)
    arrays = [batch.lattices, batch.frac_coords, batch.numbers, batch.offsets, parsed.frac_coords, parsed.source_index]
    return b"".join(array.tobytes() for array in arrays) + repr((report, batch.ids, batch.warnings)).encode()


def test_thirty_two_threads_at_once_read_the_same():
    expected = given()
    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(lambda _: given(), range(64))) == {expected}


@pytest.mark.parametrize("method", ["spawn", pytest.param("fork", marks=needs_fork)])
def test_workers_read_the_same(method):
    script = (
        "import multiprocessing, sys, os; sys.path.insert(0, sys.argv[1]); import test_io_faults as t\n"
        "if __name__ == '__main__':\n"
        "    expected = t.given()\n"
        f"    with multiprocessing.get_context({method!r}).Pool(2) as pool:\n"
        "        print({one.get(120) == expected for one in [pool.apply_async(t.given) for _ in range(8)]})\n"
    )
    assert run(script, os.path.dirname(__file__)).strip() == "{True}"
