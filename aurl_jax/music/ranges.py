"""Which pitches the instruments of General MIDI can play.

Sounding pitches from the lowest to the highest that a good player reaches,
for the instruments of an orchestra as books of orchestration give them (Adler,
"The Study of Orchestration", say; not compared page by page); a piano's 88
keys where a keyboard plays a sampled one. Sounds that nobody built have no
range.
"""

ALL = (0, 127)
"""Of synthesisers and effects."""

_PIANO = (21, 108)
_ORGAN = (24, 108)
_GUITAR = (40, 88)
_BASS = (23, 67)
_KNOWN: tuple[tuple[int, ...], ...] = (
  # First program, last program, lowest pitch, highest pitch.
  (0, 5, *_PIANO),
  (6, 6, 29, 89),
  (7, 7, 28, 89),
  (8, 8, 60, 108),
  (9, 9, 72, 108),
  (10, 10, 48, 108),
  (11, 11, 53, 89),
  (12, 12, 36, 96),
  (13, 13, 65, 108),
  (14, 14, 48, 84),
  (15, 15, 43, 96),
  (16, 20, *_ORGAN),
  (21, 21, 28, 105),
  (22, 22, 48, 98),
  (23, 23, 28, 105),
  (24, 31, *_GUITAR),
  (32, 39, *_BASS),
  (40, 40, 55, 105),
  (41, 41, 48, 93),
  (42, 42, 36, 84),
  (43, 43, 23, 67),
  (44, 45, 23, 105),
  (46, 46, 23, 104),
  (47, 47, 36, 60),
  (48, 49, 23, 105),
  (52, 53, 36, 84),
  (56, 56, 52, 86),
  (57, 57, 34, 77),
  (58, 58, 24, 67),
  (59, 59, 52, 86),
  (60, 60, 34, 79),
  (61, 61, 24, 91),
  (64, 64, 56, 92),
  (65, 65, 49, 86),
  (66, 66, 44, 80),
  (67, 67, 36, 73),
  (68, 68, 58, 93),
  (69, 69, 52, 85),
  (70, 70, 34, 77),
  (71, 71, 50, 96),
  (72, 72, 74, 108),
  (73, 73, 59, 98),
  (74, 74, 53, 98),
  (75, 75, 48, 96),
)
RANGES: tuple[tuple[int, int], ...] = tuple(
  next(((low, high) for a, b, low, high in _KNOWN if a <= n <= b), ALL)
  for n in range(128)
)
"""(lowest, highest) pitch of each program 0..127, both included."""
