"""What a model can be asked for, told before anybody asks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

import aurl_jax
from aurl_jax.core.errors import AurlError
from aurl_jax.deploy.composer import Composer
from aurl_jax.generation.remake import Between, Vary
from aurl_jax.music.notes import Notes, Track
from aurl_jax.serving.fonts import Font
from aurl_jax.serving.settings import Settings
from aurl_jax.tokens import control_dropout, controls

_CHORD = (72, 67, 64, 48)
_VOICES = ('Soprano', 'Alto', 'Tenor', 'Bass')


def of(composer: Composer, settings: Settings) -> dict[str, Any]:
  """Returns facts about a model, as JSON's own types.

  Returns:
    `can`: what may be asked for (a route's name) -> '' if it can, else why
    not; `dials`: of its latents; `latents`: whether it has some; `controls`:
    name -> number of levels, or none; `defaults` of its requests; `context`:
    steps; `limits` of what is sent; `sound_font`: `name` and `bytes` of the one
    that the studio plays by, or None; `tokenizer`; `version` of aurl_jax.
  """
  config = composer.model.config
  latents = bool(config.has_latents)
  return {
    'version': aurl_jax.__version__,
    'tokenizer': type(composer.tokenizer).__name__,
    'context': config.context,
    'latents': latents,
    'dials': [] if composer.dials is None else list(composer.dials.deviations),
    'controls': _controls(composer),
    'defaults': dict(composer.defaults),
    'can': {name: _why(composer, asked) for name, asked in _trials().items()}
    | {'turn': '' if latents else 'this model has no latents; take pop_dials'},
    'limits': {
      'bytes': settings.midi.bytes,
      'notes': settings.notes,
      'beats': settings.beats,
    },
    'sound_font': _font(settings.font),
  }


def _font(font: Font | None) -> dict[str, Any] | None:
  return None if font is None else {'name': font.name, 'bytes': font.bytes}


def _trials() -> dict[str, Mapping[str, Any]]:
  """Returns what is asked of a model to see what it can: four voices."""
  music = Notes.build(
    4,
    {
      'onset': np.repeat(np.arange(0, 32, 8), 4),
      'duration': 8,
      'pitch': np.tile(_CHORD, 4),
      'track': np.tile(range(4), 4),
    },
    tracks=[Track(name=name) for name in _VOICES],
  )
  return {
    'generate': {},
    'continue': {'prompt': music},
    'infill': {'prompt': music, 'rewrite': (0, 1)},
    'vary': {'remake': Vary(music)},
    'interpolate': {'remake': Between(music, music)},
  }


def _why(composer: Composer, asked: Mapping[str, Any]) -> str:
  """Returns why a model cannot do what is asked, '' if it can."""
  try:
    composer.check(composer.request(**asked))
  except AurlError as error:
    return str(error)
  return ''


def _controls(composer: Composer) -> dict[str, int]:
  """Returns how many levels the controls of a whole piece have."""
  if not control_dropout.has_controls(composer.tokenizer.codec):
    return {}
  return {
    'key': 24,
    'density': len(controls.DENSITY) + 1,
    'polyphony': len(controls.POLYPHONY) + 1,
    'register': 11,
  }
