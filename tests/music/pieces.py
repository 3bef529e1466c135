"""Hypothesis strategies for pieces with all that `Notes` holds."""

from hypothesis import strategies as st

from aurl_jax.music.notes import Notes, Text, Track

words = st.text(max_size=12)
markers = words.filter(lambda text: not text.startswith('chord:'))
tracks = st.builds(
  Track, name=words, program=st.integers(0, 127), is_drum=st.booleans()
)


def without_nesting(rows):
  """Leaves out notes that begin later and end earlier than an equal pitch."""
  kept, ends = [], {}
  for onset, duration, pitch, velocity, track in sorted(
    rows, key=lambda row: (row[0], row[4], row[2], row[1], row[3])
  ):
    end = onset + duration
    if end >= ends.get((track, pitch), 0):
      ends[track, pitch] = end
      kept.append((onset, duration, pitch, velocity, track))
  return kept


@st.composite
def pieces(draw, nested=False, last=20_000, most=30, ticks_per_beat=None):
  """Draws a piece whose events lie at ticks 0..last.

  Args:
    draw: Of hypothesis.
    nested: Whether notes of one pitch and track may lie inside another.
    last: The last tick of an onset.
    most: How many notes there are at most.
    ticks_per_beat: Drawn from 1..32767 if None.
  """
  band = draw(st.lists(tracks, max_size=20))
  # Few places, so that events meet.
  tick = st.one_of(st.integers(0, last), st.sampled_from([0, 1, last // 2]))
  length = st.one_of(st.sampled_from([0, 1, 60]), st.integers(0, last))
  rows = []
  if band:
    track = st.integers(0, len(band) - 1)
    note = st.tuples(
      tick, length, st.integers(0, 127) | st.just(60), st.integers(1, 127),
      track,
    )  # fmt: skip
    rows = draw(st.lists(note, max_size=most))
    rows = rows if nested else without_nesting(rows)
  names = ('onset', 'duration', 'pitch', 'velocity', 'track')
  columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
  place = st.integers(-1, len(band) - 1)
  texts = st.builds(
    Text,
    tick, place, st.sampled_from(['lyric', 'marker', 'chord']), markers,
  )  # fmt: skip
  return Notes.build(
    ticks_per_beat or draw(st.integers(1, 32767)),
    columns,
    tracks=band,
    texts=draw(st.lists(texts, max_size=6)),
    title=draw(words),
    **draw(tables(tick, len(band))),
  )


def tables(tick, band):
  """Strategy for the event tables, as rows."""

  def rows(*columns):
    return st.lists(st.tuples(tick, *columns), max_size=6)

  def rows_of_tracks(*columns):
    if not band:
      return st.just([])
    return rows(st.integers(0, band - 1), *columns)

  return st.fixed_dictionaries(
    {
      'tempos': rows(st.integers(1, 2**24 - 1)),
      'meters': rows(
        st.integers(1, 255), st.integers(0, 15).map(lambda power: 2**power)
      ),
      'keys': rows(st.integers(-7, 7), st.booleans()),
      'controls': rows_of_tracks(st.integers(0, 127), st.integers(0, 127)),
      'bends': rows_of_tracks(st.integers(-8192, 8191)),
    }
  )
