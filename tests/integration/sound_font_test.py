"""The studio in a real browser, with a sound font: its sound is measured."""

import contextlib
import io

import numpy as np
import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.music import midi
from aurl_jax.music.notes import Notes, Track
from aurl_jax.serving import fonts
from tests import browser as browser_lib
from tests.serving import scribe, soundfonts, stage

PIANO, STRINGS, DRUM = 1000, 1500, 3000
"""Hz of note 60 by the font's presets; MIDI has it at 261.6."""
PRESETS = {
  (0, 0): PIANO,
  (0, 48): STRINGS,
  (soundfonts.DRUMS, 0): DRUM,
}
PLAIN = 440 * 2 ** (-9 / 12)
BAR = 8
"""Seconds: long enough for a busy machine to listen in it."""

# All that goes to the loudspeaker goes by `window.tap`, too, and who sent it is
# kept; oscillators are counted.
TAP = """
  window.senders = []; window.oscillators = 0; window.worklets = [];
  const { connect } = AudioNode.prototype;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      window.tap = new AnalyserNode(this.context,
        { fftSize: 8192, smoothingTimeConstant: 0 });
      connect.call(this, window.tap);
      window.senders.push(this.constructor.name);
      if (this instanceof AudioWorkletNode) window.worklets.push(this);
    }
    return connect.call(this, to, ...rest);
  };
  const { createOscillator } = AudioContext.prototype;
  AudioContext.prototype.createOscillator = function () {
    window.oscillators++;
    return createOscillator.call(this);
  };"""

# The strongest frequency, in Hz, and its level in dB.
HEAR = """
  const { tap } = window;
  if (!tap) return [0, -1000];
  const levels = new Float32Array(tap.frequencyBinCount);
  tap.getFloatFrequencyData(levels);
  const top = levels.reduce(
    (best, level, bin) => level > levels[best] ? bin : best, 0);
  const hertz = top * tap.context.sampleRate / tap.fftSize;
  return [hertz, Math.max(-1000, levels[top])];"""
HEARS = f"""const [found, level] = (() => {{ {HEAR} }})();
  return level > -75 && Math.abs(found - arguments[0]) < 8 && [level];"""
SILENT = f'return (() => {{ {HEAR} }})()[1] < -100'


ONE = (Track('', 0),)


def piece(*notes, tracks=ONE):
  """(bar, pitch, velocity, track), each held for a bar of `BAR` seconds."""
  bars, pitches, velocities, numbers = zip(*notes, strict=True)
  return Notes.build(
    4,
    {
      'onset': [16 * bar for bar in bars],
      'duration': [16] * len(notes),
      'pitch': pitches,
      'velocity': velocities,
      'track': numbers,
    },
    tracks=list(tracks),
    tempos=[(0, BAR * 250_000)],
  )


@pytest.fixture
def browser(tmp_path):
  with browser_lib.opened(tmp_path, '1300,1000') as found:
    yield found


@pytest.fixture
def opens(browser, tmp_path):
  """Opens pieces in the studio of a server with a font, with ears."""
  with contextlib.ExitStack() as stack:
    homes = []

    def opened(font, *pieces, before=''):
      client = stack.enter_context(stage.serving(scribe.Scribe(), font=font))
      homes.append(f'http://127.0.0.1:{client.port}/')
      browser.asked()
      browser.go(f'{homes[0]}#token={stage.TOKEN}')
      browser.wait("return document.getElementById('connect').hidden")
      browser.run(TAP + before)
      paths = [tmp_path / f'{i}.mid' for i in range(len(pieces))]
      for path, notes in zip(paths, pieces, strict=True):
        path.write_bytes(midi.write(notes))
      browser.type('#file', '\n'.join(map(str, paths)))
      browser.wait(
        'return document.getElementById("status").textContent'
        '.startsWith("Opened")'
      )
      # Nothing that plays a font is loaded before it is to play.
      assert not loads(browser.asked(), homes[0])
      return browser

    yield opened
    own = (*homes, *('blob:' + home for home in homes), 'data:', 'chrome:')
    strange = [u for u in browser.asked() if not u.startswith((*own, 'about:'))]
    assert strange == []
    # What is told of a status is of the page's own server, and expected.
    assert [line for line in browser.log() if ' 503 ' not in line] == []


