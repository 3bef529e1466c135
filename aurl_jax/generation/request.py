"""`Request`: what a piece shall be, in one value for every way in."""

import dataclasses
import math
import numbers
from collections.abc import Sequence
from typing import Any

from aurl_jax.core.errors import ConfigError
from aurl_jax.generation import source, templates
from aurl_jax.generation.errors import RequestError
from aurl_jax.generation.form import Form
from aurl_jax.generation.remake import Arrange, Between, Like, Vary
from aurl_jax.generation.sampling import Sampler
from aurl_jax.generation.source import Music
from aurl_jax.generation.tune import Tune
from aurl_jax.generation.wish import Wish
from aurl_jax.music.notes import Notes
from aurl_jax.tokens.controls import Controls
from aurl_jax.tokens.infill_parts import Part

_WHOLE = {
  'n': (1, 100_000),
  'bars': (0, 100_000),
  'steps': (0, 1 << 24),
  'top_k': (0, (1 << 31) - 1),
  'seed': (0, (1 << 63) - 1),
  'repeat': (0, 1 << 24),
  'original': (0, 1 << 24),
  'beams': (0, 64),
  'speculate': (0, 64),
  'retries': (0, 16),
  'crowd': (0, 1000),
  'drafts': (0, 64),
}
"""The ranges of the whole numbers of a request."""
_REAL = (
  'temperature',
  'top_p',
  'typical_p',
  'min_p',
  'guidance',
  'diversity',
  'minutes',
)
LINES = ('melody', 'accompaniment', 'bass')
"""What may be given."""
_NOT_LONG = (
  'bars',
  'steps',
  'prompt',
  'rewrite',
  'wish',
  'tune',
  *LINES,
  'beams',
  'speculate',
  'repeat',
  'like',
  'remake',
  'drafts',
)
"""What a piece of a form cannot have."""
_NOT_REMADE = (
  'bars',
  'steps',
  'repeat',
  'original',
  'prompt',
  'meter',
  'tempo',
  'rewrite',
  'controls',
  'wish',
  'tune',
  *LINES,
  'beams',
  'speculate',
  'form',
  'minutes',
  'like',
  'drafts',
)
"""What music that is made of other music cannot have."""
_LONGEST = 20.0
"""Minutes of a piece."""
_STRONGEST = 20.0
"""Guidance beyond which nothing of the model is left."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
  """A wish for pieces.

  Attributes:
    n: Pieces.
    bars: Bars that each piece has, or adds to its prompt; 0 leaves the end to
      the model.
    steps: Steps of a piece at most, prompt included; 0 takes the context.
    temperature: See `Sampler`; 0 is greedy.
    top_k: See `Sampler`.
    top_p: See `Sampler`.
    typical_p: See `Sampler`.
    min_p: See `Sampler`.
    repeat: Steps of the longest run that may stand twice in a piece (notes, in
      `compound`); 0 for any (`generation.repeats`).
    original: Notes in a row of a track that no piece may have as the training
      music has them, in any key (`generation.original`), for models that carry
      an index of that; 0 for any.
    seed: Of the first piece; the others count on.
    prompt: Music to go on from: notes, or a MIDI file; None begins anew.
    excerpt: Bars of the prompt that are meant: the first, counted from 0, and
      one past the last; None for all. Bars in `rewrite` are counted in it.
    meter: Numerator and denominator of the first bar; None leaves it to the
      model, or takes the tokenization's default where that has to know.
    tempo: Quarter notes a minute at the start; None likewise.
    rewrite: Bars of the prompt to write anew: the first, counted from 0, and
      one past the last; None for none. For models trained to infill.
    given: What of these bars stays: `melody`, `bass` or `chords`; '' leaves
      nothing but tempos.
    tracks: What of them is written anew: (program, voice) of tracks, 128 for
      drums, of a grid (0, number of the voice); empty takes all.
    drafts: Of the bars in rewrite, how many are drawn for each piece, of which
      the one is told after which what is given behind them is the likeliest,
      and without leaps into it (`generation.following`); 0 tells the first.
      Piece i has the seeds from `seed + i * drafts` on.
    controls: What the piece is to be like (`tokens.controls`), for models
      trained with controls; None leaves it to the model. Pieces of a form take
      those of the piece.
    guidance: How closely controls are followed: 1 is the model as it is, 1.5
      to 3 is usual; see `guidance.guided`.
    wish: Rules that the notes of the added bars keep (`generation.wish`);
      None for none. Of several wishes, all but one have a weight.
    tune: Shapes and motifs that a melody leans to (`generation.tune`).
    melody: Music that stays as it is, to which the rest is written: notes, or
      a MIDI file (`generation.given`). `bars` are those of the whole piece, 0
      for those of what is given.
    accompaniment: Likewise.
    bass: Likewise.
    beams: Beginnings that a search keeps, at most 64, of which the `n` best
      are told when they have ended (`generation.beam`): the likeliest pieces,
      whatever temperature, filters and seed are. 0 draws pieces.
    diversity: How much the beginnings shall differ, nats for each id that
      two of them share; 0 keeps the best ones, 0.2 to 0.8 is usual.
    speculate: Steps that are guessed ahead from earlier bars, one piece after
      the other (`generation.speculate`): the same pieces, in fewer passes of
      the network, which is slower on a CPU. 0 guesses none.
    retries: How often at most a piece is drawn anew, with safer settings, that
      is no music, lacks bars, breaks a wish or crowds (`generation.retries`).
    crowd: Notes that begin at once beyond which a piece is drawn anew, unless
      music that was given has as many; 0 for any number. Pieces of a form have
      a bound of their own (`generation.judge`).
    form: Sections of a long piece, such as 'AABA' (`generation.form`), which
      is as long as they are; '' is a piece without a plan. One of
      `templates.SOURCES` draws one for `minutes`: of those that people
      labelled in songs, that the study of structure hears in them, or in
      scores.
    forms: Which of them is meant where only `minutes` are given.
    minutes: How long a piece of a form lasts, at most 20: the form is repeated,
      and the tempo set where it is left open. Without a form one is drawn
      for each piece (`generation.templates`). 0 leaves the length to the form.
    like: Music whose style is to be met (`generation.remake`).
    remake: What is made of music that is there: a new version (`Vary`), or
      what is between two pieces (`Between`).
    arrange: Who plays what has been written, and how humanly.

  Raises:
    RequestError: A value out of its range.
  """

  n: int = 1
  bars: int = 0
  steps: int = 0
  temperature: float | int = 1.0
  top_k: int = 0
  top_p: float | int = 1.0
  typical_p: float | int = 1.0
  min_p: float | int = 0.0
  repeat: int = 0
  original: int = 0
  seed: int = 0
  prompt: Music | None = None
  excerpt: tuple[int, int] | None = None
  meter: tuple[int, int] | None = None
  tempo: float | int | None = None
  rewrite: tuple[int, int] | None = None
  given: str = ''
  tracks: tuple[tuple[int, int], ...] = ()
  drafts: int = 0
  controls: Controls | None = None
  guidance: float | int = 1.0
  wish: Wish | tuple[Wish, ...] | None = None
  tune: Tune | None = None
  melody: Music | None = None
  accompaniment: Music | None = None
  bass: Music | None = None
  beams: int = 0
  diversity: float | int = 0.0
  speculate: int = 0
  retries: int = 2
  crowd: int = 0
  form: str = ''
  forms: str = templates.SOURCES[0]
  minutes: float | int = 0.0
  like: Like | None = None
  remake: Vary | Between | None = None
  arrange: Arrange | None = None

  def __post_init__(self) -> None:
    for name, (low, high) in _WHOLE.items():
      value = getattr(self, name)
      if not _is_whole(value) or not low <= value <= high:
        raise RequestError(
          f'{name} must be a whole number in {low}..{high}, not {value!r}'
        )
      # Of numpy, say: a plain number from here on.
      object.__setattr__(self, name, int(value))
    for name in _REAL:
      value = getattr(self, name)
      if not _is_real(value):
        raise RequestError(f'{name} must be a number, not {value!r}')
      object.__setattr__(self, name, float(value))
    _check_start(self)
    _check_rewrite(self)
    if sum(wish.weight is None for wish in self.wishes) > 1:
      raise RequestError(
        'two wishes have no weight; write them as one, or give weights',
        code='wish',
      )
    _check_tune(self)
    _check_beams(self)
    _check_form(self)
    _check_remade(self)
    if not 0 <= self.guidance <= _STRONGEST:
      raise RequestError(
        f'guidance must be in 0..{_STRONGEST:g}, not {self.guidance:g}'
      )
    if self.prompt is not None and (self.meter or self.tempo):
      raise RequestError('a prompt has its own meter and tempo; give neither')
    # Its constructor checks the values.
    _ = self.sampler

  @property
  def wishes(self) -> tuple[Wish, ...]:
    """All wishes, that without a weight first."""
    if self.wish is None:
      return ()
    found = (self.wish,) if isinstance(self.wish, Wish) else self.wish
    return tuple(sorted(found, key=lambda wish: wish.weight is not None))

  @property
  def sampler(self) -> Sampler:
    """How ids are drawn."""
    return Sampler(
      temperature=self.temperature,
      top_k=self.top_k,
      top_p=self.top_p,
      typical_p=self.typical_p,
      min_p=self.min_p,
    )

  def prompt_notes(self) -> Notes | None:
    """Returns the music to go on from.

    Raises:
      MidiError: The file holds no music.
      RequestError: There is no such file, or the prompt has no notes, or not
        the bars in excerpt.
    """
    if self.prompt is None:
      return None
    return source.read('prompt', self.prompt, self.excerpt)

  def opened(self) -> 'Request':
    """Returns the request with notes for the files that it begins with.

    Whoever asks several times for the music so reads each file once.

    Raises:
      MidiError, RequestError: As `prompt_notes`.
    """
    found: dict[str, Any] = self.lines()
    if self.prompt is not None:
      found |= {'prompt': self.prompt_notes(), 'excerpt': None}
    return dataclasses.replace(self, **found) if found else self

  @property
  def rows(self) -> int:
    """Pieces that are drawn, drafts among them."""
    return self.n * max(1, self.drafts)

  @property
  def long(self) -> bool:
    """Whether a piece of a form is asked for."""
    return bool(self.form or self.minutes)

  @property
  def apart(self) -> bool:
    """Whether its pieces are not simply rows that are drawn side by side."""
    return bool(self.long or self.remake or self.beams or self.speculate)

  @property
  def gives(self) -> bool:
    """Whether any music is given."""
    return any(getattr(self, name) is not None for name in LINES)

  def lines(self) -> dict[str, Notes]:
    """Returns the music that is given, by `LINES`.

    Raises:
      MidiError, RequestError: As `prompt_notes`.
    """
    told = {name: getattr(self, name) for name in LINES}
    return {
      n: source.read(n, line) for n, line in told.items() if line is not None
    }


def _is_whole(value: Any) -> bool:
  return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
  return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _check_start(request: Request) -> None:
  """Raises RequestError unless prompt, meter and tempo can be what they are."""
  meter, tempo, prompt = request.meter, request.tempo, request.prompt
  if meter is not None:
    pair = isinstance(meter, Sequence) and not isinstance(meter, str)
    if not pair or len(meter) != 2 or not all(map(_is_whole, meter)):
      raise RequestError(
        f'meter must be a pair of whole numbers such as (3, 4), not {meter!r}'
      )
  if tempo is not None and not (_is_real(tempo) and 0 < tempo < math.inf):
    raise RequestError(
      f'tempo must be a positive number of beats a minute, not {tempo!r}'
    )
  for name in ('prompt', *LINES):
    music = getattr(request, name)
    if music is not None:
      source.check(name, music)
  if request.excerpt is not None:
    if prompt is None:
      raise RequestError('excerpt names bars of a prompt; give a prompt too')
    _check_bars('excerpt', request.excerpt)
  if request.gives and (prompt is not None or meter or tempo):
    raise RequestError(
      'music that is given has its own meter and tempo, and begins the piece; '
      'leave out prompt, meter and tempo',
      code='given',
    )


def _check_tune(request: Request) -> None:
  """Raises RequestError unless a melody can lean to what is asked."""
  if not isinstance(request.tune, Tune | None):
    raise RequestError(
      f'tune must be a generation.tune.Tune, not {request.tune!r}', code='tune'
    )
  if request.tune is not None and (request.rewrite or request.gives):
    raise RequestError(
      'tune: bars that are written anew, or to music that is given, lean to '
      'none; leave it out',
      code='tune',
    )


def _check_beams(request: Request) -> None:
  """Raises RequestError unless the search can give what is asked."""
  if request.diversity < 0 or (request.diversity and not request.beams):
    raise RequestError(
      f'diversity {request.diversity:g}: it is at least 0, and of beams; give '
      'beams too, or leave it out'
    )
  if request.beams and request.speculate:
    raise RequestError(
      'guesses are of pieces that are drawn; leave out beams, or speculate'
    )
  if request.drafts and (request.beams or request.speculate):
    raise RequestError(
      'drafts are drawn, all at once; leave out beams and speculate, or drafts'
    )
  if request.beams and request.n > request.beams:
    raise RequestError(
      f'{request.n} pieces are more than the {request.beams} beams that find '
      'them; ask for as many beams, or for fewer pieces'
    )


def _check_form(request: Request) -> None:
  """Raises RequestError unless a piece of a form can be what is asked."""
  if not 0 <= request.minutes <= _LONGEST:
    raise RequestError(
      f'minutes must be in 0..{_LONGEST:g}, not {request.minutes:g}'
    )
  if not isinstance(request.form, str):
    raise RequestError(
      f"form must be a text such as 'AABA', not {request.form!r}"
    )
  if request.forms not in templates.SOURCES:
    raise RequestError(
      f'forms must be one of {", ".join(templates.SOURCES)}, not '
      f'{request.forms!r}'
    )
  if not request.long:
    return
  if request.form in templates.SOURCES:
    if not request.minutes:
      raise RequestError(
        f'form {request.form!r} is drawn to a length; give minutes, or letters '
        "such as 'AABA'",
        code='form',
      )
  elif request.form:
    Form.parse(request.form)
  beside = [name for name in _NOT_LONG if getattr(request, name)]
  if request.guidance != 1:
    beside.append('guidance')
  if request.controls is not None and request.controls.bars:
    beside.append('controls of bars')
  if beside:
    raise RequestError(
      f'a piece of a form takes no {", ".join(beside)}; leave that out, or '
      'form and minutes',
      code='form',
    )


def _check_remade(request: Request) -> None:
  """Raises RequestError unless music can be made of other music as asked."""
  kinds = {'like': Like, 'remake': Vary | Between, 'arrange': Arrange}
  for name, kind in kinds.items():
    value = getattr(request, name)
    if not isinstance(value, kind | None):
      raise RequestError(
        f'{name} must be a value of generation.remake, not {value!r}'
      )
  if request.remake is None:
    return
  beside = [name for name in _NOT_REMADE if getattr(request, name)]
  if request.guidance != 1:
    beside.append('guidance')
  if beside:
    raise RequestError(
      'music that is made of other music has its bars, and takes no '
      f'{", ".join(beside)}; leave that out, or remake',
      code='remake',
    )


def _check_rewrite(request: Request) -> None:
  """Raises RequestError unless what is written anew can be meant."""
  if request.rewrite is None:
    if request.given or request.tracks or request.drafts:
      raise RequestError(
        'given, tracks and drafts are about the bars in rewrite that are '
        'written anew; give rewrite too'
      )
    return
  _check_bars('rewrite', request.rewrite)
  if request.wishes:
    raise RequestError(
      'a wish is about bars that are added, not about those written anew; '
      'leave out the wish, or rewrite',
      code='wish',
    )
  if request.prompt is None or request.bars:
    raise RequestError(
      'rewrite writes bars of a prompt anew; give a prompt, and no bars'
    )
  try:
    Part(given=request.given, tracks=request.tracks)
  except ConfigError as error:
    raise RequestError(str(error)) from error


def _check_bars(name: str, bars: Any) -> None:
  """Raises RequestError unless a field names bars."""
  try:
    first, last = bars
    fits = _is_whole(first) and _is_whole(last) and 0 <= first < last
  except (TypeError, ValueError):
    fits = False
  if not fits:
    raise RequestError(
      f'{name} must be a pair of bars, the first from 0 and one past the last, '
      f'such as (4, 8), not {bars!r}'
    )
