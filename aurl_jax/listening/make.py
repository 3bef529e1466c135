"""A listening test made of folders of music.

systems' folders --choose--> pieces --cut, render--> clips --design--> test
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from aurl_jax.core import files
from aurl_jax.core.errors import AurlError, DataError
from aurl_jax.data import mirex, sources
from aurl_jax.evaluation import corruption
from aurl_jax.listening import clips as clips_lib
from aurl_jax.listening import design
from aurl_jax.listening import drafts as drafts_lib
from aurl_jax.listening.design import REFERENCE, Clip, Test, Trial
from aurl_jax.listening.drafts import Draft, Key
from aurl_jax.music import midi
from aurl_jax.music.notes import Notes

Report = Callable[[int, int], None]
"""Is told how many clips are rendered, of how many."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
  """What a test is to be.

  Attributes:
    kind: One of `design.KINDS`.
    systems: Name -> folder of MIDI files, or of MIREX's JSON.
    reference: Folder of music of people; '' for none.
    pairs: Pieces of each system, or pairs of pieces of each two.
    seconds: How much of each piece is heard, at most.
    bars: First and last bar of each, from 1; None begins with the first note.
    seed: Of what is drawn.
    ties: Whether one may have no preference (`ab`).
    checks: Trials that tell whether a listener attends.
    heard: Share of each clip that must be heard, 0..1.
    passing: Share of checks that must be passed, 0..1.
    most: Listeners at most.
    title: Of the page.
    question: '' takes the usual one of the kind.
    consent: '' takes the usual text.
    plain: Whether to take the plain synthesiser in any case.
  """

  kind: str
  systems: Mapping[str, str]
  reference: str = ''
  pairs: int = 10
  seconds: float | int = 12.0
  bars: tuple[int, int] | None = None
  seed: int = 0
  ties: bool = False
  checks: int = 2
  heard: float | int = 0.5
  passing: float | int = 0.75
  most: int = 500
  title: str = 'Listening test'
  question: str = ''
  consent: str = ''
  plain: bool = False


def make(wish: Wish, out: files.StrPath, told: Report | None = None) -> Test:
  """Makes a test in a folder that is not there yet.

  Args:
    wish: What it is to be.
    out: The folder.
    told: Is told how many clips are rendered.

  Raises:
    DataError: The wish cannot be met: codes `kind`, `systems`, `wish`,
      `few_pieces`, `exists`, `silent`, `bars`; or a file holds no music (code
      `unreadable`).
  """
  _check(wish)
  out = pathlib.Path(out).expanduser()
  if out.exists() and (not out.is_dir() or any(out.iterdir())):
    raise DataError(
      f'{out} is there already; choose another folder, as answers may be in it',
      code='exists',
    )
  rng = np.random.default_rng(wish.seed)
  chosen = _choose(wish, rng)
  drafts = drafts_lib.drafts(
    wish.kind, chosen, wish.pairs, wish.checks, wish.ties, rng
  )
  keys = list(dict.fromkeys(key for draft in drafts for key in draft.clips))
  found, synthesiser = clips_lib.render(
    [_notes(wish, chosen, key) for key in keys],
    seconds=wish.seconds,
    plain=wish.plain,
    told=told,
  )
  names = dict(zip(keys, _names(len(keys), rng), strict=True))
  trials = _trials(drafts, names, rng)
  clips = {
    names[key]: _clip(chosen, key, clip.seconds)
    for key, clip in zip(keys, found, strict=True)
  }
  sound = found[0].loudness, synthesiser
  test = _test(wish, tuple(chosen), clips, trials, sound)
  with files.atomic_folder(out) as folder:
    for key, clip in zip(keys, found, strict=True):
      files.write_atomic(folder / design.CLIPS / f'{names[key]}.wav', clip.wav)
    design.save(test, folder)
  return test


def _test(
  wish: Wish,
  systems: tuple[str, ...],
  clips: dict[str, Clip],
  trials: Sequence[tuple[Trial, bool]],
  sound: tuple[float, str],
) -> Test:
  """Returns the test of some trials, each with whether answers are kept."""
  return Test(
    kind=wish.kind,
    title=wish.title,
    question=wish.question or design.QUESTIONS[wish.kind],
    consent=wish.consent or design.CONSENT,
    systems=systems,
    clips=clips,
    trials=tuple(trial for trial, kept in trials if kept),
    practice=tuple(trial for trial, kept in trials if not kept),
    ties=wish.ties,
    heard=float(wish.heard),
    passing=float(wish.passing),
    most=wish.most,
    loudness=sound[0],
    synthesiser=sound[1],
    seed=wish.seed,
  )


