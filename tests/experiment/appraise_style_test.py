"""Styles of folders and of tables, told by their metrics."""

import numpy as np
import pytest

from aurl_jax.core.errors import DataError
from aurl_jax.evaluation import metrics
from aurl_jax.experiment import appraise_style
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


def piece(seed, low):
  """Twenty notes from a pitch on: what tells the styles here."""
  rng = np.random.default_rng(seed)
  return Notes.build(
    4,
    {
      'onset': np.arange(20) * 2,
      'duration': 2,
      'pitch': low + rng.integers(0, 12, 20),
    },
  )


def written(root, styles):
  for number, (name, low) in enumerate(styles.items()):
    (root / name).mkdir(parents=True)
    for seed in range(14):
      notes = piece(100 * number + seed, low)
      midi.write(notes, root / name / f'{seed}.mid')
  return root


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  root = tmp_path_factory.mktemp('styles')
  written(root, {'high': 72, 'low': 36})
  (root / 'few').mkdir()
  midi.write(piece(1, 60), root / 'few' / 'a.mid')
  (root / 'low' / 'torn.mid').write_bytes(b'no music')
  return root


def test_folders_are_styles(folder):
  pieces, labels = appraise_style.labelled(folder)
  assert labels == ['high'] * 14 + ['low'] * 14
  assert min(int(x.pitch.min()) for x in pieces[:14]) >= 72


def test_tables_tell_styles(tmp_path):
  root = written(tmp_path / 'groove', {'a': 72, 'b': 36})
  lines = ['drummer,style,midi_filename']
  for name, style in (('a', 'jazz/funk'), ('b', 'rock')):
    lines += [f'one,{style},{name}/{seed}.mid' for seed in range(14)]
  (root / 'info.csv').write_text('\n'.join(lines) + '\n')
  _, labels = appraise_style.labelled(root)
  assert labels == ['jazz'] * 14 + ['rock'] * 14
  (root / 'info.csv').write_text('name\nx\n')
  with pytest.raises(DataError, match='midi_filename and style'):
    appraise_style.labelled(root)


def test_sets_are_told_by_the_style_of_the_reference(folder):
  styles = appraise_style.Styles(str(folder))
  sets = [
    metrics.table([piece(1000 + k, low) for k in range(12)]) for low in (72, 36)
  ]
  alike, other = (styles.told(table, sets[1]) for table in (sets[1], sets[0]))
  for told in (alike, other):
    assert told['style_of_reference'] == 'low'
    assert told['accuracy_held_out'] > 0.9
    assert told['chance'] == 0.5
    assert told['pieces'] == {'high': 14, 'low': 14}
    assert told['reference']['low'] > 0.9
  assert alike['consistency'] == 1
  assert other['consistency'] < 0.1
  assert other['generated']['high'] > 0.9
  made, real = other['likelihood_of_style']
  assert made < 0.2 < 0.8 < real


def test_one_style_is_none(tmp_path):
  root = written(tmp_path / 'one', {'only': 60})
  with pytest.raises(DataError, match='1 styles'):
    appraise_style.labelled(root)
  with pytest.raises(DataError, match='is no folder'):
    appraise_style.labelled(tmp_path / 'nowhere')
