"""What the doctor sees, and what it says of what is missing."""

import importlib.metadata
import json
import shutil

from aurl_jax.cli import __main__ as cli
from aurl_jax.experiment import doctor


def test_this_machine_has_what_is_needed(capsys):
  assert cli.main(['doctor', '--json']) == 0
  checks = json.loads(capsys.readouterr().out)['checks']
  found = {check['check']: check for check in checks}
  assert found['jax']['found'] == importlib.metadata.version('jax')
  assert found['devices']['status'] == 'ok'
  assert int(found['embedded chorales']['found'].split()[0]) > 300


def test_a_missing_package_comes_with_its_remedy(monkeypatch, capsys):
  monkeypatch.setattr(doctor, 'PACKAGES', ('no-such-package',))
  assert cli.main(['doctor']) == 2
  assert 'pip install no-such-package' in capsys.readouterr().out


def test_what_is_optional_is_a_note(monkeypatch):
  monkeypatch.setattr(shutil, 'which', lambda name: None)
  (row,) = [r for r in doctor.examine() if r['check'] == 'fluidsynth']
  assert row['status'] == 'note'
  assert 'install fluidsynth' in row['remedy']


def test_a_gpu_that_jax_does_not_use_is_a_note(monkeypatch):
  monkeypatch.setattr(shutil, 'which', lambda name: f'/usr/bin/{name}')
  (row,) = [r for r in doctor.examine() if r['check'] == 'devices']
  assert (row['status'], 'aurl_jax[cuda]' in row['remedy']) == ('note', True)
