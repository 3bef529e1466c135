"""The page of the Space; `music.py` does the work."""

from typing import Any

import gradio
import music

from aurl_jax.core.errors import AurlError


def show(*values: Any) -> tuple[str, str, str, str]:
  """Returns roll, sound, file and words for what was asked on the page."""
  try:
    made = music.write(*values)
  except AurlError as error:
    raise gradio.Error(music.cause(error)) from error
  return made.roll, made.sound, made.midi, made.told


def build() -> gradio.Blocks:
  """Returns the page."""
  with gradio.Blocks(title='aurl_jax', analytics_enabled=False) as page:
    gradio.Markdown(
      '# Music by aurl_jax\nRules are kept in every bar; what cannot be is told'
    )
    with gradio.Row():
      with gradio.Column():
        name = gradio.Radio(
          [(told, name) for name, told in music.MODELS.items()],
          value='pop',
          label='Model',
        )
        bars = gradio.Slider(1, music.MOST_BARS, 8, step=1, label='Bars')
        key = gradio.Textbox(label='Key', placeholder='D minor')
        chords = gradio.Textbox(label='Chords', placeholder='Dm7 | A7 | Gm | %')
        tempo = gradio.Slider(
          0, 200, 0, step=1, label='Tempo (0: as the model likes)'
        )
        temperature = gradio.Slider(0, 2, 1, step=0.05, label='Temperature')
        seed = gradio.Number(1, precision=0, label='Seed')
        button = gradio.Button('Write', variant='primary')
        prompt = gradio.File(
          label='Go on from this MIDI file',
          file_types=['.mid', '.midi'],
          type='filepath',
          height=120,
        )
      with gradio.Column():
        roll = gradio.Image(label='Piano roll', type='filepath')
        sound = gradio.Audio(label='Sound', type='filepath')
        file = gradio.File(label='MIDI')
        told = gradio.Markdown()
    button.click(
      show,
      [name, bars, seed, temperature, key, chords, tempo, prompt],
      [roll, sound, file, told],
      concurrency_limit=1,
      api_name='write',
    )
  return page


if __name__ == '__main__':
  build().queue(max_size=16).launch()
