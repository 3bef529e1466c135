"""Sound fonts of plain waves, written by the letter of SoundFont 2.04.

They share nothing with what reads them. A font is made of presets: (bank,
program) -> the frequency in Hz of the sine that its note 60 sounds as, so that
what is heard tells which preset, and which pitch, it was.
"""

import math
import struct

RATE = 44_100
ROOT = 60
DRUMS = 128
"""The bank of drums."""
_INSTRUMENT, _SAMPLE, _LOOPS = 41, 53, 54
"""Generators."""


def chunk(name, data):
  return name + struct.pack('<I', len(data)) + data + b'\0' * (len(data) % 2)


def listed(name, *chunks):
  return chunk(b'LIST', name + b''.join(chunks))


def text(word, size=20):
  return word.encode().ljust(size, b'\0')


def wave(hertz):
  """A second of a sine, of whole periods, as 16-bit numbers."""
  numbers = [
    round(20_000 * math.sin(2 * math.pi * hertz * i / RATE))
    for i in range(RATE)
  ]
  return struct.pack(f'<{RATE}h', *numbers)


def font(presets):
  """A SoundFont 2: one sample, instrument and preset each."""
  pieces = {hertz: wave(hertz) + bytes(92) for hertz in presets.values()}
  places, samples = {}, b''
  for hertz, data in pieces.items():
    places[hertz] = len(samples) // 2
    samples += data
  heads = [(start, start + RATE) for start in places.values()]
  return packed(presets, samples, list(places), heads, kind=1)


def packed(presets, samples, names, heads, *, kind, version=(2, 1)):
  """A font of samples; heads: where each begins and ends."""
  headers = b''
  for hertz, (start, end) in zip(names, heads, strict=True):
    # Loops of a compressed sample are counted from its own beginning.
    first = 0 if kind & 16 else start
    loop = (first, first + RATE)
    headers += text(str(hertz)) + struct.pack(
      '<IIIIIBbHH', start, end, *loop, RATE, ROOT, 0, 0, kind
    )
  headers += text('EOS') + bytes(26)
  presets = dict(sorted(presets.items()))
  preset_heads = b''.join(
    text(f'{bank}:{program}')
    + struct.pack('<HHHIII', program, bank, i, 0, 0, 0)
    for i, (bank, program) in enumerate(presets)
  )
  count = len(presets)
  preset_heads += text('EOP') + struct.pack('<HHHIII', 0, 0, count, 0, 0, 0)
  bags = b''.join(struct.pack('<HH', i, 0) for i in range(count + 1))
  generators = b''.join(
    struct.pack('<HH', _INSTRUMENT, names.index(hertz))
    for hertz in presets.values()
  )
  kinds = len(names)
  instruments = b''.join(
    text(str(hertz)) + struct.pack('<H', i) for i, hertz in enumerate(names)
  )
  instruments += text('EOI') + struct.pack('<H', kinds)
  zones = b''.join(struct.pack('<HH', 2 * i, 0) for i in range(kinds + 1))
  parts = b''.join(
    struct.pack('<HHHH', _LOOPS, 1, _SAMPLE, i) for i in range(kinds)
  )
  body = (
    listed(
      b'INFO',
      chunk(b'ifil', struct.pack('<HH', *version)),
      chunk(b'isng', text('EMU8000', 8)),
      chunk(b'INAM', text('waves', 6)),
    )
    + listed(b'sdta', chunk(b'smpl', samples))
    + listed(
      b'pdta',
      chunk(b'phdr', preset_heads),
      chunk(b'pbag', bags),
      chunk(b'pmod', bytes(10)),
      chunk(b'pgen', generators + bytes(4)),
      chunk(b'inst', instruments),
      chunk(b'ibag', zones),
      chunk(b'imod', bytes(10)),
      chunk(b'igen', parts + bytes(4)),
      chunk(b'shdr', headers),
    )
  )
  return chunk(b'RIFF', b'sfbk' + body)


def squeezed(presets, encode):
  """A SoundFont 3: samples as `encode` makes them of 16-bit numbers."""
  names = list(dict.fromkeys(presets.values()))
  heads, samples = [], b''
  for hertz in names:
    data = encode(wave(hertz))
    heads.append((len(samples), len(samples) + len(data)))
    samples += data
  return packed(presets, samples, names, heads, kind=17, version=(3, 0))


def sampled(hertz, bank=0, program=0):
  """Downloadable Sounds: one instrument, of a sine at note 60."""
  tuned = struct.pack('<IHhiIIIIII', 20, ROOT, 0, 0, 0, 1, 16, 0, 0, RATE)
  region = listed(
    b'rgn ',
    chunk(b'rgnh', struct.pack('<6H', 0, 127, 0, 127, 0, 0)),
    chunk(b'wsmp', tuned),
    chunk(b'wlnk', struct.pack('<HHII', 0, 0, 1, 0)),
  )
  instrument = listed(
    b'ins ',
    chunk(b'insh', struct.pack('<III', 1, bank, program)),
    listed(b'lrgn', region),
    listed(b'INFO', chunk(b'INAM', text('wave', 6))),
  )
  sound = listed(
    b'wave',
    chunk(b'fmt ', struct.pack('<HHIIHH', 1, 1, RATE, 2 * RATE, 2, 16)),
    chunk(b'data', wave(hertz)),
    listed(b'INFO', chunk(b'INAM', text('wave', 6))),
  )
  body = (
    chunk(b'colh', struct.pack('<I', 1))
    + listed(b'lins', instrument)
    + chunk(b'ptbl', struct.pack('<III', 8, 1, 0))
    + listed(b'wvpl', sound)
    + listed(b'INFO', chunk(b'INAM', text('waves', 6)))
  )
  return chunk(b'RIFF', b'DLS ' + body)
