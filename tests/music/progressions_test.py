import hypothesis
import pytest
from hypothesis import strategies as st

from aurl_jax.core.errors import AurlError
from aurl_jax.music import chords, progressions

SYMBOLS = st.sampled_from(['Am7', 'D7', 'Gmaj7', 'F#m7b5', 'G/B', 'N', 'C:min'])
BARS = st.lists(st.lists(SYMBOLS, min_size=1, max_size=4), min_size=1)


@hypothesis.given(BARS, st.booleans(), st.sampled_from(['|', ' | ', '|\n ']))
def test_bars_and_chords_are_read_in_order(bars, closed, line):
  text = line.join(' '.join(bar) for bar in bars)
  text = f'| {text} |' if closed else text
  expected = tuple(tuple(chords.parse(c) for c in bar) for bar in bars)
  assert progressions.parse(text) == expected


@hypothesis.given(BARS, st.data())
def test_signs_of_repetition_stand_for_what_was_before(bars, data):
  written = [list(bar) for bar in bars]
  for b, bar in enumerate(written):
    if b and data.draw(st.booleans()):
      bars[b] = bars[b - 1]
      written[b] = ['%']
      continue
    for c in range(1, len(bar)):
      if data.draw(st.booleans()):
        bars[b] = [*bars[b][:c], bars[b][c - 1], *bars[b][c + 1 :]]
        bar[c] = '%'
  text = ' | '.join(' '.join(bar) for bar in written)
  plain = ' | '.join(' '.join(bar) for bar in bars)
  assert progressions.parse(text) == progressions.parse(plain)


@pytest.mark.parametrize(
  ('text', 'match'),
  [
    ('', 'bar 1 is empty'),
    ('C || G', 'bar 2 is empty'),
    ('% | C', 'bar 1 repeats a bar'),
    ('C | % C', 'bar 2 begins with %'),
    ('C | Hm', 'Hm'),
  ],
)
def test_what_is_no_progression_is_named(text, match):
  with pytest.raises(AurlError, match=match):
    progressions.parse(text)


@hypothesis.given(st.text('ACm7|% /#', max_size=20))
def test_any_text_is_a_progression_or_an_error_of_ours(text):
  try:
    found = progressions.parse(text)
  except AurlError:
    return
  assert all(found)
