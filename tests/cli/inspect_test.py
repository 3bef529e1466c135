"""`aurl inspect` and `aurl tokens`, as a machine reads them."""

import json

import pytest

from aurl_jax.cli import __main__ as cli
from aurl_jax.experiment import parameters
from aurl_jax.experiment.workdir import Workdir
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes


@pytest.fixture
def song(tmp_path):
  notes = Notes.build(
    480,
    {'onset': [0, 480, 960], 'duration': 480, 'pitch': [60, 64, 67]},
    tempos=[(0, 500_000)],
    meters=[(0, 4, 4)],
  )
  path = tmp_path / 'song.mid'
  midi.write(notes, path)
  return path


def told(capsys):
  return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_run_tells_the_parts_of_its_network(tmp_path, capsys):
  folder = Workdir(tmp_path)
  folder.store({})
  part = parameters.Part(name='mlp', count=7, bytes=28, optimizer=56)
  parameters.keep([part], folder)
  assert cli.main(['inspect', str(tmp_path), '--json']) == 0
  (found,) = told(capsys)
  assert found['parameters'] == [
    {'name': 'mlp', 'count': 7, 'bytes': 28, 'optimizer': 56}
  ]
  assert cli.main(['inspect', str(tmp_path)]) == 0
  assert '56 B' in capsys.readouterr().out


def test_a_folder_that_is_no_run(tmp_path, capsys):
  assert cli.main(['inspect', str(tmp_path), '--json']) == 2
  assert 'holds no run' in str(capsys.readouterr())


def test_a_good_file(song, capsys):
  assert cli.main(['inspect', str(song), '--json']) == 0
  assert told(capsys) == [
    {
      'file': str(song),
      'status': 'ok',
      'notes': 3,
      'tracks': 1,
      'seconds': 1.5,
      'issues': [],
      'remarks': [],
    }
  ]


def test_what_is_odd_is_ok_and_what_is_wrong_is_repaired(
  song, tmp_path, capsys
):
  odd, wrong = tmp_path / 'odd.mid', tmp_path / 'wrong.mid'
  odd.write_bytes(song.read_bytes()[:14] + song.read_bytes())
  wrong.write_bytes(song.read_bytes() + b'\0')
  assert cli.main(['inspect', str(odd), str(wrong), '--json']) == 0
  first, second = told(capsys)
  assert (first['status'], first['issues']) == ('ok', [])
  (remark,) = first['remarks']
  assert remark.keys() == {'code', 'where', 'action'}
  assert remark['code'] == 'repeated_header'
  assert (second['status'], second['remarks']) == ('repaired', [])
  assert [issue['code'] for issue in second['issues']] == ['trailing_bytes']
  assert first['notes'] == second['notes'] == 3


def test_rejected_files_end_with_2_but_do_not_stop_the_others(
  song, tmp_path, capsys
):
  bad = tmp_path / 'bad.mid'
  bad.write_bytes(b'no music here')
  assert cli.main(['inspect', '--json', str(bad), str(song)]) == 2
  first, second = told(capsys)
  assert (first['status'], second['status']) == ('rejected', 'ok')
  assert first['notes'] == 0
  (issue,) = first['issues']
  assert issue.keys() == {'code', 'where', 'action'}
  assert str(bad) in issue['action']


def test_people_get_a_table(song, capsys):
  assert cli.main(['inspect', str(song)]) == 0
  shown = capsys.readouterr().out
  assert 'song.mid' in shown
  assert 'seconds' in shown
  assert 'remark' not in shown


def test_people_see_remarks_and_issues(song, capsys):
  data = song.read_bytes()
  song.write_bytes(data[:14] + data + b'\0')
  assert cli.main(['inspect', str(song)]) == 0
  shown = capsys.readouterr().out
  for word in ('remark', 'repeated_header', 'issue', 'trailing_bytes'):
    assert word in shown


@pytest.mark.parametrize(
  ('name', 'fields'),
  [('remi', 1), ('compound', 7), ('expressive', 8), ('performance', 1)],
)
def test_tokens(song, capsys, name, fields):
  assert cli.main(['tokens', str(song), '--tokenizer', name, '--json']) == 0
  (report,) = told(capsys)
  assert report['fields'] == fields
  assert report['tokens'] > 3
  assert report['exact'] is False
  assert 'velocity' in json.dumps(report['ledger'])


def test_tokens_names_what_a_tokenizer_cannot_hold(song, capsys):
  assert cli.main(['tokens', str(song), '--tokenizer', 'grid']) == 2
  assert 'voices' in capsys.readouterr().err


def test_unknown_tokenizer(song, capsys):
  assert cli.main(['tokens', str(song), '--tokenizer', 'words']) == 2
  assert 'words' in capsys.readouterr().err
