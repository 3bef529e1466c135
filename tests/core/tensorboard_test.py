"""What TensorBoard would read, read by the protocol alone."""

import io
import wave

import jax.numpy as jnp
import numpy as np

from aurl_jax.core import tensorboard
from aurl_jax.core.writers import Media


def events(folder):
  from tensorboardX.proto import event_pb2

  (path,) = folder.iterdir()
  data, found = path.read_bytes(), []
  while data:  # TFRecord: length, crc, event, crc.
    size = int.from_bytes(data[:8], 'little')
    found.append(event_pb2.Event.FromString(data[12 : 12 + size]))
    data = data[16 + size :]
  return [
    (event.step, value) for event in found for value in event.summary.value
  ]


def test_numbers_stand_at_their_steps(tmp_path):
  writer = tensorboard.TensorBoardWriter(tmp_path / 'tb')
  writer.write({'step': 7, 'loss': jnp.float32(0.25), 'note': 'x', 'n': None})
  writer.write({'step': 8, 'loss': float('inf'), 'samples': ['a.mid']})
  writer.close()
  values = [(s, v.tag, v.simple_value) for s, v in events(tmp_path / 'tb')]
  assert values == [(7, 'loss', 0.25)]


def test_samples_and_config_are_there_to_see_hear_and_read(tmp_path):
  import matplotlib.image

  image, sound = io.BytesIO(), io.BytesIO()
  matplotlib.image.imsave(image, np.zeros((5, 9, 4)), format='png')
  with wave.open(sound, 'wb') as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(8000)
    file.writeframes(bytes(2 * 123))
  media = Media('piece_1', image.getvalue(), sound.getvalue(), 'seed 3')
  writer = tensorboard.TensorBoardWriter(tmp_path / 'tb', '{"seed": 3}')
  writer.samples(11, [media])
  writer.close()
  config, roll, audio, text = events(tmp_path / 'tb')
  assert (config[0], config[1].tag) == (0, 'config/text_summary')
  assert config[1].tensor.string_val == [b'    {"seed": 3}']
  assert [s for s, _ in (roll, audio, text)] == [11, 11, 11]
  found = roll[1].image
  assert (roll[1].tag, found.width, found.height) == ('samples/piece_1', 9, 5)
  assert found.encoded_image_string == media.image
  found = audio[1].audio
  assert (found.sample_rate, found.num_channels) == (8000, 1)
  assert (found.length_frames, found.content_type) == (123, 'audio/wav')
  assert found.encoded_audio_string == media.audio
  assert text[1].metadata.plugin_data.plugin_name == 'text'
  assert text[1].tensor.string_val == [b'seed 3']
