"""Names of pitches, keys and General MIDI instruments.

The instrument names are those of "General MIDI System Level 1" (MIDI
Manufacturers Association, RP-003).
"""

PITCH_CLASSES = (
  'C', 'C♯', 'D', 'E♭', 'E', 'F', 'F♯', 'G', 'A♭', 'A', 'B♭', 'B'
)  # fmt: skip
"""How pitch classes are spelled where the key does not tell."""
BLACK_KEYS = frozenset({1, 3, 6, 8, 10})
"""Pitch classes of the black keys of a piano."""

_MAJOR = (
  'C♭', 'G♭', 'D♭', 'A♭', 'E♭', 'B♭', 'F', 'C', 'G', 'D', 'A', 'E', 'B', 'F♯',
  'C♯',
)  # fmt: skip
_MINOR = (
  'A♭', 'E♭', 'B♭', 'F', 'C', 'G', 'D', 'A', 'E', 'B', 'F♯', 'C♯', 'G♯', 'D♯',
  'A♯',
)  # fmt: skip


def pitch_name(pitch: int) -> str:
  """Returns the name of a MIDI pitch with its octave; 60 is 'C4'."""
  return f'{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}'


def key_name(fifths: int, minor: bool) -> str:
  """Returns the name of a key, such as 'E♭ major'.

  Args:
    fifths: Sharps of the signature, flats negative, -7..7.
    minor: Whether it is the minor key of that signature.
  """
  if not -7 <= fifths <= 7:
    raise ValueError(f'{fifths} sharps; a key has -7..7')
  tonic = (_MINOR if minor else _MAJOR)[fifths + 7]
  return f'{tonic} {"minor" if minor else "major"}'


def drum_name(pitch: int) -> str:
  """Returns the percussion instrument of a pitch; the pitch if none."""
  if 35 <= pitch < 35 + len(DRUMS):
    return DRUMS[pitch - 35]
  return f'drum {pitch}'


