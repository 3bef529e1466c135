"""The report of a model: whole, without a number that is none, and refused."""

import json
import math
import re

import numpy as np
import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.core.errors import DataError
from aurl_jax.data import frames
from aurl_jax.evaluation import metrics, progression
from aurl_jax.evaluation.frechet import SetError
from aurl_jax.experiment import appraise, measuring
from aurl_jax.experiment import generate as generate_lib
from aurl_jax.generation import following
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes, Track
from tests.tokens import pieces

PLAIN = appraise.Asked(encoder='')


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
  """Two folders of forty pieces, with a file that holds no music."""
  root = tmp_path_factory.mktemp('music')
  for number, name in enumerate(('made', 'real')):
    (root / name).mkdir()
    for seed in range(40):
      notes = pieces.piece(1000 * number + seed, notes=30)
      (root / name / f'{seed}.mid').write_bytes(midi.write(notes))
  (root / 'made' / 'torn.mid').write_bytes(b'MThd')
  return root


@pytest.fixture(scope='module')
def report(folders):
  out = folders / 'out'
  made, real = (str(folders / name) for name in ('made', 'real'))
  told = appraise.write(made, real, out, PLAIN, quiet=True)
  assert told['page'] == str(out / 'report.html')
  return json.loads((out / 'report.json').read_text())


def test_it_holds_all_metrics_and_where_they_are_from(report):
  assert set(report['metrics']) == set(metrics.BY_NAME)
  (model,) = report['models']
  assert (model['pieces'], model['unread']) == (40, 1)
  assert report['reference']['pieces'] == 40
  assert set(model['metrics']) | set(model['left_out']) == set(metrics.BY_NAME)
  assert set(model['sets']) == {
    'frechet', 'kernel', 'cover', 'overlap', 'diversity',
  }  # fmt: skip
  assert 'likelihood' not in model


def test_the_page_is_whole_and_asks_nobody(folders, report):
  page = (folders / 'out' / 'report.html').read_text()
  images = page.count('src="data:image/png;base64,')
  # Three of each set; nothing is shared that could be shown as a pair.
  assert images == page.count('src=') == 6
  assert page.count('<button type="button" data-piece=') == 6
  page = re.sub(r'base64,[A-Za-z0-9+/=]*', '', page)
  for name in report['metrics']:
    assert name in page
  for word in ('http:', 'https:', 'nan'):
    assert word not in page.replace('http://www.w3.org', '')
  shown = report['models'][0]['metrics']['onset_density']['generated'][0]
  assert f'{shown:.4g}'[:4] in page


def test_the_command_prints_the_same(folders, report, capsys):
  made, real = (str(folders / name) for name in ('made', 'real'))
  words = ['evaluate', '--model', made, '--reference', real]
  words += ['--out', str(folders / 'again'), '--encoder', 'none']
  assert cli.main([*words, '--json']) == 0
  told = json.loads(capsys.readouterr().out)
  told.pop('page')
  assert told == report
  assert cli.main([*words, '--against', real]) == 0
  shown = capsys.readouterr().out
  assert 'what differs most' in shown
  assert 'report.html' in shown


