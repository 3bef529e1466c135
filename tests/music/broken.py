"""What befalls MIDI files: sound bytes and a random source to broken ones."""

import functools
import struct

from tests.music import smf

_SIZES = {0xC0: 1, 0xD0: 1}


def bodies(data):
  """Returns start and end of what stands inside each track of a sound file."""
  spans, position = [], 14
  while position < len(data):
    (length,) = struct.unpack_from('>I', data, position + 4)
    spans.append((position + 8, position + 8 + length))
    position += 8 + length
  return spans


@functools.lru_cache(maxsize=2)
def messages(data):
  """Returns where each channel message stands: (status, data, end).

  The status is None where it runs on.
  """
  found = []
  for start, end in bodies(data):
    position, running = start, 0
    while position < end:
      while data[position] > 0x7F:
        position += 1
      position += 1
      status = position
      if data[position] in (0xF0, 0xF7, 0xFF):
        position += 1 + (data[position] == 0xFF)
        length = 0
        while data[position] > 0x7F:
          length = length << 7 | data[position] & 0x7F
          position += 1
        position += 1 + (length << 7 | data[position])
        continue
      if data[position] > 0x7F:
        running, position = data[position], position + 1
      after = position + _SIZES.get(running & 0xF0, 2)
      found.append((status if status < position else None, position, after))
      position = after
  return found


def _junk(source):
  """Some bytes that name no chunk."""
  while True:
    junk = source.randbytes(source.randint(1, 40))
    if b'MT' not in junk and junk[-1:] not in (b'M', b'\0'):
      return junk


def _boundary(data, source):
  return source.choice([14, *(end for _, end in bodies(data))])


def _put(data, position, new, until=None):
  return data[:position] + new + data[position if until is None else until :]


def short_header(data, source):
  return _put(data, 4, struct.pack('>I', source.choice([0, 4, 5])), 8)


def long_header(data, source):
  return _put(data, 4, struct.pack('>I', source.choice([7, 99, 2**31])), 8)


def lying_length(data, source):
  start, end = source.choice(bodies(data))
  size = len(data)
  lies = [0, 1, end - start - 1, end - start + 1, size, size * 2, 2**32 - 1]
  length = source.choice([lie for lie in lies if lie != end - start])
  return _put(data, start - 4, struct.pack('>I', length), start)


def lying_count(data, source):
  lies = [0, 1, len(bodies(data)) + 1, 65535]
  lie = source.choice([lie for lie in lies if lie != len(bodies(data))])
  return _put(data, 10, struct.pack('>H', lie), 12)


def unknown_format(data, source):
  return _put(data, 8, struct.pack('>H', source.randint(3, 65535)), 10)


def no_header(data, source):
  del source
  return data[14:]


def no_time(data, source):
  return _put(data, 12, source.choice([b'\0\0', b'\xe7\0', b'\x90\x10']), 14)


def leading_junk(data, source):
  return _junk(source) + data


def junk_between(data, source):
  return _put(
    data, _boundary(data[: bodies(data)[-1][0]], source), _junk(source)
  )


def trailing_junk(data, source):
  return data + _junk(source)


def no_end(data, source):
  start, end = source.choice(bodies(data))
  body = smf.chunk(data[start : end - 4])
  return _put(data, start - 8, body, end)


def no_end_and_old_length(data, source):
  _, end = source.choice(bodies(data))
  return data[: end - 4] + data[end:]


def music_behind_the_end(data, source):
  start, end = source.choice(bodies(data))
  body = smf.chunk(data[start:end] + data[end - 4 : end])
  return _put(data, start - 8, body, end)


def padded_delta(data, source):
  """The first delta time of a track, with zeros before it."""
  start, end = source.choice(bodies(data))
  zeros = b'\x80' * source.randint(5, 9)
  return _put(data, start - 8, smf.chunk(zeros + data[start:end]), end)


def wrong_riff(data, source):
  size = struct.pack('<I', source.randint(len(data) + 99, 2**32 - 1))
  return b'RIFF' + size + b'RMIDdata' + size + data


MENDED = (
  short_header, long_header, lying_length, lying_count, unknown_format,
  no_header, no_time, leading_junk, junk_between, trailing_junk, no_end,
  no_end_and_old_length, music_behind_the_end, padded_delta, wrong_riff,
)  # fmt: skip
"""These lose no event, and must be told by an issue."""


def riff(data, source):
  del source
  size, pad = struct.pack('<I', len(data)), len(data) % 2
  outer = struct.pack('<I', 12 + len(data) + pad)
  return b'RIFF' + outer + b'RMIDdata' + size + data + bytes(pad)


def repeated_header(data, source):
  return _put(data, _boundary(data, source), data[:14])


def unknown_chunk(data, source):
  chunk = smf.chunk(source.randbytes(source.randint(0, 30)), b'XFIH')
  return _put(data, _boundary(data, source), chunk)


ODD = (riff, repeated_header, unknown_chunk)
"""These are told by a remark."""


def truncated(data, source):
  return data[: source.randint(14, len(data) - 1)]


def high_data(data, source):
  _, start, end = source.choice(messages(data))
  place = source.randrange(start, end)
  return _put(data, place, bytes([data[place] | 0x80]), place + 1)


def illegal_status(data, source):
  status, start, _ = source.choice(messages(data))
  wrong = bytes([source.choice([0xF1, 0xF4, 0xF5, 0xF6, 0xF8, 0xF9, 0xFD])])
  return _put(data, start if status is None else status, wrong, start)


def missing_status(data, source):
  status, start, _ = messages(data)[0]
  return _put(data, status, b'', start)


def lost_bytes(data, source):
  start, end = source.choice(bodies(data))
  place = source.randrange(start, end)
  return data[:place] + data[place + source.randint(1, 20) :]


def inserted_garbage(data, source):
  start, end = source.choice(bodies(data))
  return _put(data, source.randrange(start, end), _junk(source))


def concatenated(data, source):
  del source
  return data + data


LOSING = (
  truncated, high_data, illegal_status, missing_status, lost_bytes,
  inserted_garbage, concatenated,
)  # fmt: skip
"""These change the music, and must be told by an issue."""


def flipped_bytes(data, source):
  changed = bytearray(data)
  for _ in range(source.randint(1, 9)):
    changed[source.randrange(len(data))] ^= 1 << source.randrange(8)
  return bytes(changed)


def set_bytes(data, source):
  changed = bytearray(data)
  for _ in range(source.randint(1, 9)):
    changed[source.randrange(len(data))] = source.randrange(256)
  return bytes(changed)


def swapped(data, source):
  """Two spans change places."""
  a, b, c, d = sorted(source.randrange(len(data) + 1) for _ in range(4))
  return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def zeroed(data, source):
  start = source.randrange(len(data))
  size = min(source.randint(1, 60), len(data) - start)
  return _put(data, start, bytes(size), start + size)


def many(data, source):
  """Several mutations, one after another."""
  for _ in range(source.randint(2, 4)):
    data = source.choice(UNSEEN[:-1])(data, source) or b'\0'
  return data


UNSEEN = (flipped_bytes, set_bytes, swapped, zeroed, many)
"""These may go unseen: what comes out may be another sound file."""
