import dataclasses
import sys
from concurrent import futures

import jax
import pytest

from aurl_jax.core.errors import MidiError
from aurl_jax.music import midi
from aurl_jax.serving import warming
from aurl_jax.serving.engine import Engine
from aurl_jax.serving.metrics import Metrics
from aurl_jax.serving.settings import MIDI
from tests.serving import stage


def test_long_odd_files_are_read_within_the_limits(monkeypatch):
  read, found = midi.read, []

  def kept(data, limits):
    try:
      found.append((len(data), len(read(data, limits).notes)))
    except MidiError as error:
      found.append((len(data), error.code))
      raise

  monkeypatch.setattr(midi, 'read', kept)
  warming.load_readers()
  # Neither is refused for its size alone: then nothing of it is read.
  assert [how for _, how in found if how == 'too_large'] == []
  assert len(found) == 4
  # The last of them is sound, and read whole.
  assert found[-1][1] > 90_000
  assert all(MIDI.bytes // 2 < size <= MIDI.bytes for size, _ in found)


class Counted(Engine):
  """An engine that only tells what it was asked to compile."""

  def __init__(self, context, lasts=None):
    own = stage.composer()
    config = dataclasses.replace(own.model.config, context=context)
    model = dataclasses.replace(own.model, config=config)
    self.composer = dataclasses.replace(own, model=model)
    self.metrics, self.asked = Metrics(), []
    self._lasts = lasts

  @property
  def draining(self):
    return self._lasts is not None and len(self.asked) >= self._lasts

  def warm(self, requests, widths=()):
    self.asked.append((len(list(requests)), list(widths)))
    if self.draining:
      raise futures.CancelledError


def due(engine):
  return 'aurl_programs_due 0\n' in engine.metrics.text()


@pytest.mark.parametrize('context', [96, 640, 1000, 2048])
def test_prompts_of_every_length_find_a_program(context, monkeypatch):
  monkeypatch.setattr(warming, 'load_readers', lambda: None)
  monkeypatch.setattr(warming, 'load_studies', lambda: None)
  engine = Counted(context)
  warming.warm(engine)
  usual = engine.asked.pop()[1]
  warming.behind(engine)
  # Both usual requests, one width at a time.
  assert {count for count, _ in engine.asked} <= {1}
  later = [width for _, (width,) in engine.asked]
  assert later[::2] == later[1::2] == sorted(set(later))
  assert not set(usual) & set(later)
  assert due(engine)
  known = sorted({*usual, *later})
  for steps in range(1, context):
    # The narrowest that holds it, and the model reads: 31 steps are padding.
    width = next(width for width in known if width >= steps)
    assert width <= max(2 * steps, 40)
    assert width - 31 <= context


def test_it_ends_when_the_engine_does():
  engine = Counted(2048, lasts=3)
  warming.behind(engine)
  assert len(engine.asked) == 3
  assert not due(engine)


def test_what_fails_while_it_runs_is_told(monkeypatch):
  def fails(requests, widths=()):
    raise RuntimeError('no memory')

  engine = Counted(640)
  engine.warm = fails
  with pytest.raises(RuntimeError, match='no memory'):
    warming.behind(engine)


def test_studies_have_heard_a_tune(monkeypatch):
  heard, hear = [], warming.hearing.heard

  def kept(*asked):
    heard.append(hear(*asked))

  monkeypatch.setattr(warming.hearing, 'heard', kept)
  warming.load_studies()
  assert set(heard[0]['studies']) == {'chords', 'structure', 'melody'}


def compiled():
  """How many functions of ours numba has compiled or loaded."""
  kinds = [
    sum(len(getattr(f, 'overloads', ())) for f in vars(module).values())
    for name, module in sys.modules.items()
    if name.startswith('aurl_jax.') and hasattr(module, '__dict__')
  ]
  return sum(kinds)


@pytest.mark.slow
def test_what_is_sent_to_a_warm_server_compiles_nothing(shared_data):
  folder = shared_data.parent / 'broken_midi'
  if not folder.is_dir():
    pytest.skip(f'no broken files at {folder}')
  files = [p for p in folder.iterdir() if p.suffix not in ('.csv', '.md')]
  programs = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda name, _, **__: programs.append(name) if 'compile' in name else None
  )
  with stage.engine_of() as engine, stage.serving(engine) as client:
    warming.warm(engine)
    warming.behind(engine)
    programs.clear()
    before = compiled()
    for number, path in enumerate(sorted(files)):
      analyse = number % 2
      field, told = ('music', b'{}') if analyse else ('prompt', b'{"bars": 1}')
      body, kind = stage.parts(
        ('request', None, told), (field, 'x', path.read_bytes())
      )
      route = '/v1/analyze' if analyse else '/v1/continue'
      client.post(route, body, content_type=kind)
    assert (programs, compiled()) == ([], before)
