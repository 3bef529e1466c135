"""`aurl watch`, as a person and as a machine call it."""

import json
import signal
import subprocess
import sys
import urllib.request

from aurl_jax.cli import __main__ as cli
from tests.experiment import folders

_HEEDING = """
import signal, sys
# Who runs tests in the background may ignore Ctrl-C, which is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)
from aurl_jax.cli import __main__ as cli
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_machine_gets_state_and_facts(tmp_path, capsys):
  folders.make(tmp_path, state='running')
  assert cli.main(['watch', str(tmp_path), '--json']) == 0
  told = json.loads(capsys.readouterr().out)
  assert (told['state'], told['step'], told['steps']) == ('running', 20, 40)
  assert told['facts']['host memory'] == '2.5 GB'


def test_a_pipe_gets_one_picture(tmp_path, capsys):
  folders.make(tmp_path, state='running')
  assert cli.main(['watch', str(tmp_path)]) == 0
  assert 'step 20 of 40' in capsys.readouterr().out


def test_a_folder_that_is_no_run_ends_with_2(tmp_path, capsys):
  for more in ([], ['--web'], ['--json']):
    assert cli.main(['watch', str(tmp_path), *more]) == 2
  captured = capsys.readouterr()
  assert captured.err.count('holds no run') == 2
  assert json.loads(captured.out)['error']['code'] == 'no_run'


def test_the_page_is_served_until_it_is_interrupted(tmp_path):
  folders.make(tmp_path, state='running')
  words = [sys.executable, '-c', _HEEDING, 'watch', str(tmp_path), '--web']
  with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
    try:
      address = server.stdout.readline().split()[0]
      with urllib.request.urlopen(address, timeout=30) as answer:
        assert b'step 20 of 40' in answer.read()
      server.send_signal(signal.SIGINT)
      assert server.wait(30) == 0
    finally:
      server.kill()
