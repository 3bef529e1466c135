import pytest

from aurl_jax.music import theory


def test_general_midi_is_complete():
  assert len(theory.PROGRAMS) == 128
  assert len(set(theory.PROGRAMS)) == 128
  assert theory.PROGRAMS[0] == 'Acoustic Grand Piano'
  assert theory.PROGRAMS[40] == 'Violin'
  assert theory.PROGRAMS[73] == 'Flute'
  assert theory.PROGRAMS[127] == 'Gunshot'


@pytest.mark.parametrize(
  ('pitch', 'name'),
  [(35, 'Acoustic Bass Drum'), (42, 'Closed Hi-Hat'), (81, 'Open Triangle'),
   (34, 'drum 34'), (82, 'drum 82')],
)  # fmt: skip
def test_drums_have_names(pitch, name):
  assert theory.drum_name(pitch) == name


@pytest.mark.parametrize(
  ('pitch', 'name'),
  [(60, 'C4'), (69, 'A4'), (0, 'C-1'), (127, 'G9'), (61, 'C♯4')],
)
def test_pitches_have_names(pitch, name):
  assert theory.pitch_name(pitch) == name


@pytest.mark.parametrize(
  ('fifths', 'minor', 'name'),
  [(0, False, 'C major'), (0, True, 'A minor'), (-3, True, 'C minor'),
   (7, False, 'C♯ major'), (-7, True, 'A♭ minor'), (2, False, 'D major')],
)  # fmt: skip
def test_keys_have_names(fifths, minor, name):
  assert theory.key_name(fifths, minor) == name


def test_a_key_has_at_most_seven_signs():
  with pytest.raises(ValueError, match='8 sharps'):
    theory.key_name(8, False)
