"""Studies by name: ours, and those that other packages bring."""

import importlib.metadata

import pytest

from aurl_jax.studies import study


class Counting:
  """Counts notes; a whole study."""

  def analyse(self, notes):
    return len(notes)

  def told(self, found):
    return {'notes': found}

  def features(self, found):
    return {'notes': float(found)}

  def compare(self, one, other):
    return {'notes': min(one, other) / max(one, other, 1)}

  def validate(self, found, truth):
    return {'off': float(abs(found - truth))}

  def draw(self, found, axes):
    axes.set_title(str(found))


class Silent:
  """Lacks all but one method."""

  def analyse(self, notes):
    return notes


def bring(monkeypatch, **values):
  """Makes entry points as an installed package would."""
  brought = tuple(
    importlib.metadata.EntryPoint(name, value, study.GROUP)
    for name, value in values.items()
  )
  monkeypatch.setattr(study, '_entries', lambda: brought)


def test_another_package_brings_a_study(monkeypatch):
  bring(monkeypatch, counting=f'{__name__}:Counting')
  assert study.names() == (*study.BUILT_IN, 'counting')
  found = study.load(['counting'])
  assert list(found) == ['counting']
  assert found['counting'].told(3) == {'notes': 3}


def test_ours_are_all_there():
  assert list(study.load(list(study.BUILT_IN))) == list(study.BUILT_IN)
  for made in study.load(list(study.BUILT_IN)).values():
    assert isinstance(made, study.Study)


def test_ours_cannot_be_replaced(monkeypatch):
  ours = next(iter(study.BUILT_IN))
  bring(monkeypatch, **{ours: f'{__name__}:Counting'})
  assert not isinstance(study.load([ours])[ours], Counting)


@pytest.mark.parametrize(
  ('value', 'code', 'words'),
  [
    (None, 'study.unknown', "no study 'odd'"),
    ('no.such.module:Odd', 'study.broken', 'mend or uninstall'),
    (f'{__name__}:Missing', 'study.broken', 'cannot be loaded'),
    (f'{__name__}:Silent', 'study.broken', 'lacks a method'),
  ],
)
def test_what_cannot_be_loaded_is_told(monkeypatch, value, code, words):
  bring(monkeypatch, **({} if value is None else {'odd': value}))
  with pytest.raises(study.StudyError, match=words) as told:
    study.load(['odd'])
  assert told.value.code == code
