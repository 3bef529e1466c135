"""Are planted copies found, and is other music left in peace?

  python tools/plagiarism.py --page pop --pieces 100
  python tools/plagiarism.py --page chorale --bars 4

Of the data of a page (AURL_DATA), held-out pieces are read as they are, and
once more with some bars of a training piece in them, in the tracks of their
own: transposed by 1 to 6 semitones, shifted by a part of a bar, with the
piece's own music before and behind, and, if asked for, some notes taken out and
as many of other pitches put in. Limits are those of
`evaluation.borrowing`: what 98 % of training pieces, each against all others,
stay below. Prints one line of JSON: how many copies are flagged, and how many
clean pieces, and how many of these hold three bars of a training piece nearly
note for note, and so are versions of it; of how many the piece that was copied
is named; the limits; and how many training pieces are beyond them.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import numpy as np

from aurl_jax.evaluation import borrowing
from aurl_jax.experiment import data, pages, sections
from aurl_jax.music import cut, time
from aurl_jax.music.notes import Notes

MOST_UP = 6


def main(argv: Sequence[str] | None = None) -> int:
  """Prints the line; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--page', default='pop', help='whose data it is')
  parser.add_argument('--pieces', type=int, default=0, help='held out; 0: all')
  parser.add_argument('--bars', type=int, default=8, help='of a copy')
  parser.add_argument(
    '--spoilt', type=float, default=0.0, help='share of notes taken out'
  )
  parser.add_argument('--baseline', type=int, default=0, help='pieces; 0: all')
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args(argv)
  training, clean, cells = read(args.page)
  if args.pieces:
    clean = clean[: args.pieces]
  corpus = borrowing.Corpus(training, cells)
  print(json.dumps({'page': args.page} | tried(corpus, clean, args)))
  return 0


def read(page: str) -> tuple[dict[str, Notes], list[Notes], int]:
  """Returns training pieces, held-out ones, and cells of a beat."""
  run = sections.parse(pages.load(pages.find(page)))
  cache, decode = data.prepared(run, quiet=True), run.tokenizer.decode
  names = [entry['name'] for entry in cache['train'].pieces]
  training = dict(zip(names, map(decode, cache['train']), strict=True))
  held_out = [decode(ids) for ids in cache['valid']]
  return training, held_out, run.tokenizer.grid.cells_per_beat


def tried(
  corpus: borrowing.Corpus, clean: list[Notes], args: argparse.Namespace
) -> dict[str, object]:
  """Returns what comes of all pieces."""
  own = corpus.baseline(args.baseline)
  limits = borrowing.limits(own)
  rng = np.random.default_rng(args.seed)
  names = list(corpus.pieces)
  planted, named, flagged, false, versions = 0, 0, 0, 0, 0
  for host in clean:
    told = corpus.of(host)
    false += limits.flags(told)
    versions += told.alike >= borrowing.VERSION
    name = names[int(rng.integers(len(names)))]
    source = corpus.pieces[name]
    made = plant(host, source, args.bars, rng, args.spoilt)
    if made is None:
      continue
    planted += 1
    flagged += limits.flags(corpus.of(made))
    told = corpus.index.report(made)
    sources = [each.source.piece for each in told.near]
    sources += [told.run.source.piece] if told.run and told.run.source else []
    named += name in sources
  return {
    'bars': args.bars,
    'spoilt': args.spoilt,
    'training': len(names),
    'baseline': len(own),
    'versions': sum(each.alike >= borrowing.VERSION for each in own),
    'beyond': sum(map(limits.flags, own)),
    'limits': limits._asdict(),
    'planted': planted,
    'flagged': flagged,
    'named': named,
    'clean': len(clean),
    'clean_flagged': false,
    'clean_versions': versions,
  }


def plant(
  host: Notes,
  source: Notes,
  bars: int,
  rng: np.random.Generator,
  spoilt: float = 0.0,
) -> Notes | None:
  """Returns a host with bars of a source in it, None where one is too short."""
  starts = [time.bar_starts(notes) for notes in (host, source)]
  if min(map(len, starts)) < bars + 2:
    return None
  here = int(rng.integers(1, len(starts[0]) - bars))
  there = int(rng.integers(0, len(starts[1]) - bars))
  copied = cut.slice_bars(source, there, there + bars)
  late = rng.integers(0, starts[0][here + 1] - starts[0][here])
  begin = int(starts[0][here] + late)
  outside = (host.onset < begin) | (host.onset >= begin + copied.end)
  columns = moved(copied, begin, rng, spoilt)
  columns['track'] = np.minimum(columns['track'], len(host.tracks) - 1)
  return Notes.build(
    host.ticks_per_beat,
    {
      name: np.concatenate([getattr(host, name)[outside], column])
      for name, column in columns.items()
    },
    tracks=host.tracks,
    meters=host.meters,
    tempos=host.tempos,
  )


def moved(
  copied: Notes, begin: int, rng: np.random.Generator, spoilt: float
) -> dict[str, np.ndarray]:
  """Returns the notes of a copy, transposed, later, and spoilt."""
  up = int(rng.integers(1, MOST_UP + 1) * rng.choice([-1, 1]))
  pitch = copied.pitch + np.where(copied.is_drum, 0, up)
  pitch = np.where(pitch > 127, pitch - 12, pitch)
  pitch = np.where(pitch < 0, pitch + 12, pitch)
  # What is taken out comes back at any pitch and place of the copy.
  out = rng.random(len(copied)) < spoilt
  pitch = np.where(out, rng.integers(40, 90, len(copied)), pitch)
  anywhere = rng.integers(0, max(copied.end, 1), len(copied))
  return {
    'onset': np.where(out, anywhere, copied.onset) + begin,
    'duration': copied.duration,
    'pitch': pitch,
    'velocity': copied.velocity,
    'track': copied.track,
  }


if __name__ == '__main__':
  sys.exit(main())