FAMILY, FAMILIES = 8, 16
"""Programs of a General MIDI family, and how many there are, drums aside."""
CONTOURS = (
  'convex',
  'concave',
  'ascending',
  'descending',
  'horizontal',
  'ascending-horizontal',
  'descending-horizontal',
  'horizontal-ascending',
  'horizontal-descending',
)
"""Shapes of a melody: Huron's classes. Their numbers are kept in ids."""
FORMS = (
  'empty',
  'single',
  'through-composed',
  'strophic',
  'variations',
  'binary',
  'ternary',
  'AABA',
  'rondo',
  'verse-chorus',
  'sonata-like',
  'mixed',
)
"""Forms of a piece, see `studies.structure.forms`. As numbers likewise."""
PROGRAMS = (
  'Acoustic Grand Piano',
  'Bright Acoustic Piano',
  'Electric Grand Piano',
  'Honky-tonk Piano',
  'Electric Piano 1',
  'Electric Piano 2',
  'Harpsichord',
  'Clavinet',
  'Celesta',
  'Glockenspiel',
  'Music Box',
  'Vibraphone',
  'Marimba',
  'Xylophone',
  'Tubular Bells',
  'Dulcimer',
  'Drawbar Organ',
  'Percussive Organ',
  'Rock Organ',
  'Church Organ',
  'Reed Organ',
  'Accordion',
  'Harmonica',
  'Tango Accordion',
  'Acoustic Guitar (nylon)',
  'Acoustic Guitar (steel)',
  'Electric Guitar (jazz)',
  'Electric Guitar (clean)',
  'Electric Guitar (muted)',
  'Overdriven Guitar',
  'Distortion Guitar',
  'Guitar Harmonics',
  'Acoustic Bass',
  'Electric Bass (finger)',
  'Electric Bass (pick)',
  'Fretless Bass',
  'Slap Bass 1',
  'Slap Bass 2',
  'Synth Bass 1',
  'Synth Bass 2',
  'Violin',
  'Viola',
  'Cello',
  'Contrabass',
  'Tremolo Strings',
  'Pizzicato Strings',
  'Orchestral Harp',
  'Timpani',
  'String Ensemble 1',
  'String Ensemble 2',
  'Synth Strings 1',
  'Synth Strings 2',
  'Choir Aahs',
  'Voice Oohs',
  'Synth Voice',
  'Orchestra Hit',
  'Trumpet',
  'Trombone',
  'Tuba',
  'Muted Trumpet',
  'French Horn',
  'Brass Section',
  'Synth Brass 1',
  'Synth Brass 2',
  'Soprano Sax',
  'Alto Sax',
  'Tenor Sax',
  'Baritone Sax',
  'Oboe',
  'English Horn',
  'Bassoon',
  'Clarinet',
  'Piccolo',
  'Flute',
  'Recorder',
  'Pan Flute',
  'Blown Bottle',
  'Shakuhachi',
  'Whistle',
  'Ocarina',
  'Lead 1 (square)',
  'Lead 2 (sawtooth)',
  'Lead 3 (calliope)',
  'Lead 4 (chiff)',
  'Lead 5 (charang)',
  'Lead 6 (voice)',
  'Lead 7 (fifths)',
  'Lead 8 (bass + lead)',
  'Pad 1 (new age)',
  'Pad 2 (warm)',
  'Pad 3 (polysynth)',
  'Pad 4 (choir)',
  'Pad 5 (bowed)',
  'Pad 6 (metallic)',
  'Pad 7 (halo)',
  'Pad 8 (sweep)',
  'FX 1 (rain)',
  'FX 2 (soundtrack)',
  'FX 3 (crystal)',
  'FX 4 (atmosphere)',
  'FX 5 (brightness)',
  'FX 6 (goblins)',
  'FX 7 (echoes)',
  'FX 8 (sci-fi)',
  'Sitar',
  'Banjo',
  'Shamisen',
  'Koto',
  'Kalimba',
  'Bagpipe',
  'Fiddle',
  'Shanai',
  'Tinkle Bell',
  'Agogo',
  'Steel Drums',
  'Woodblock',
  'Taiko Drum',
  'Melodic Tom',
  'Synth Drum',
  'Reverse Cymbal',
  'Guitar Fret Noise',
  'Breath Noise',
  'Seashore',
  'Bird Tweet',
  'Telephone Ring',
  'Helicopter',
  'Applause',
  'Gunshot',
)
"""Names of the programs 0..127."""

DRUMS = (
  'Acoustic Bass Drum',
  'Bass Drum 1',
  'Side Stick',
  'Acoustic Snare',
  'Hand Clap',
  'Electric Snare',
  'Low Floor Tom',
  'Closed Hi-Hat',
  'High Floor Tom',
  'Pedal Hi-Hat',
  'Low Tom',
  'Open Hi-Hat',
  'Low-Mid Tom',
  'Hi-Mid Tom',
  'Crash Cymbal 1',
  'High Tom',
  'Ride Cymbal 1',
  'Chinese Cymbal',
  'Ride Bell',
  'Tambourine',
  'Splash Cymbal',
  'Cowbell',
  'Crash Cymbal 2',
  'Vibraslap',
  'Ride Cymbal 2',
  'Hi Bongo',
  'Low Bongo',
  'Mute Hi Conga',
  'Open Hi Conga',
  'Low Conga',
  'High Timbale',
  'Low Timbale',
  'High Agogo',
  'Low Agogo',
  'Cabasa',
  'Maracas',
  'Short Whistle',
  'Long Whistle',
  'Short Guiro',
  'Long Guiro',
  'Claves',
  'Hi Wood Block',
  'Low Wood Block',
  'Mute Cuica',
  'Open Cuica',
  'Mute Triangle',
  'Open Triangle',
)
"""Names of the drums of pitch 35..81."""
