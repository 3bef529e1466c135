import json

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.core.errors import BundleError
from aurl_jax.experiment import export
from tests.deploy import exported

pytest.importorskip('onnxruntime', reason='the extra export is not installed')


@pytest.fixture(scope='module')
def own(tmp_path_factory):
  home = tmp_path_factory.mktemp('export')
  return exported.save(home / 'bundle', 'grid', exported.EIGHT)


def test_the_verb_holds_an_export_against_chorales(own, tmp_path, capsys):
  out = tmp_path / 'out'
  words = ['export', str(own), '--to', 'onnx', '--out', str(out), '--n', '2']
  assert cli.main([*words, '--json']) == 0
  told = json.loads(capsys.readouterr().out)
  assert told['parity']['prompts'] == 2
  assert told['parity']['agreement'] == 1.0
  assert told['bytes'] == sum(path.stat().st_size for path in out.iterdir())
  assert {'decoder.onnx', 'loop.py', 'index.html'} <= set(told['files'])


def test_nothing_is_compared_where_none_is_asked_for(own, tmp_path, capsys):
  words = ['--to', 'onnx', '--out', str(tmp_path / 'out'), '--n', '0']
  assert cli.main(['export', str(own), *words]) == 0
  assert 'parity' not in capsys.readouterr().out


def test_other_kinds_are_refused(own, tmp_path):
  with pytest.raises(BundleError, match='onnx, stablehlo') as caught:
    export.run(str(own), 'coreml', tmp_path / 'out')
  assert caught.value.code == 'export'
