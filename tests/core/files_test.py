import contextlib
import errno
import hashlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import textwrap

import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.core import files
from aurl_jax.core.errors import AurlError


def names(folder: pathlib.Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


@hypothesis.given(st.binary(max_size=300))
def test_digest_is_sha256_of_bytes_and_of_files(tmp_path_factory, data):
  path = tmp_path_factory.mktemp('digest') / 'x'
  path.write_bytes(data)
  expected = hashlib.sha256(data).hexdigest()
  assert files.digest(path) == files.digest(data) == expected


def test_write_atomic_replaces_and_makes_folders(tmp_path):
  path = tmp_path / 'a' / 'b.txt'
  files.write_atomic(path, 'eins')
  files.write_atomic(path, 'zwölf')
  assert path.read_bytes() == 'zwölf'.encode()
  assert names(path.parent) == ['b.txt']


def test_a_written_file_has_the_usual_mode(tmp_path):
  (tmp_path / 'plain').write_text('')
  files.write_atomic(tmp_path / 'ours', b'')
  modes = [(tmp_path / n).stat().st_mode for n in ('plain', 'ours')]
  assert stat.S_IMODE(modes[0]) == stat.S_IMODE(modes[1])


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
  path = tmp_path / 'a'
  files.write_atomic(path, b'old')
  monkeypatch.setattr(os, 'fsync', lambda _: (_ for _ in ()).throw(OSError(5)))
  with pytest.raises(OSError, match='5'):
    files.write_atomic(path, b'new')
  assert path.read_bytes() == b'old'
  assert names(tmp_path) == ['a']


def test_a_full_disk_is_named_with_its_remedy(tmp_path):
  # A real limit of the kernel: no file of this process may pass 4 KiB.
  code = (
    'import resource, signal, sys\n'
    'from aurl_jax.core import files\n'
    'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
    'resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n'
    'try:\n'
    '  files.write_atomic(sys.argv[1], b"x" * 100_000)\n'
    'except files.AurlError as error:\n'
    '  sys.exit(f"{error.code}|{error}")\n'
  )
  path = tmp_path / 'big'
  run = subprocess.run(
    [sys.executable, '-c', code, str(path)],
    capture_output=True,
    text=True,
    check=False,
    # Coverage of this process would itself pass the limit.
    env={k: v for k, v in os.environ.items() if not k.startswith('COV')},
  )
  assert run.stderr.startswith('disk_full|cannot write'), run.stderr
  assert 'free some space' in run.stderr
  assert names(tmp_path) == []


def test_other_errors_of_the_disk_are_not_renamed():
  with pytest.raises(PermissionError), files.disk_errors('x'):
    raise PermissionError(errno.EACCES, 'no')
  with pytest.raises(AurlError), files.disk_errors('x'):
    raise OSError(errno.ENOSPC, 'full')


def test_a_folder_appears_whole(tmp_path):
  target = tmp_path / 'deep' / 'bundle'
  with files.atomic_folder(target) as work:
    (work / 'sub').mkdir()
    (work / 'sub' / 'x').write_text('1')
    assert not target.exists()
  assert (target / 'sub' / 'x').read_text() == '1'
  assert names(target.parent) == ['bundle']
  assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(
    tmp_path.joinpath('deep').stat().st_mode
  )


def test_a_folder_replaces_the_old_one_or_leaves_it(tmp_path):
  target = tmp_path / 'bundle'
  for text in ('one', 'two'):
    with files.atomic_folder(target) as work:
      (work / text).write_text(text)
  assert names(target) == ['two']
  with pytest.raises(RuntimeError), files.atomic_folder(target) as work:
    (work / 'three').write_text('')
    raise RuntimeError
  assert names(target) == ['two']
  assert names(tmp_path) == ['bundle']


def test_a_folder_comes_back_if_the_rename_fails(tmp_path, monkeypatch):
  target = tmp_path / 'bundle'
  with files.atomic_folder(target) as work:
    (work / 'one').write_text('')
  rename = pathlib.Path.rename

  def fails(self: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    if (self / 'two').exists():
      raise OSError(errno.ENOSPC, 'full')
    return rename(self, to)

  monkeypatch.setattr(pathlib.Path, 'rename', fails)
  with pytest.raises(AurlError), files.atomic_folder(target) as work:
    (work / 'two').write_text('')
  assert names(tmp_path) == ['bundle']
  assert names(target) == ['one']


@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_neighbours_are_not_brought_onto_the_disk(tmp_path, kind, monkeypatch):
  for number in range(20):
    (tmp_path / f'neighbour{number}').write_text('old')
  synced = []
  fsync = os.fsync
  monkeypatch.setattr(
    os, 'fsync', lambda handle: synced.append(handle) or fsync(handle)
  )
  if kind == 'file':
    files.write_atomic(tmp_path / 'new', 'text')
  else:
    with files.atomic_folder(tmp_path / 'new') as work:
      (work / 'one').write_text('text')
  # The file or folder, what is in it, and the name in the folder above.
  assert 2 <= len(synced) <= 3


_HOLDER = """
  import os, sys, time
  from aurl_jax.core import files

  with files.claim(sys.argv[1], 'the run'):
    if sys.argv[2] == 'fork':
      reads, writes = os.pipe()
      if os.fork() == 0:
        os.write(writes, b'.')
        time.sleep(100)
      os.read(reads, 1)
    print('mine', flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize('way', ['alone', 'fork'])
def test_a_claim_names_its_holder_and_dies_with_it(tmp_path, way):
  path = tmp_path / 'sub' / 'lock'
  child = subprocess.Popen(
    [sys.executable, '-c', textwrap.dedent(_HOLDER), str(path), way],
    stdout=subprocess.PIPE,
    start_new_session=True,
    text=True,
  )
  try:
    assert child.stdout.readline() == 'mine\n'
    with (
      pytest.raises(AurlError, match='the run is in use by') as caught,
      files.claim(path, 'the run'),
    ):
      pytest.fail('claimed twice')
    assert caught.value.code == 'in_use'
    assert f'process {child.pid} on {socket.gethostname()}' in str(caught.value)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with files.claim(path, 'the run'):
      assert str(os.getpid()) in path.read_text()
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(child.pid, signal.SIGKILL)


def test_a_claim_is_given_back_also_after_an_error(tmp_path):
  path = tmp_path / 'lock'
  with pytest.raises(ZeroDivisionError), files.claim(path, 'x'):
    _ = 1 / 0
  with files.claim(path, 'x'), pytest.raises(AurlError), files.claim(path, 'x'):
    pytest.fail('claimed twice')


def test_a_claim_without_locks_warns_and_goes_on(tmp_path, monkeypatch, caplog):
  def none(*_):
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

  monkeypatch.setattr(files.fcntl, 'flock', none)
  with files.claim(tmp_path / 'lock', 'the run'):
    assert 'the run cannot be locked' in caplog.text


def test_a_damaged_lock_file_is_no_obstacle(tmp_path):
  path = tmp_path / 'lock'
  with files.claim(path, 'x'):
    path.write_bytes(b'\xff[')
    with (
      pytest.raises(AurlError, match='another process'),
      files.claim(path, 'x'),
    ):
      pytest.fail('claimed twice')
  with files.claim(path, 'x'):
    pass


def test_a_read_only_file_system_is_said(tmp_path):
  def fails():
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))

  with (
    pytest.raises(AurlError, match='make it writable') as caught,
    files.disk_errors(tmp_path),
  ):
    fails()
  assert caught.value.code == 'read_only'