def loads(asked, home):
  """What was loaded of a synthesiser."""
  assert any(url.startswith(home) for url in asked)
  return [url for url in asked if url.endswith(('/spessasynth.js', '/font'))]


def font_of(folder, data, name='waves.sf2'):
  path = folder / name
  path.write_bytes(data)
  return fonts.find(str(path))


def clicks(page):
  page.click('#player button')


def seek(page, share):
  page.run(
    'const bar = document.querySelector("#player input");'
    'bar.value = arguments[0];'
    'bar.dispatchEvent(new Event("input", { bubbles: true }))',
    share,
  )


def heard(page, hertz):
  """Waits until a frequency is the strongest, and steady; returns its dB."""
  before, level = -1000, 0
  while abs(level - before) > 0.2:
    before = level
    page.run('await new Promise(done => setTimeout(done, 200))')
    (level,) = page.wait(HEARS, hertz)
  return level


def test_a_sound_font_plays_programs_drums_and_velocities(opens, tmp_path):
  music = piece(
    (0, 60, 100, 0),
    (1, 72, 100, 0),
    (2, 60, 100, 1),
    (3, 36, 100, 2),
    (4, 60, 20, 0),
    tracks=(Track('', 0), Track('', 48), Track('', 0, is_drum=True)),
  )
  page = opens(font_of(tmp_path, soundfonts.font(PRESETS)), music)
  told = page.text('#sound')
  assert told.startswith('Sound: waves.sf2 (')
  assert told.endswith('loaded when you first play')
  assert page.spoken('#sound')[0] == 'status'
  clicks(page)
  loud = heard(page, PIANO)
  assert page.text('#sound') == 'Sound: waves.sf2'
  assert page.run('return window.senders') == ['AudioWorkletNode']
  # Stopped it is silent, and goes on where it was.
  clicks(page)
  page.wait(SILENT)
  clicks(page)
  heard(page, PIANO)
  # In the middle of a note it begins there; each bar has its own sound.
  for bar, hertz in ((1, 2 * PIANO), (2, STRINGS), (3, DRUM / 4)):
    seek(page, (bar + 0.3) / 5)
    heard(page, hertz)
  seek(page, 4.3 / 5)
  soft = heard(page, PIANO)
  assert loud - soft > 10, 'velocity 20 is softer than 100'
  # A track that is turned off is not heard.
  page.click('#tracks input')
  seek(page, 4.4 / 5)
  page.wait(SILENT)
  clicks(page)
  # All by one synthesiser, which was loaded once, and no oscillator.
  assert page.run('return window.senders') == ['AudioWorkletNode']
  assert page.run('return window.oscillators') == 0


@pytest.mark.slow
def test_a_and_b_are_switched_while_they_sound(opens, tmp_path):
  font = font_of(tmp_path, soundfonts.font(PRESETS))
  page = opens(font, *(piece((0, pitch, 90, 0)) for pitch in (60, 67)))
  clicks(page)
  heard(page, PIANO)
  page.click('h1')
  page.press('b')
  heard(page, PIANO * 2 ** (7 / 12))
  page.press('a')
  heard(page, PIANO)
  page.press('space')
  page.wait(SILENT)


@pytest.mark.slow
def test_without_a_font_oscillators_play_and_nothing_is_loaded(opens, browser):
  page = opens(None, piece((0, 60, 100, 0)))
  assert page.text('#sound') == 'Sound: oscillators'
  clicks(page)
  heard(page, PLAIN)
  assert page.run('return window.senders') == ['GainNode']
  assert [u for u in browser.asked() if 'spessa' in u or 'v1/font' in u] == []
  assert page.text('#sound') == 'Sound: oscillators'
  assert page.run('return window.oscillators') == 1


def broken(folder):
  """A font whose head is right, and nothing else."""
  return font_of(folder, soundfonts.chunk(b'RIFF', b'sfbk' + bytes(4000)))


def gone(folder):
  font = font_of(folder, soundfonts.font(PRESETS))
  font.path.unlink()
  return font


def undecodable(folder):
  data = soundfonts.squeezed(PRESETS, lambda numbers: b'OggS' + numbers[:996])
  return font_of(folder, data)


def whole(folder):
  return font_of(folder, soundfonts.font(PRESETS))


