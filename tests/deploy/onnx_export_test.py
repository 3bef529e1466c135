import json

import numpy as np
import pytest

from aurl_jax.core import files
from aurl_jax.core.errors import BundleError
from aurl_jax.deploy import bundle, onnx_export
from aurl_jax.generation.decode import decode
from aurl_jax.generation.sampling import Sampler
from tests.deploy import exported
from tests.generation import writers

onnx = pytest.importorskip('onnx', reason='the extra export is not installed')
pytest.importorskip('onnxruntime', reason='the extra export is not installed')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """Gives exports by case and packing, each made once."""
  home, known = tmp_path_factory.mktemp('onnx'), {}

  def give(name, packing=None, rounds=False):
    key = f'{name}_{packing and packing.bits}_{rounds}'
    if key not in known:
      own = exported.save(home / f'{key}_bundle', name, packing, rounds)
      rows = exported.rows(name)
      known[key] = own, onnx_export.write(home / key, own, rows), home / key
    return known[key]

  return give


@pytest.mark.parametrize(
  ('name', 'packing'),
  [
    ('plain', None),
    ('grid', exported.EIGHT),
    ('lead', None),
    ('lead', exported.FOUR),
    ('window', exported.EIGHT),
    ('dials', None),
    ('piece', exported.EIGHT),
  ],
)
def test_an_export_says_what_its_model_says(made, name, packing):
  _, manifest, _ = made(name, packing)
  found = manifest['parity']
  assert (found['prompts'], found['steps']) == (3, 12)
  assert found['largest'] < 2e-4
  assert found['agreement'] == 1.0


def test_rounded_inputs_are_rounded_in_the_graph(made):
  """Runtimes sum whole numbers in an order, and by means, of their own."""
  _, manifest, folder = made('grid', exported.EIGHT, True)
  graph = onnx.load(folder / 'decoder.onnx', load_external_data=False).graph
  kinds = [node.op_type for node in graph.node]
  assert kinds.count('QuantizeLinear') == 2 * 4
  assert manifest['parity']['agreement'] > 0.97


def test_graphs_hold_matrices_alone_and_give_new_keys_alone(made):
  _, _, folder = made('lead')
  whole = onnx.load(folder / 'decoder.onnx', load_external_data=False)
  onnx.checker.check_model(str(folder / 'decoder.onnx'), full_check=True)
  assert 'Gemm' not in {node.op_type for node in whole.graph.node}
  shapes = {
    value.name: [
      d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim
    ]
    for value in (*whole.graph.input, *whole.graph.output)
  }
  assert shapes['past_key_1'] == ['b', 2, 's', 8]
  assert shapes['new_value_1'] == ['b', 2, 1, 8]
  names = set(shapes)
  assert {'ids', 'place', 'following', 'index', 'start', 'hidden'} <= names
  assert 'cell' not in names


def test_8_bits_are_stored_in_8_bits_once_for_all_graphs(made):
  sizes = {}
  for packing in (None, exported.EIGHT):
    own, _, folder = made('grid', packing)
    sizes[packing] = (folder / 'weights.bin').stat().st_size
    weights = (own / bundle.WEIGHTS).stat().st_size
    # Beside the weights: tables of angles and of pitches.
    assert sizes[packing] < 1.35 * weights
  assert sizes[exported.EIGHT] < 0.45 * sizes[None]


@pytest.mark.parametrize(
  ('name', 'packing'),
  [
    ('grid', exported.EIGHT),
    pytest.param('lead', None, marks=pytest.mark.slow),
  ],
)
def test_the_loop_writes_what_the_decoder_writes(made, name, packing):
  own, manifest, folder = made(name, packing)
  composer = bundle.load(own)
  opening = np.array(manifest['model']['opening'], np.int32)
  wanted = decode(
    composer.model,
    composer.params,
    composer.tokenizer.grammar,
    [opening],
    steps=20,
    sampler=Sampler(temperature=0),
  )[0]
  found = onnx_export.Host(folder).loop.write(steps=20)
  np.testing.assert_array_equal(found, wanted.ids)


def test_the_loop_draws_by_its_seed_and_goes_on_from_prompts(made):
  loop = onnx_export.Host(made('grid', exported.EIGHT)[2]).loop
  prompt = exported.rows('grid', 1, 5)[0]
  one, same, other = (
    loop.write(prompt, steps=16, temperature=1.0, seed=seed)
    for seed in (1, 1, 2)
  )
  np.testing.assert_array_equal(one, same)
  np.testing.assert_array_equal(one[:6], prompt)
  assert one.shape != other.shape or (one != other).any()


@pytest.mark.parametrize(
  'name', ['weights.bin', 'decoder.onnx', 'grammar.json']
)
def test_altered_exports_are_refused(made, name, tmp_path):
  _, manifest, folder = made('grid', exported.EIGHT)
  for path in folder.iterdir():
    (tmp_path / path.name).write_bytes(path.read_bytes())
  data = bytearray((tmp_path / name).read_bytes())
  data[len(data) // 2] ^= 1
  (tmp_path / name).write_bytes(data)
  with pytest.raises(BundleError, match='not what was written') as caught:
    onnx_export.Host(tmp_path)
  assert caught.value.code == 'altered'
  assert files.digest(folder / name) == manifest['files'][name]


@pytest.mark.parametrize(
  'changes', [{'pattern': 'bars'}, {'positions': 'musical'}]
)
def test_what_is_not_exported_is_named(changes, tmp_path):
  model, params = writers.small(writers.TOKENIZERS['compound'], **changes)
  composer = exported.Composer(
    model=model, params=params, tokenizer=writers.TOKENIZERS['compound']
  )
  own = bundle.save(tmp_path / 'bundle', composer)
  (value,) = changes.values()
  with pytest.raises(BundleError, match=f'{value}.* is not exported') as caught:
    onnx_export.write(tmp_path / 'out', own)
  assert caught.value.code == 'export'
  assert not (tmp_path / 'out').exists()


def test_an_export_runs_without_the_package(made):
  _, manifest, folder = made('grid', exported.EIGHT)
  for name in ('loop.py', 'rules.py'):
    assert (
      'aurl_jax.deploy.hosted'
      not in (folder / name).read_text().split('"""')[2]
    )
  assert json.loads((folder / 'grammar.json').read_text())['fields'] == 4
  assert manifest['model']['lead'] == 0


def test_what_no_manifest_lists_is_not_loaded(made, tmp_path):
  _, _, folder = made('grid', exported.EIGHT)
  for path in folder.iterdir():
    (tmp_path / path.name).write_bytes(path.read_bytes())
  (tmp_path / 'field_9.onnx').write_bytes(b'no graph')
  loop = onnx_export.Host(tmp_path).loop
  assert sorted(loop.graphs) == ['decoder', *(f'field_{k}' for k in range(4))]