def _check(wish: Wish) -> None:
  design.check_kind(wish.kind)
  systems = list(wish.systems)
  many = len(systems) + bool(wish.reference)
  if REFERENCE in systems:
    raise DataError(
      f'no system can be called {REFERENCE!r}; give its folder as --reference',
      code='systems',
    )
  if not systems or (wish.kind != 'mos' and many < 2):
    raise DataError(
      f'{wish.kind} compares two systems or more, or one with a --reference; '
      f'given: {", ".join(systems) or "none"}',
      code='systems',
    )
  if wish.kind == 'turing' and not wish.reference:
    raise DataError(
      'human or machine needs music of people: give its folder as --reference',
      code='systems',
    )
  faults = [
    (not 1 <= wish.pairs <= 500, f'{wish.pairs} pairs; give 1..500'),
    (not 1 <= wish.seconds <= 300, f'{wish.seconds} seconds; give 1..300'),
    (not 0 <= wish.heard <= 1, f'heard {wish.heard}; give 0..1'),
    (not 0 <= wish.passing <= 1, f'passing {wish.passing}; give 0..1'),
    (not 0 <= wish.checks <= 50, f'{wish.checks} checks; give 0..50'),
    (wish.most < 1, f'{wish.most} listeners; give one or more'),
    (wish.ties and wish.kind != 'ab', '--ties is for A/B tests only'),
  ]
  for wrong, message in faults:
    if wrong:
      raise DataError(message, code='wish')


def _choose(
  wish: Wish, rng: np.random.Generator
) -> dict[str, list[pathlib.Path]]:
  """Returns the files of each system: `pairs`, and one more for practice.

  Where all systems have files of the same names, those of one name stand at
  one place: they are of one prompt.
  """
  folders = dict(wish.systems)
  if wish.reference:
    folders[REFERENCE] = wish.reference
  found = {name: _files(name, folder) for name, folder in folders.items()}
  for name, paths in found.items():
    if len(paths) < wish.pairs:
      raise DataError(
        f'{folders[name]} has {len(paths)} pieces, and {wish.pairs} are to be '
        'heard; add some, or give fewer --pairs',
        code='few_pieces',
      )
  stems = set.intersection(*({p.stem for p in each} for each in found.values()))
  if len(stems) >= wish.pairs:
    order = rng.permutation(sorted(stems))[: wish.pairs + 1].tolist()
    by_stem = {
      name: {path.stem: path for path in paths} for name, paths in found.items()
    }
    return {name: [each[s] for s in order] for name, each in by_stem.items()}
  return {
    name: [paths[i] for i in rng.permutation(len(paths))[: wish.pairs + 1]]
    for name, paths in found.items()
  }


def _files(name: str, folder: str) -> list[pathlib.Path]:
  home = pathlib.Path(folder).expanduser()
  if not home.is_dir():
    raise DataError(
      f'{home}, given for {name}, is no folder; give one of MIDI files',
      code='systems',
    )
  paths = sorted(path for path in home.iterdir() if path.is_file())
  # JSON beside MIDI files tells about them, and is no music.
  return _of_suffix(paths, sources.SUFFIXES) or _of_suffix(paths, ('.json',))


def _of_suffix(
  paths: Sequence[pathlib.Path], suffixes: tuple[str, ...]
) -> list[pathlib.Path]:
  return [path for path in paths if path.suffix.lower() in suffixes]


def _notes(
  wish: Wish, chosen: Mapping[str, Sequence[pathlib.Path]], key: Key
) -> Notes:
  """Returns the excerpt of a piece, spoilt if it is so wished."""
  path = chosen[key.system][key.place]
  try:
    if path.suffix.lower() == '.json':
      notes = mirex.read(path)
    else:
      notes = midi.read(path).notes
    notes = clips_lib.excerpt(notes, seconds=wish.seconds, bars=wish.bars)
  except (AurlError, OSError) as error:
    code = getattr(error, 'code', 'unreadable')
    raise DataError(f'{path}: {error}', code=code) from error
  return corruption.noise(notes, 1.0, wish.seed) if key.spoilt else notes


def _clip(
  chosen: Mapping[str, Sequence[pathlib.Path]], key: Key, seconds: float
) -> Clip:
  path = chosen[key.system][key.place]
  return Clip(
    system=key.system,
    piece=path.stem,
    file=path.name,
    seconds=round(seconds, 3),
    spoilt=key.spoilt,
  )


def _names(count: int, rng: np.random.Generator) -> Iterator[str]:
  """Yields names that say nothing, each once."""
  seen: set[str] = set()
  while len(seen) < count:
    name = rng.bytes(6).hex()
    if name not in seen:
      seen.add(name)
      yield name


def _trials(
  drafts: Sequence[Draft], names: Mapping[Key, str], rng: np.random.Generator
) -> list[tuple[Trial, bool]]:
  """Returns trials of names that say nothing, and if their answers are kept."""
  found = []
  for draft, name in zip(drafts, _names(len(drafts), rng), strict=True):
    right = draft.right
    trial = Trial(
      id=name,
      clips=tuple(names[key] for key in draft.clips),
      pair=draft.pair,
      check=draft.check,
      right=right if isinstance(right, str) else names[right],
      ask=draft.ask,
    )
    found.append((trial, draft.kept))
  return found