@pytest.mark.slow
@pytest.mark.parametrize(
  ('make', 'before', 'why'),
  [
    (broken, '', 'parsing error'),
    (gone, '', 'is not there as it was'),
    (undecodable, '', 'this browser cannot decode its samples'),
    (
      whole,
      'Object.defineProperty(window, "isSecureContext", { value: false })',
      'over HTTPS, or at localhost, alone',
    ),
    (
      whole,
      'Worklet.prototype.addModule = () => Promise.reject(new Error("no"))',
      'the synthesiser could not be loaded',
    ),
  ],
  ids=['broken', 'gone', 'undecodable', 'insecure', 'unloaded'],
)
def test_where_a_font_fails_oscillators_play_and_it_is_told(
  opens, tmp_path, make, before, why
):
  page = opens(make(tmp_path), piece((0, 60, 100, 0)), before=before)
  clicks(page)
  heard(page, PLAIN)
  told = page.text('#sound')
  assert told.startswith('Sound: oscillators, as waves.sf2 cannot be played: ')
  assert why in told
  # It is not tried again, and goes on to be told.
  clicks(page)
  clicks(page)
  heard(page, PLAIN)
  assert page.text('#sound') == told


@pytest.mark.slow
def test_where_the_synthesiser_fails_oscillators_go_on(opens, tmp_path):
  page = opens(whole(tmp_path), piece((0, 60, 100, 0)))
  clicks(page)
  heard(page, PIANO)
  page.run('window.worklets[0].dispatchEvent(new Event("processorerror"))')
  heard(page, PLAIN)
  assert 'the synthesiser has failed' in page.text('#sound')
  playing = 'return document.querySelector("#player .player").dataset.playing'
  assert page.run(playing) == 'true'


HOLD = """
  const { fetch } = window;
  window.fetch = async (...asked) => {
    const answer = await fetch(...asked);
    if (asked[0].endsWith('/font')) {
      await new Promise(done => { window.release = done; });
    }
    return answer;
  };"""


@pytest.mark.slow
def test_a_stop_while_a_font_is_loaded_stays_one(opens, tmp_path):
  page = opens(whole(tmp_path), piece((0, 60, 100, 0)), before=HOLD)
  clicks(page)
  page.wait('return Boolean(window.release)')
  assert page.text('#sound').startswith('Sound: loading waves.sf2 (')
  assert page.text('#player button') == '❚❚ Pause music'
  clicks(page)
  assert page.text('#player button') == '▶ Play music'
  page.run('window.release()')
  page.wait('return window.worklets.length > 0')
  page.wait(
    'return document.getElementById("sound").textContent === arguments[0]',
    'Sound: waves.sf2',
  )
  assert page.run('return document.querySelector("#player input").value') == '0'
  # Nothing begins behind the back of a player that was stopped.
  page.run('await new Promise(done => setTimeout(done, 1000))')
  assert page.run(SILENT)
  clicks(page)
  heard(page, PIANO)


@pytest.mark.slow
def test_samples_in_vorbis_are_decoded_by_the_browser(opens, tmp_path):
  soundfile = pytest.importorskip('soundfile', reason='encodes Vorbis')

  def encode(numbers):
    file = io.BytesIO()
    samples = np.frombuffer(numbers, np.int16)
    soundfile.write(
      file, samples, soundfonts.RATE, format='OGG', subtype='VORBIS'
    )
    assert file.getvalue().startswith(b'OggS')
    return file.getvalue()

  data = soundfonts.squeezed(PRESETS, encode)
  assert len(data) < len(soundfonts.font(PRESETS)) / 2
  page = opens(
    font_of(tmp_path, data, 'waves.sf3'),
    piece((0, 60, 100, 0), (1, 60, 100, 1), tracks=(Track(), Track('', 48))),
  )
  clicks(page)
  heard(page, PIANO)
  seek(page, 0.6)
  heard(page, STRINGS)
  assert page.text('#sound') == 'Sound: waves.sf3'


@pytest.mark.slow
def test_downloadable_sounds_are_played(opens, tmp_path):
  data = soundfonts.sampled(STRINGS)
  page = opens(font_of(tmp_path, data, 'wave.dls'), piece((0, 60, 100, 0)))
  clicks(page)
  heard(page, STRINGS)
  assert page.text('#sound') == 'Sound: wave.dls'
