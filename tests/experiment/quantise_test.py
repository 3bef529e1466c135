import json
import shutil

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.configs import base
from aurl_jax.core.errors import BundleError, ConfigError
from aurl_jax.deploy import bundle
from aurl_jax.deploy.composer import Composer
from aurl_jax.deploy.packing import Packing
from aurl_jax.deploy.tuning import Tuning
from aurl_jax.experiment import quantise, sections
from aurl_jax.experiment.quantise import Asked
from aurl_jax.generation.request import Request
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes
from tests.generation import writers
from tests.tokens import pieces


@pytest.fixture(scope='module')
def home(tmp_path_factory):
  """A bundle, and a folder of what its model writes."""
  home = tmp_path_factory.mktemp('quantise')
  model, params = writers.small(writers.TOKENIZERS['grid'])
  composer = Composer(
    model=model,
    params=params,
    tokenizer=writers.TOKENIZERS['grid'],
    defaults={'bars': 2},
  )
  bundle.save(home / 'whole', composer, card='# Mine\n\nPublic domain.\n')
  (home / 'music').mkdir()
  for piece in composer.generate(Request(n=3, bars=2)):
    midi.write(piece.notes, home / 'music' / f'{piece.seed}.mid')
  return home


@pytest.fixture(scope='module')
def report(home):
  return quantise.run(
    str(home / 'whole'),
    home / 'eight',
    Packing(bits=8),
    Asked(calibrate=str(home / 'music'), reference=str(home / 'music'), n=0),
  )


def test_the_report_tells_before_and_after(home, report):
  assert report['scheme'] == 'weights_activations'
  assert report['calibrated_on'] == 3
  told = report['likelihood']
  assert told['pieces'] == 3
  assert told['change'] == pytest.approx(told['after'] / told['before'] - 1)
  assert 0 < abs(told['change']) < 0.02
  sizes = report['bytes']
  path = home / 'eight' / 'weights.safetensors'
  assert sizes['weights'] == path.stat().st_size
  # A width of 16 has many scales.
  assert sizes['share'] < 0.5
  assert 'speed' not in report


def test_a_fine_tuned_model_is_told_beside_a_plain_one(home, capsys):
  music = str(home / 'music')
  words = ['quantise', str(home / 'whole'), '--out', str(home / 'tuned')]
  words += ['--bits', '4', '--train', '2', '--data', music, '--json']
  assert cli.main([*words, '--reference', music, '--n', '0']) == 0
  report = json.loads(capsys.readouterr().out)
  assert report['tuning']['steps'] == 2
  told = report['likelihood']
  # Two steps move weights, and hardly more.
  assert told['after'] != told['untuned']
  assert told['after'] == pytest.approx(told['untuned'], rel=0.05)
  assert 'Fine-tuned for 2 steps' in bundle.card(home / 'tuned')
  found = bundle.load(home / 'tuned')
  assert found.generate(Request(n=1, bars=1))


def test_all_music_is_read_with_its_beats_as_asked(home, monkeypatch):
  asked, of_files = [], quantise.music_sets.of_files

  def kept(name, beats='keep'):
    asked.append((name, beats))
    return of_files(name)

  monkeypatch.setattr(quantise.music_sets, 'of_files', kept)
  names = {}
  for name in ('calibrate', 'reference', 'data'):
    names[name] = str(home / name)
    shutil.copytree(home / 'music', names[name])
  monkeypatch.setattr(
    quantise.quantise_lib,
    'quantised',
    lambda composer, *_, **__: composer,
  )
  quantise.run(
    str(home / 'whole'),
    home / 'beats',
    Packing(bits=8),
    Asked(**names, beats='align', n=0, tuning=Tuning(steps=1)),
  )
  assert sorted(asked) == [(names[n], 'align') for n in sorted(names)]


def test_lessons_are_in_twelve_keys(home, tmp_path):
  composer = bundle.load(home / 'whole')
  tune = pieces.chorale(0, bars=2)
  midi.write(tune, tmp_path / 'tune.mid')
  asked = Asked(data=str(tmp_path), tuning=Tuning(steps=1))
  found = quantise._lessons(composer, asked)
  sums = [int(composer.tokenizer.decode(ids).pitch.sum()) for ids in found]
  moves = [(total - sums[5]) / len(tune) for total in sums]
  assert moves == list(range(-5, 7))


@pytest.mark.slow
def test_pieces_of_both_are_compared_and_timed(home):
  report = quantise.run(
    str(home / 'whole'), home / 'heard', Packing(bits=8), Asked(n=2)
  )
  assert report['speed']['before'] > 0
  assert report['samples']['pieces'] == 2
  assert report['samples']['metrics']
  for row in report['samples']['metrics'].values():
    assert set(row) == {'before', 'after', 'effect', 'p'}


def test_the_bundle_has_the_report_and_the_card_of_its_model(home, report):
  kept = bundle.report(home / 'eight')
  assert kept == {k: v for k, v in report.items() if k != 'bundle'}
  card = bundle.card(home / 'eight')
  assert card.startswith('# Mine\n\nPublic domain.\n\n## Quantised\n')
  assert 'weights in 8 bits and the inputs of its products' in card
  composer = bundle.load(home / 'eight')
  assert composer.model.config.activations == 8
  assert composer.defaults == {'bars': 2}


def test_the_verb_writes_a_bundle_and_prints_what_it_has_cost(home, capsys):
  out = home / 'four'
  words = ['quantise', str(home / 'whole'), '--bits', '4', '--out', str(out)]
  assert cli.main([*words, '--n', '0', '--json']) == 0
  told = json.loads(capsys.readouterr().out)
  assert (told['bits'], told['group'], told['scheme']) == (4, 32, 'weights')
  assert bundle.load(out).model == bundle.load(home / 'whole').model
  assert cli.main([*words, '--n', '0', '--group', '16']) == 0
  assert 'group' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('words', 'code'),
  [
    (('--scheme', 'weights_activations'), 'calibrate'),
    (('--calibrate', 'music'), 'calibrate'),
    (('--n', '1'), 'few'),
    (('--group', '-2'), 'packing'),
    (('--train', '5'), 'tuning'),
    (('--data', 'music'), 'tuning'),
    (('--train', '-5', '--data', 'music'), 'tuning'),
    (('--train', '5', '--data', 'music', '--rate', '0'), 'tuning'),
  ],
)
def test_what_does_not_fit_is_refused_by_name(home, capsys, words, code):
  own = ['quantise', str(home / 'whole'), '--out', str(home / 'no'), '--json']
  assert cli.main([*own, *words]) == 2
  assert json.loads(capsys.readouterr().out)['error']['code'] == code
  assert not (home / 'no').exists()


def test_a_model_that_rounds_inputs_is_not_trained():
  config = base.get_config()
  config.model.activations = 8
  with pytest.raises(ConfigError, match=r'model\.activations') as caught:
    sections.parse(config.to_dict())
  assert caught.value.code == 'model_config'


def test_music_that_the_tokenizer_cannot_hold_is_told(home, tmp_path):
  # One voice is no chorale.
  alone = Notes.build(4, {'onset': [0, 4], 'duration': 4, 'pitch': [60, 62]})
  midi.write(alone, tmp_path / 'alone.mid')
  with pytest.raises(BundleError, match='holds none of its pieces') as caught:
    quantise.run(
      str(home / 'whole'),
      tmp_path / 'out',
      Packing(bits=8),
      Asked(calibrate=str(tmp_path)),
    )
  assert caught.value.code == 'calibrate'
