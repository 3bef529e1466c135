"""The embedded corpus: Bach's chorales, as the music21 package carries them.

Only the package's files are used. Importing music21 and reading 408 scores
with it takes half a minute; reading their MusicXML here takes seconds, and a
test holds both to the same notes. Works with instruments beside the choir
keep the four voices of the choir.
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import re
from collections.abc import Iterator

from aurl_jax.core import files
from aurl_jax.core.errors import DataError
from aurl_jax.data import musicxml, splits
from aurl_jax.data.builders import note_sequences
from aurl_jax.data.builders.note_sequences import Example
from aurl_jax.music import note_sequence
from aurl_jax.music.notes import Notes, Track

VERSION = 1
"""Of the conversion: another one is read anew."""
VOICES = ('Soprano', 'Alto', 'Tenor', 'Bass')
CHOIR = 52
"""General MIDI program "Choir Aahs", counted from 0."""
LEFT_OUT = 'left_out.json'


def corpus() -> pathlib.Path:
  """Returns the folder of the scores, without importing music21.

  Raises:
    DataError: It is not installed, or without its corpus.
  """
  spec = importlib.util.find_spec('music21')
  places = (spec and spec.submodule_search_locations) or ['music21']
  path = pathlib.Path(places[0], 'corpus', 'bach')
  if not any(path.glob('*.mxl')):
    raise DataError(
      f'the chorales of the music21 package are not at {path}; install it '
      'with its corpus: pip install music21',
      code='no_corpus',
    )
  return path


def read(path: pathlib.Path) -> Notes:
  """Returns the four voices of one score.

  Raises:
    DataError: It has not exactly one soprano, alto, tenor and bass
      (code `voices`).
  """
  score = musicxml.parse(path.read_bytes())
  names = [part.name for part in score.parts]
  tracks = {}
  for voice in VOICES:
    found = [i for i, name in enumerate(names) if re.match(rf'{voice}\b', name)]
    if len(found) == 1:
      tracks[found[0]] = Track(voice, CHOIR)
  if len(tracks) != len(VOICES):
    raise DataError(
      f'{path.name} is not in four voices; its parts are {", ".join(names)}',
      code='voices',
    )
  title = path.stem.replace('bwv', 'BWV ')
  return musicxml.to_notes(score, tracks).replace(title=title)


def cached(root: pathlib.Path) -> pathlib.Path:
  """Returns the folder of the chorales' records, read now if need be.

  Args:
    root: The cache; its folder for this version of music21 is made.

  Raises:
    DataError: No corpus, or the cache cannot be written.
  """
  version = importlib.metadata.version('music21')
  folder = root / f'chorales-{version}-{VERSION}'
  if (folder / LEFT_OUT).exists():
    return folder
  scores = sorted(corpus().glob('*.mxl'))
  try:
    with files.atomic_folder(folder) as work:
      _write(work, scores)
  except OSError as error:
    raise DataError(
      f'cannot keep the chorales in {folder}: {error}; set AURL_CACHE to a '
      'folder that can be written',
      code='cache',
    ) from error
  return folder


def _write(folder: pathlib.Path, scores: list[pathlib.Path]) -> None:
  left_out: dict[str, list[str]] = {}

  def pieces() -> Iterator[tuple[str, Example]]:
    for path in scores:
      try:
        notes = read(path)
      except DataError as error:
        left_out[path.stem] = [error.code, str(error)]
        continue
      proto = note_sequence.to_note_sequence(
        notes, id=path.stem, filename=path.name
      )
      yield (
        'chorales',
        {
          'id': path.stem,
          'digest': splits.digest(notes),
          'sequence': proto.SerializeToString(deterministic=True),
        },
      )

  note_sequences.write(folder, pieces())
  files.write_atomic(folder / LEFT_OUT, json.dumps(left_out, indent=1))