def test_what_is_no_set_is_refused(folders, tmp_path):
  made = str(folders / 'made')
  with pytest.raises(DataError, match='does not exist'):
    appraise.write(made, str(tmp_path / 'none'), tmp_path / 'out', quiet=True)
  torn = tmp_path / 'torn'
  torn.mkdir()
  (torn / 'a.mid').write_bytes(b'no music at all')
  with pytest.raises(DataError, match='none of 1 files'):
    appraise.write(made, str(torn), tmp_path / 'out', quiet=True)
  (torn / 'b.mid').write_bytes(midi.write(pieces.piece(0, notes=9)))
  with pytest.raises(SetError, match='two or more of each'):
    appraise.write(made, str(torn), tmp_path / 'out', quiet=True)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
  ('length', 'context'), [(1, 8), (8, 8), (9, 8), (40, 8)]
)
def test_each_step_counts_once_after_half_a_context(length, context):
  ids = np.arange(length)[:, None]
  counted = []
  for part, (first, stop) in appraise.windows(ids, context):
    assert len(part) <= context
    assert first >= min(context // 2, part[first, 0])
    counted += part[first:stop, 0].tolist()
  assert counted == list(range(1, length))


def test_likelihoods_are_those_of_whole_pieces():
  composer = generate_lib.load('chorale')
  chords = np.array([[72, 67, 64, 48], [71, 67, 62, 55], [72, 67, 64, 48]])
  tune = np.repeat(chords, 4, axis=0)
  some = [frames.notes_of(tune), frames.notes_of(tune[:6])]
  five = Notes.build(
    4, {'onset': 0, 'duration': 4, 'pitch': range(60, 65), 'track': range(5)}
  )
  found = appraise.likelihoods(composer, [*some, five])
  ids = [composer.tokenizer.encode(notes) for notes in some]
  spans = [(1, len(each)) for each in ids]
  nats = -following.scores(composer.model, composer.params, ids, spans).sum()
  told = sum(int((each[1:] != 0).sum()) for each in ids)
  assert (found['pieces'], found['left_out']) == (2, 1)
  assert found['nats_per_token'] == pytest.approx(nats / told)
  notes = sum(map(len, some))
  assert found['bits_per_note'] == pytest.approx(nats / math.log(2) / notes)
  why = appraise.likelihoods(composer, [five])
  assert why == {'why': 'its tokenization holds none of the 1 pieces'}
  assert found['tokenization'].startswith('VoiceGrid')


def odd(rng):
  """A piece of none to four notes, of drums or not."""
  count = int(rng.integers(0, 5))
  return Notes.build(
    4,
    {
      'onset': rng.integers(0, 40, count),
      'duration': rng.integers(1, 10, count),
      'pitch': rng.integers(0, 128, count),
      'velocity': rng.integers(1, 128, count),
    },
    tracks=[Track(is_drum=bool(rng.random() < 0.3))],
  )


def numbers(value):
  """All numbers of nested JSON."""
  if isinstance(value, dict):
    value = list(value.values())
  if isinstance(value, list):
    return [number for part in value for number in numbers(part)]
  return [value] if isinstance(value, float) else []


@pytest.mark.parametrize('seed', range(6))
def test_odd_pieces_and_unequal_sets_have_a_report(tmp_path, seed):
  root, rng = tmp_path, np.random.default_rng(seed)
  sizes = rng.integers(2, 8, 2)
  made, real = ([odd(rng) for _ in range(size)] for size in sizes)
  for name, some in (('made', made), ('real', real)):
    (root / name).mkdir()
    for number, notes in enumerate(some):
      midi.write(notes, root / name / f'{number}.mid')
  asked = appraise.Asked(encoder='', training=str(root / 'real'))
  told = appraise.write(
    str(root / 'made'), str(root / 'real'), root / 'out', asked, quiet=True
  )
  written = json.loads((root / 'out' / 'report.json').read_text())
  assert {**written, 'page': told['page']} == told
  assert all(math.isfinite(number) for number in numbers(written))
  (model,) = written['models']
  # What has no figure has a reason.
  assert 'too small' in model['sets']['frechet']['why']
  for name in metrics.BY_NAME:
    assert (name in model['metrics']) != (name in model['left_out'])
  for part in (model['progressions'], model['originality']):
    assert 'why' in part or part['pieces']
  page = re.sub(
    r'base64,[A-Za-z0-9+/=]*', '', (root / 'out/report.html').read_text()
  )
  assert not re.search(r'\b(nan|inf|NaN|None)\b', page)


def test_workers_tell_the_same(folders, report):
  some = [pieces.piece(seed, notes=30) for seed in range(120)]
  one, two = (measuring.measured(some, jobs) for jobs in (1, 2))
  np.testing.assert_array_equal(one.table, two.table)
  assert one.chords == two.chords
  assert one.chords[5] == progression.of(some[5])
  with pytest.raises(ValueError, match='1 or more'):
    measuring.measured(some, 0)


def test_chords_are_heard_of_some(monkeypatch):
  monkeypatch.setattr(measuring, 'HEARD', 3)
  some = [pieces.piece(seed, notes=30) for seed in range(10)]
  found = measuring.measured(some)
  assert [bool(chords) for chords in found.chords] == [
    k in (0, 3, 6) for k in range(10)
  ]
  assert len(found.table) == 10
