"""Event files for TensorBoard: curves, images, sound and text."""

import io
import wave
from collections.abc import Mapping, Sequence
from typing import Any

from aurl_jax.core import files
from aurl_jax.core.writers import Media, numbers, plain


class TensorBoardWriter:
  """Event files for TensorBoard, everything at its step."""

  def __init__(self, folder: files.StrPath, config: str = '') -> None:
    """Opens a folder; tensorboardX is imported here and nowhere else.

    Args:
      folder: Where the event files are kept.
      config: Shown as text, at step 0, if given.
    """
    import tensorboardX

    self._writer = tensorboardX.SummaryWriter(str(folder))
    if config:
      self._writer.add_text('config', _fenced(config), 0)

  def write(self, record: Mapping[str, Any]) -> None:
    """Adds each number of a record to the curve of its name."""
    step = int(plain(record['step']))
    for key, number in numbers(record).items():
      self._writer.add_scalar(key, number, step)
    self._writer.flush()

  def samples(self, step: int, media: Sequence[Media]) -> None:
    """Adds pieces to see, to hear and to read of."""
    from tensorboardX.proto import summary_pb2

    for piece in media:
      tag = f'samples/{piece.name}'
      parts = {'image': _image(piece.image), 'audio': _audio(piece.audio)}
      values = [
        summary_pb2.Summary.Value(tag=tag, **{kind: part})
        for kind, part in parts.items()
      ]
      for value in values:
        # Its own ways need PIL and soundfile, to encode what is encoded.
        self._writer.file_writer.add_summary(
          summary_pb2.Summary(value=[value]), step
        )
      self._writer.add_text(tag, piece.text, step)
    self._writer.flush()

  def close(self) -> None:
    """Closes the event file."""
    self._writer.close()


def _fenced(text: str) -> str:
  return '\n'.join(f'    {line}' for line in text.splitlines())


def _image(png: bytes) -> Any:
  """Returns the image as TensorBoard keeps it; sizes are in PNG's IHDR."""
  from tensorboardX.proto import summary_pb2

  return summary_pb2.Summary.Image(
    width=int.from_bytes(png[16:20], 'big'),
    height=int.from_bytes(png[20:24], 'big'),
    colorspace=4,
    encoded_image_string=png,
  )


def _audio(wav: bytes) -> Any:
  from tensorboardX.proto import summary_pb2

  with wave.open(io.BytesIO(wav)) as sound:
    return summary_pb2.Summary.Audio(
      sample_rate=sound.getframerate(),
      num_channels=sound.getnchannels(),
      length_frames=sound.getnframes(),
      encoded_audio_string=wav,
      content_type='audio/wav',
    )
