"""Of which work a piece of the shared data is: keys that its movements share.

A work is a composer and a catalogue number (`schubert d 957`; an opus with
several numbers counts as one), or else the title up to its movements. Pieces
that share any key are of one work, in whatever set they are: a song of
OpenScore and its analysis in When in Rome, a sonata's score and its recording.
"""

import csv
import pathlib
import re
import unicodedata

_CATALOGUES = {
  'bach': r'bwv ?(\d+)',
  'schubert': r'\bd ?(\d+)',
  'mozart': r'\bk(?:v)? ?(\d+)',
  'scarlatti': r'\bk(?:k)? ?(\d+)',
  'liszt': r'\bs ?(\d+)',
  'haydn': r'hob(?:oken)? ?([ivx]+ ?\d+)',
}
_LETTERS = {
  'bach': 'bwv',
  'schubert': 'd',
  'mozart': 'k',
  'scarlatti': 'k',
  'liszt': 's',
  'haydn': 'hob',
}
_OPUS = re.compile(r'\bop(?:us|p)? ?(\d+)')
_CLAVIER = re.compile(r'well tempered clavier i (\d+)')
_SAME = {
  'schubert d 935': 'schubert op 142',
  'schubert d 899': 'schubert op 90',
  'schubert d 780': 'schubert op 94',
  'schubert d 760': 'schubert op 15',
  'schubert d 664': 'schubert op 120',
  'schubert d 850': 'schubert op 53',
  'liszt 19 hungarian': 'liszt s 244',
  'liszt grandes etudes': 'liszt s 141',
  'liszt etudes d': 'liszt s 139',
}
"""Other names of a work."""
_ARRANGED = {
  'god_alb_esp2': ['albeniz op 165'],
  'god_chpn_op10_e01': ['chopin op 10'],
}
"""File -> the works that it arranges."""
_SYMPHONIES = {
  'mo': 'mozart k 551',
  'be': 'beethoven op 125',
  'dv': 'dvorak op 95',
  'tc': 'tchaikovsky op 74',
}
_RECORDING = re.compile(
  r'^(.*?)[_ ,]+[\w-]{11}(?:_(?:a|cut\w*|mov_\d|part\d))?$'
)
"""Name, the recording's 11 characters, and what was cut of it."""


def plain(text: str) -> str:
  """Returns words of a..z and digits.

  Example:
    >>> plain('Życzenie, Op.74/1')
    'zyczenie op 74 1'
  """
  text = text.replace('ł', 'l').replace('Ł', 'L').replace('ø', 'o')
  text = unicodedata.normalize('NFKD', text).encode('ascii', 'ignore').decode()
  return ' '.join(re.findall(r'[a-z0-9]+', text.lower()))


def classical(composer: str, title: str, words: int = 0) -> list[str]:
  """Returns the keys of a piece of art music.

  Args:
    composer: As `Schubert,_Franz` or `Schubert`.
    title: With the work first.
    words: So many words of the title tell the work apart; 0 for all.

  Example:
    >>> classical('Schubert,_Franz', 'Schwanengesang,_D.957/04_Ständchen')
    ['schubert d 957']
  """
  name = plain(composer.split(',')[0])
  if plain(composer).startswith('schumann clara'):
    name = 'schumann clara'
  text = plain(title)
  keys = []
  own = re.search(_CATALOGUES.get(name, r'(?!)'), text)
  if own:
    number = own[1].replace(' ', '')
    keys.append(f'{name} {_LETTERS[name]} {number}')
  opus = _OPUS.search(text)
  if opus:
    keys.append(f'{name} op {opus[1]}')
  prelude = _CLAVIER.search(text)
  if name == 'bach' and prelude:
    keys.append(f'bach bwv {int(prelude[1]) + 845}')
  if not own and not opus:
    collection, _, song = title.partition('/')
    whole = plain(song if not plain(collection) else collection)
    some = whole.split()[: words or None]
    keys.append(' '.join([name, *some]))
  return [_SAME.get(key, key) for key in keys]


def _rows(path: pathlib.Path) -> list[dict[str, str]]:
  with path.open(newline='', encoding='utf-8') as file:
    return list(csv.DictReader(file))


def indexed(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> keys of a set with `composer` and `work` columns."""
  return {
    row['file']: classical(row['composer'], row['work'])
    for row in _rows(folder / 'index.csv')
  }


def piano_midi_de(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> keys. Movements follow the work's first two words."""
  found = {}
  for row in _rows(folder / 'metadata.csv'):
    stem = pathlib.PurePosixPath(row['file']).stem
    title = row['title'] or stem.replace('_', ' ').split(' ', 1)[1]
    keys = classical(row['composer'], title, words=2)
    found[row['file']] = keys + _ARRANGED.get(stem, [])
  return found


def giantmidi(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> keys, from the names of the files."""
  found = {}
  for path in sorted(folder.glob('*.mid')):
    match = _RECORDING.match(path.stem)
    name = re.sub('[ ,_]+', ' ', match[1] if match else path.stem)
    composer, _, title = name.partition(' ')
    title = re.sub('^(Johannes|Robert|Franz) ', '', title)
    found[path.name] = classical(composer, title, words=2)
  return found


def hauptstimme(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> keys: composer, and the number in the file's name."""
  return {
    row['file']: classical(row['composer'], row['file'])
    for row in _rows(folder / 'index.csv')
  }


def openewld(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> keys: the authors and the title, and the title alone."""
  found = {}
  for row in _rows(folder / 'index.csv'):
    title = plain(row['title'])
    authors = sorted(plain(name) for name in row['author'].split('-'))
    found[row['file']] = [f'{" ".join(authors)}: {title}', f'song: {title}']
  return found


def symphonies(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> keys of the Symbolic Symphony Set."""
  return {
    path.name: [_SYMPHONIES[path.stem[:2]]] for path in folder.glob('*.mid')
  }


def pieces(folder: pathlib.Path) -> dict[str, list[str]]:
  """Returns name -> key where each file is a work of its own."""
  return {
    path.relative_to(folder).as_posix(): [
      f'{folder.name}: {path.relative_to(folder).with_suffix("").as_posix()}'
    ]
    for path in folder.rglob('*.mid')
  }
