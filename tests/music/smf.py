"""MIDI files by hand: the bytes of events, tracks and files."""

import struct


def number(value: int) -> bytes:
  groups = [value & 0x7F]
  while value := value >> 7:
    groups.append(value & 0x7F | 0x80)
  return bytes(reversed(groups))


def on(pitch, velocity=64, channel=0):
  return bytes([0x90 | channel, pitch, velocity])


def off(pitch, velocity=0, channel=0):
  return bytes([0x80 | channel, pitch, velocity])


def program(value, channel=0):
  return bytes([0xC0 | channel, value])


def control(kind, value, channel=0):
  return bytes([0xB0 | channel, kind, value])


def bend(value, channel=0):
  return bytes([0xE0 | channel, (value + 8192) & 0x7F, (value + 8192) >> 7])


def meta(kind, payload=b''):
  return bytes([0xFF, kind]) + number(len(payload)) + payload


def name(text):
  return meta(0x03, text.encode())


END = meta(0x2F)


def chunk(body, kind=b'MTrk', length=None):
  return (
    kind + struct.pack('>I', len(body) if length is None else length) + body
  )


def track(*events, end=True):
  body = b''.join(number(delta) + event for delta, event in events)
  return chunk(body + (number(0) + END if end else b''))


def file(*tracks, format_=1, division=480, count=None):
  count = len(tracks) if count is None else count
  header = struct.pack('>4sIHHH', b'MThd', 6, format_, count, division)
  return header + b''.join(tracks)


NOTE = ((0, on(60)), (480, off(60)))
"""A note of a beat."""
