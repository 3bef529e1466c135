"""`tools/ledger_totals.py`: the sums are those of the single ledgers."""

import json

import numpy as np
import pytest

from aurl_jax.music import midi
from aurl_jax.tokens import ledger as ledger_lib
from aurl_jax.tokens.compound import Compound
from tests.tokens import pieces


@pytest.fixture(scope='module')
def tool(load_tool):
  return load_tool('ledger_totals')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('songs')
  for seed in range(6):
    midi.write(pieces.pedalled(seed + 3), path / f'{seed}.mid')
  (path / 'no.mid').write_bytes(b'no music')
  return path


def test_adds_up_the_ledgers(tool, folder):
  found = tool.totals(folder, ['compound', 'performance', 'grid'])
  assert set(found) == {'compound', 'performance', 'grid'}
  assert sum(found['grid']['files'].values()) == 7
  assert found['grid']['steps'] == 0
  compound = Compound()
  count = kept = steps = 0
  onset = []
  for seed in range(6):
    notes = midi.read(folder / f'{seed}.mid').notes
    ids = compound.encode(notes)
    steps += len(ids)
    entry = ledger_lib.ledger(compound, notes).entries['notes']
    count, kept = count + entry.count, kept + entry.kept
    back = compound.decode(ids)
    onset += ledger_lib.note_errors(compound, notes, back)['onset_ms'].tolist()
  sums = found['compound']
  assert sums['files']['ok'] == 6
  assert sums['steps'] == steps
  row = sums['kinds']['notes']
  assert (row['count'], row['kept']) == (count, kept)
  assert row['onset_ms_mean'] == pytest.approx(np.mean(onset), abs=1e-3)
  assert row['onset_ms_max'] == pytest.approx(np.max(onset), abs=1e-3)
  middle = np.percentile(onset, 95, method='inverted_cdf')
  assert middle <= row['onset_ms_p95'] <= middle + 0.11
  json.dumps(found)


def test_prints_a_table(tool, folder, capsys, monkeypatch):
  words = ['tool', str(folder), '--tokenizer', 'remi', 'grid', '--limit', '3']
  monkeypatch.setattr('sys.argv', words)
  assert tool.main() == 0
  lines = capsys.readouterr().out.splitlines()
  assert len({line.count('|') for line in lines}) == 1
  assert any(line.startswith('| remi | 3 ok') for line in lines)
  monkeypatch.setattr('sys.argv', ['tool', str(folder / 'nothing')])
  assert tool.main() == 2
