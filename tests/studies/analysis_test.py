"""One piece through studies: errors told in its lines, keys of these."""

import pytest

from aurl_jax.core.errors import ConfigError
from aurl_jax.studies import analysis, corpus
from aurl_jax.studies.study import StudyError
from tests.studies import outside
from tests.studies.outside import Halves, Tops

BOTH = {'tops': Tops(), 'halves': Halves()}


@pytest.mark.parametrize('workers', [0, 2])
def test_what_a_study_raises_is_told_and_the_other_goes_on(tmp_path, workers):
  paths = outside.songs(tmp_path, ['', 'raise', ''])
  rows = [
    row
    for rows in corpus.stream(
      paths, BOTH | {'odd': outside.Odd()}, workers=workers
    )
    for row in rows
  ]
  faults = {(r['piece'], r['study']): r['error'] for r in rows if 'error' in r}
  assert len(faults) == 4
  told = faults[str(paths[1]), 'tops']
  assert told['code'] == 'study.failed'
  assert 'IndexError: no such <bar> (outside.py, line' in told['message']
  odd = faults[str(paths[0]), 'odd']['message']
  assert 'float32 is not JSON serializable' in odd
  assert len(rows) == 9


def test_what_cannot_be_handed_to_workers(tmp_path):
  local = type('Local', (Tops,), {})
  for study in (local(), Tops(least=lambda: 0)):
    with pytest.raises(StudyError, match='handed to workers') as told:
      list(corpus.stream([tmp_path], {'local': study}))
    assert told.value.code == 'study.pickle'
  with pytest.raises(ConfigError, match='-1'):
    list(corpus.stream([tmp_path], BOTH, workers=-1))


def test_recipes_follow_from_class_and_settings():
  recipes = [
    analysis.recipe(study)
    for study in (Tops(), Tops(), Tops(least=1), Halves())
  ]
  assert recipes[0] == recipes[1]
  assert len(set(recipes)) == 3


def test_a_study_that_was_mended_is_tried_again(tmp_path, monkeypatch):
  paths = outside.songs(tmp_path, ['', 'raise'])
  out = tmp_path / 'out.jsonl'
  made = [corpus.run(paths, BOTH, out, workers=0) for _ in range(2)]
  assert [(report.made, report.failed) for report in made] == [(4, 1), (1, 1)]
  monkeypatch.setattr(outside, '_misbehave', str)
  made = [corpus.run(paths, BOTH, out, workers=0) for _ in range(2)]
  assert [(report.made, report.failed) for report in made] == [(1, 0), (0, 0)]
  assert len(out.read_text().splitlines()) == 4
