"""What fails on one process fails on all: two real processes over gloo."""

import os
import socket
import subprocess
import sys
import textwrap

import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.experiment import together

PROGRAM = """
  import sys
  import jax
  from aurl_jax.core.errors import AurlError
  from aurl_jax.experiment import data, pages, sections
  from aurl_jax.experiment.together import together
  from aurl_jax.parallel import mesh as mesh_lib

  address, number, missing = sys.argv[1:]
  config = mesh_lib.MeshConfig(
    coordinator=address, processes=2, process=int(number), host_devices=1)
  mesh_lib.host_devices(1)
  mesh_lib.initialise_distributed(config)
  mesh_lib.make_mesh(config)
  run = sections.parse(
    pages.load(pages.find('tiny:test'), [f'data.source={missing}']))

  def tell(work):
    try:
      print('done', work())
    except Exception as error:
      print(type(error).__name__, getattr(error, 'code', ''), error)

  def of_second():
    if jax.process_index() == 1:
      raise OSError('no space ' * 1000)
    return 'first'

  tell(lambda: data.prepared(run, quiet=True))
  tell(lambda: together(of_second))
  tell(lambda: together(lambda: f'of {jax.process_index()}'))
"""


def test_two_processes_end_with_the_same_error(tmp_path):
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    address = f'localhost:{probe.getsockname()[1]}'
  missing = str(tmp_path / 'no_such_folder')
  command = [sys.executable, '-c', textwrap.dedent(PROGRAM), address]
  running = [
    subprocess.Popen(
      [*command, str(number), missing],
      stdout=subprocess.PIPE,
      text=True,
      env=os.environ | {'AURL_CACHE': str(tmp_path / 'cache')},
    )
    for number in range(2)
  ]
  said = [process.communicate(timeout=300)[0] for process in running]
  assert [process.returncode for process in running] == [0, 0]
  # The device's own words come before.
  (own, full, done), (other, second, done_too) = (
    text.splitlines()[-3:] for text in said
  )
  kind, code, message = own.split(maxsplit=2)
  assert kind == 'DataError'
  assert 'no_such_folder' in message
  assert other == f'AurlError {code} process 0 failed: {message}'
  assert full.startswith('AurlError OSError process 1 failed: no space no sp')
  assert second.startswith('OSError  no space no space')
  assert done == done_too == "done ['of 0', 'of 1']"


def test_alone_the_error_is_its_own():
  def fail():
    raise DataError('gone', code='gone')

  with pytest.raises(DataError, match='gone'):
    together.together(fail)
  assert together.together(lambda: 'made') == ['made']
