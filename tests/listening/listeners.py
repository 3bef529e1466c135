"""Tests without sound, and listeners who answer by rule."""

import numpy as np

from aurl_jax.listening import design
from aurl_jax.listening.answers import Answers
from aurl_jax.listening.design import Clip, Test, Trial


def made(kind, systems, pairs, *, checks=1, **changes):
  """A test of that many pairs, or pieces a system, whose clips are empty."""
  clips, trials = {}, []

  def clip(system, place, spoilt=False):
    name = f'{len(clips):012x}'
    clips[name] = Clip(
      system=system,
      piece=f'p{place}',
      file=f'p{place}.mid',
      seconds=1.0,
      spoilt=spoilt,
    )
    return name

  if kind == 'ab':
    units = [
      (f'{a}/{b}/{place}', ((a, place), (b, place)))
      for i, a in enumerate(systems)
      for b in systems[i + 1 :]
      for place in range(pairs)
    ]
  else:
    units = [(f'{a}/{p}', ((a, p),)) for a in systems for p in range(pairs)]
  for pair, parts in units:
    names = tuple(clip(*part) for part in parts)
    trials.append(Trial(id=f't{len(trials)}', clips=names, pair=pair))
  for number in range(checks):
    names = [clip(systems[0], number)]
    if kind == 'ab':
      names.append(clip(systems[0], number, True))
    right = {'ab': names[0], 'mos': '2', 'turing': 'machine'}[kind]
    trials.append(
      Trial(id=f'c{number}', clips=tuple(names), check='spoilt', right=right)
    )
  given = {
    'kind': kind,
    'title': 'Test',
    'question': 'Which?',
    'consent': 'Yes.',
    'systems': tuple(systems),
    'clips': clips,
    'trials': tuple(trials),
    'practice': (trials[0],),
    'ties': False,
    'heard': 0.5,
    'passing': 0.75,
    'most': 100,
    'loudness': -23.0,
    'synthesiser': 'additive',
    'seed': 5,
  }
  return Test(**given | changes)


def opened(folder, test):
  folder.mkdir(exist_ok=True)
  design.save(test, folder)
  return Answers(folder, test)


def listen(kept, answer, *, until=None):
  """One listener who answers each trial by `answer(trial, urls)`."""
  code = kept.begin()
  state = kept.state(code)
  while state['trial'] and state['done'] != until:
    shown = state['trial']
    trial = kept.test.trial(shown['id'])
    value = answer(trial, shown['clips'])
    state = kept.keep(code, trial.id, value, 3.25)
  return code


def prefers(test, wins):
  """Answers A/B by `wins`: pair -> whether the first system is preferred."""

  def answer(trial, urls):
    wanted = trial.right if trial.check else None
    if wanted is None:
      wanted = trial.clips[0 if wins[trial.pair] else 1]
    return 'first' if wanted in urls[0] else 'second'

  return answer


def rng(seed=0):
  return np.random.default_rng(seed)
