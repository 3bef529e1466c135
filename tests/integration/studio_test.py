"""The studio in a real browser: an engine by rule behind real HTTP."""

import numpy as np
import pytest

pytest.importorskip('fastapi', reason='needs the extra: aurl-jax[serve]')
pytest.importorskip('uvicorn', reason='needs the extra: aurl-jax[serve]')

from aurl_jax.deploy import bundle
from aurl_jax.generation.piece import Piece
from aurl_jax.music import midi
from aurl_jax.music import time as time_lib
from aurl_jax.music.notes import Notes, Track
from aurl_jax.serving import turning
from aurl_jax.serving.engine import Engine
from tests import browser as browser_lib
from tests.serving import scribe, stage

HOSTILE = '<script>window.hit=1</script><img src=x onerror="window.hit=1">'


@pytest.fixture
def engine():
  return scribe.Scribe()


@pytest.fixture
def client(engine):
  with stage.serving(engine) as client:
    yield client


@pytest.fixture
def browser(tmp_path):
  with browser_lib.opened(tmp_path, '1300,1000') as found:
    yield found


@pytest.fixture
def page(browser, client):
  """The studio, connected by the address that the server prints."""
  browser.asked()
  browser.go(f'http://127.0.0.1:{client.port}/#token={stage.TOKEN}')
  browser.wait("return document.getElementById('connect').hidden")
  yield browser
  # Nothing was asked of anybody else, and nothing was told to the console.
  home = f'http://127.0.0.1:{client.port}/'
  own = (home, 'blob:' + home, 'data:', 'chrome:', 'about:')
  assert [url for url in browser.asked() if not url.startswith(own)] == []
  assert [line for line in browser.log() if '422' not in line] == []
  assert browser.run('return window.hit') is None


def file_of(folder, notes, name='tune.mid'):
  path = folder / name
  path.write_bytes(midi.write(notes))
  return path


def opens(page, *paths):
  page.type('#file', '\n'.join(map(str, paths)))
  page.wait(
    'return document.getElementById("status").textContent.startsWith("Opened")'
  )


def writes(page, way, seconds=30):
  """Asks for music, and waits for it; returns what is told of it."""
  page.click(f'[name=way][value={way}]')
  page.click('#go')
  page.wait('return !document.getElementById("go").disabled', seconds=seconds)
  assert page.text('#error') == ''
  return page.text('#status')


def names(page):
  return page.run(
    'return [...document.querySelectorAll("#pieces strong")]'
    '.map(e => e.textContent)'
  )


def marked(page):
  """Names of what is A, and of what is B."""
  return page.run(
    'return ["a", "b"].map(id => document.getElementById(id).title)'
  )


def save(page):
  """Saves the piece as a person does; returns where the file is."""
  known = set(page.saved.glob('*'))
  page.click('#save')
  while True:
    new = set(page.saved.glob('*.mid')) - known
    # The browser makes the file before it fills it.
    if full := [path for path in new if path.stat().st_size]:
      return full[0]
    page.wait('return 1')


def bytes_of(page):
  return save(page).read_bytes()


def notes_of(data):
  notes = midi.read(data).notes
  return sorted(zip(notes.onset.tolist(), notes.pitch.tolist(), strict=True))


def test_it_opens_plays_writes_undoes_and_saves(page, engine, tmp_path):
  assert page.run('return location.href').endswith('/studio/'), 'no token left'
  named = scribe.bars(4).replace(tracks=(Track(HOSTILE, 48),) * 4)
  opens(page, file_of(tmp_path, named, 'tune.mid'))
  # Markup in names is text, and nothing but text.
  assert HOSTILE in page.text('#tracks')
  assert not page.run('return document.querySelector("#tracks script, img")')
  page.wait('return document.getElementById("chords").textContent')
  assert 'F' in page.text('#chords')
  # It sounds, stops, and goes on where it was.
  page.click('#player button')
  page.wait('return document.querySelector("#player input").value > 0.02')
  page.click('#player button')
  share = float(
    page.run('return document.querySelector("#player input").value')
  )
  assert (
    page.run('return document.querySelector("#player .player").dataset.playing')
    == 'false'
  )
  page.click('#player button')
  page.wait(
    'return document.querySelector("#player input").value > arguments[0]', share
  )
  page.press('space')
  # Four more bars, B is what it was before.
  assert writes(page, 'continue').startswith('Written: Continued 1')
  assert engine.asked[-1].bars == 4
  assert engine.asked[-1].temperature == 0.75, 'the model has it so'
  assert marked(page) == ['Continued 1', 'tune.mid']
  more = notes_of(bytes_of(page))
  assert more[: len(named)] == notes_of((tmp_path / 'tune.mid').read_bytes())
  assert len(more) == 2 * len(named)
  page.click('#undo')
  assert marked(page) == ['tune.mid', '']
  assert page.run('return document.getElementById("undo").disabled') is False
  page.click('#redo')
  assert names(page) == ['tune.mid', 'Continued 1']
  saved = save(page)
  assert saved.name.startswith('Continued 1')
  assert notes_of(saved.read_bytes()) == more


@pytest.mark.slow
def test_bars_that_are_dragged_over_are_written_anew(page, engine, tmp_path):
  opens(page, file_of(tmp_path, scribe.bars(8)))
  page.wait('return document.getElementById("chords").textContent')
  page.click('[name=way][value=infill]')
  width = page.run('return document.querySelector("canvas").clientWidth')
  bar = width / 8
  # From the middle of bar 3 to that of bar 5, as seen from the canvas' middle.
  page.drag('canvas', (int(-1.5 * bar), 60), (int(0.5 * bar), 80))
  assert page.text('#status').startswith('Bars 3 to 5: ')
  assert writes(page, 'infill').startswith('Written: Bars anew 1')
  assert engine.asked[-1].rewrite == (2, 5)
  before, after = (
    notes_of(data)
    for data in ((tmp_path / 'tune.mid').read_bytes(), bytes_of(page))
  )
  changed = {
    tick for (tick, p), (_, q) in zip(before, after, strict=True) if p != q
  }
  ticks = midi.read(tmp_path / 'tune.mid').notes.ticks_per_beat
  assert min(changed) == 2 * 4 * ticks
  assert max(changed) == (5 * 4 - 1) * ticks


@pytest.mark.slow
def test_two_pieces_and_what_lies_between(page, engine, tmp_path):
  files = [
    file_of(tmp_path, scribe.bars(2, low), f'{low}.mid') for low in (40, 50)
  ]
  opens(page, *files)
  assert marked(page) == ['40.mid', '50.mid']
  page.run('document.forms.write.elements.n.value = 5')
  writes(page, 'interpolate')
  assert engine.asked[-1].n == 5
  assert len(names(page)) == 7
  assert not page.run('return document.getElementById("walk").hidden')
  for place, share in ((0, '0 % of B'), (3, '75 % of B')):
    page.run(
      'const s = document.querySelector("#walk input"); s.value = arguments[0];'
      's.dispatchEvent(new Event("input", { bubbles: true }))',
      place,
    )
    assert page.text('#walk output') == share
    lowest = min(pitch for _, pitch in notes_of(bytes_of(page)))
    assert lowest == 40 + place
  # Both ends stand; the way begins at the first again.
  assert marked(page)[1] == '50.mid'
  writes(page, 'interpolate')
  first = engine.asked[-1].remake.first
  assert int(first.pitch.min()) == 40
  page.click('#undo')
  page.click('#undo')
  assert marked(page) == ['40.mid', '50.mid']


@pytest.mark.slow
def test_a_and_b_are_compared_and_varied(page, engine, tmp_path):
  opens(page, file_of(tmp_path, scribe.bars(2)))
  page.run('document.forms.write.elements.strength.value = 0.8')
  writes(page, 'vary')
  assert engine.asked[-1].remake.strength == 0.8
  assert page.text('#music-title') == 'Varied 1'
  page.click('h1')
  page.press('b')
  assert page.text('#music-title') == 'tune.mid'
  assert page.run('return document.getElementById("b").ariaPressed') == 'true'
  page.press('a')
  assert page.text('#music-title') == 'Varied 1'
  # Where it plays it goes on in the other one.
  page.click('#player button')
  page.wait('return document.querySelector("#player input").value > 0.05')
  page.press('b')
  page.wait('return document.querySelector("#player input").value > 0.1')
  assert (
    page.run('return document.querySelector("#player .player").dataset.playing')
    == 'true'
  )


@pytest.mark.slow
def test_shipped_models_write_what_the_page_asks(browser, tmp_path):
  files = [
    file_of(tmp_path, scribe.bars(4, low), f'{low}.mid') for low in (43, 48)
  ]
  for name, ways in (
    ('pop', ('infill', 'continue')),
    ('pop_dials', ('interpolate', 'vary', 'turn')),
  ):
    engine = Engine(bundle.load(name))
    with stage.serving(engine) as client:
      browser.go(f'http://127.0.0.1:{client.port}/#token={stage.TOKEN}')
      browser.wait("return document.getElementById('connect').hidden")
      for way in ways:
        browser.run('document.forms.write.elements.bars.value = 1')
        opens(browser, *files)
        told = writes(browser, way, seconds=300)
        assert told.startswith('Written: ')
        assert len(notes_of(bytes_of(browser))) > 8
    engine.close(0)


@pytest.mark.slow
def test_the_pad_turns_dials(browser, client, engine, tmp_path, monkeypatch):
  asked = []

  def turned(composer, notes, turn):
    del composer
    asked.append(turn)
    return Piece(
      notes=scribe.transpose(notes, len(asked)),
      ids=np.ones((3, 1), np.int32),
      seed=turn.seed,
      ended=True,
      grammatical=True,
      more={'turned': {'dials': {}, 'toward': list(turn.toward)}},
    )

  monkeypatch.setattr(turning, 'turned', turned)
  browser.go(f'http://127.0.0.1:{client.port}/#token={stage.TOKEN}')
  browser.wait("return document.getElementById('connect').hidden")
  opens(browser, file_of(tmp_path, scribe.bars(2, 40)))
  browser.click('[name=way][value=turn]')
  size = browser.run(
    'const pad = document.getElementById("pad");'
    'return [pad.clientWidth, pad.clientHeight]'
  )
  # From the middle to half way right and half way down; letting go writes.
  browser.drag('#pad', (0, 0), (size[0] // 4, size[1] // 4))
  browser.wait('return document.querySelectorAll("#pieces li").length === 2')
  assert asked[-1].toward == pytest.approx((0.5, -0.5), abs=0.05)
  # By keys, too: sliders are the axes. The first piece is turned again.
  browser.run('document.querySelector("[data-dial]").focus()')
  browser.press('right')
  browser.press('control', 'enter')
  browser.wait('return document.querySelectorAll("#pieces li").length === 3')
  assert asked[-1].toward[0] > asked[0].toward[0]
  lowest = min(pitch for _, pitch in notes_of(bytes_of(browser)))
  assert lowest == 40 + 2
  assert 'direction 1 +0.5' in browser.text('#pieces')


@pytest.mark.slow
def test_rules_in_words_and_levels_are_what_is_asked(page, engine):
  page.run(
    'document.querySelectorAll("details").forEach(d => { d.open = true; })'
  )
  for name, text in (
    ('key', 'D minor'),
    ('chords', 'Dm | A7'),
    ('instruments', 'violin, piano'),
    ('least', '2'),
    ('most', '12'),
    ('polyphony', '4'),
    ('rhythm', '8'),
    ('meter', '3/4'),
    ('tempo', '90'),
  ):
    page.type(f'[name={name}]', text)
  page.run('document.forms.write.elements["level-density"].value = 5')
  writes(page, 'generate')
  request = engine.asked[-1]
  (wish,) = request.wishes
  assert (wish.key, wish.chords, wish.rhythm) == ('D minor', 'Dm | A7', '8')
  assert wish.instruments == ('violin', 'piano')
  assert wish.density == (2, 12)
  assert (wish.polyphony, wish.meter, wish.tempo) == (4, (3, 4), 90)
  assert (request.meter, request.tempo) == ((3, 4), 90)
  assert request.controls.piece.density == 5
  assert request.controls.piece.key is None


@pytest.mark.slow
def test_what_is_wrong_is_told_in_words(page, engine, tmp_path):
  (tmp_path / 'no.mid').write_bytes(b'PK\x03\x04nothing')
  page.type('#file', str(tmp_path / 'no.mid'))
  page.wait('return document.getElementById("error").textContent')
  assert page.text('#error').startswith('no.mid: This is no MIDI file')
  page.click('[name=way][value=continue]')
  page.click('#go')
  page.wait('return document.getElementById("error").textContent')
  assert 'Open or write a piece first' in page.text('#error')
  # A request that waits is given up, and with it its slots.
  engine.holds = True
  page.click('[name=way][value=generate]')
  page.click('#go')
  while not engine.waits:
    page.wait('return 1')
  page.click('#halt')
  page.wait(
    'return document.getElementById("error").textContent === "Stopped."'
  )
  while not engine.waits[0].over:
    page.wait('return 1')
  engine.holds = False
  # What the server refuses is told as it says it.
  page.run(
    'const { n } = document.forms.write.elements; n.removeAttribute("max");'
    'n.value = 100001'
  )
  page.click('#go')
  page.wait(
    'return document.getElementById("error").textContent.includes("100000")'
  )
  assert page.text('#error').startswith('Not possible: n must be')


@pytest.mark.slow
def test_files_are_dropped_and_dragged_out(page, tmp_path):
  data = midi.write(scribe.bars(1))
  page.run(
    """const files = new DataTransfer();
    for (const name of ['one.mid', 'two.mid'])
      files.items.add(new File([new Uint8Array(arguments[0])], name));
    document.body.dispatchEvent(new DragEvent('drop',
      { dataTransfer: files, bubbles: true, cancelable: true }));""",
    list(data),
  )
  page.wait('return document.getElementById("a").title')
  assert marked(page) == ['one.mid', 'two.mid']
  told = page.run(
    """const given = new DataTransfer();
    document.getElementById('save').dispatchEvent(new DragEvent('dragstart',
      { dataTransfer: given, bubbles: true }));
    return given.getData('DownloadURL')"""
  )
  assert told.startswith('audio/midi:one.mid:blob:http://127.0.0.1:')
  assert bytes_of(page) == data


@pytest.mark.slow
def test_a_wrong_token_is_told_and_is_kept_nowhere(browser, client):
  browser.go(f'http://127.0.0.1:{client.port}/studio/')
  assert browser.spoken('#token')[1] == 'Token'
  browser.type('#token', 'wrong-wrong-wrong-wrong')
  browser.press('enter')
  browser.wait('return document.getElementById("error").textContent')
  assert 'does not know this token' in browser.text('#error')
  assert browser.run('return document.getElementById("go").disabled')
  browser.type('#token', stage.TOKEN)
  browser.press('enter')
  browser.wait("return document.getElementById('connect').hidden")
  kept = browser.run(
    'return JSON.stringify([{ ...localStorage }, { ...sessionStorage },'
    'document.cookie, location.href, document.documentElement.outerHTML])'
  )
  assert stage.TOKEN not in kept
  browser.refresh()
  assert not browser.run('return document.getElementById("connect").hidden')


@pytest.mark.slow
def test_the_studio_by_keys_alone(browser, client, engine):
  browser.go(f'http://127.0.0.1:{client.port}/studio/')
  active = 'return document.activeElement.id || document.activeElement.name'

  def tab_to(name, most=60):
    for _ in range(most):
      if browser.run(active) == name:
        outline = browser.run(
          'return getComputedStyle(document.activeElement).outlineStyle'
        )
        assert outline != 'none', f'{name} shows no focus'
        return
      browser.press('tab')
    raise AssertionError(f'no way to {name} by Tab: {browser.run(active)}')

  tab_to('token', 3)
  for letter in stage.TOKEN:
    browser.press(letter)
  browser.press('enter')
  browser.wait("return document.getElementById('connect').hidden")
  assert browser.text('#status') == 'Connected'
  browser.press('control', 'enter')
  browser.wait('return document.querySelectorAll("#pieces li").length === 1')
  assert browser.text('#status').startswith('Written: New piece 1')
  tab_to('roll')
  browser.press('right')
  assert browser.text('#status').startswith('Bar 1')
  browser.press('shift', 'right')
  assert browser.text('#status').startswith('Bars 1 to 2')
  browser.press('right')
  assert browser.text('#status').startswith('Bar 3')
  browser.press('enter')
  assert float(
    browser.run('return document.querySelector("#player input").value')
  ) == pytest.approx(0.5, abs=0.02)
  browser.press('space')
  browser.wait('return document.querySelector("[data-playing=true]")')
  browser.press('space')
  browser.press('escape')
  assert browser.text('#status') == 'No bars are chosen'
  tab_to('undo')
  browser.press('enter')
  assert browser.text('#music-title') == 'Nothing open yet'
  browser.press('control', 'shift', 'z')
  browser.wait('return document.querySelectorAll("#pieces li").length === 1')
  tab_to('way')
  for _ in range(2):
    browser.press('right')
  assert browser.run('return document.activeElement.value') == 'infill'
  tab_to('first')
  browser.press('control', 'enter')
  browser.wait('return document.querySelectorAll("#pieces li").length === 2')
  assert engine.asked[-1].rewrite == (2, 3), 'the bar that was chosen'


@pytest.mark.slow
def test_screen_readers_are_told_what_everything_is(page, tmp_path):
  opens(page, file_of(tmp_path, scribe.bars(2)))
  page.wait('return document.getElementById("chords").textContent')
  role, label = page.spoken('#roll')
  assert role == 'group'
  assert '32 notes in 2 bars' in label
  assert 'Bass, Tenor' in label
  assert page.spoken('#status')[0] == 'status'
  assert page.spoken('#error')[0] == 'alert'
  assert page.spoken('[name=temperature]')[0] == 'slider'
  assert 'position' in page.spoken('#player input')[1]
  for way in ('generate', 'infill', 'vary', 'turn', 'continue'):
    page.click(f'[name=way][value={way}]')
    unnamed = page.run(
      """return [...document.querySelectorAll('button, input, select, a[href]')]
        .filter(e => e.checkVisibility() && !(e.ariaLabel
          || e.textContent.trim()
          || e.labels?.[0]?.innerText.trim()))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []
  order = page.run(
    'return [...document.querySelectorAll("[tabindex]")].map(e => e.tabIndex)'
  )
  assert set(order) == {0}, 'the order is that of the page'


# What the page reads of a file is what the library reads.

READ = """return import('/studio/midi.js').then(({ read }) => {
  const song = read(new Uint8Array(arguments[0]));
  return [song.notes.map(n => [n.start, n.pitch, n.velocity, n.end]),
    song.bars, song.seconds, song.tracks.map(t => t.drum)];
})"""


def same(page, data):
  notes = midi.read(data).notes
  found, bars, seconds, drums = page.run(READ, list(data))
  expected = zip(
    notes.onset.tolist(),
    notes.pitch.tolist(),
    notes.velocity.tolist(),
    (notes.onset + notes.duration).tolist(),
    strict=True,
  )
  assert sorted(map(tuple, found)) == sorted(expected)
  np.testing.assert_array_equal(bars, time_lib.bar_starts(notes))
  assert seconds == pytest.approx(time_lib.duration_seconds(notes), abs=1e-6)
  assert any(drums) == bool(notes.is_drum.any())


@pytest.mark.slow
def test_files_are_read_as_the_library_reads_them(page, shared_data):
  odd = Notes.build(
    480,
    {
      'onset': [0, 100, 960, 2500, 5000],
      'duration': [50, 2000, 10, 3000, 480],
      'pitch': [60, 61, 36, 0, 127],
      'velocity': [1, 127, 90, 64, 3],
      'track': [0, 0, 1, 0, 0],
    },
    tracks=[Track('å', 5), Track('', 0, is_drum=True)],
    tempos=[(0, 600_000), (1000, 300_000), (4000, 1_000_000)],
    meters=[(0, 3, 8), (2200, 4, 4), (2200, 7, 8), (6000, 4, 4)],
  )
  same(page, midi.write(odd))
  same(page, midi.write(odd, single=True))
  files = sorted((shared_data / 'pop909').rglob('*.mid'))[:20:5]
  for path in files:
    same(page, path.read_bytes())


@pytest.mark.slow
def test_broken_files_are_shown_or_refused_in_words(page, shared_data):
  folder = shared_data.parent / 'broken_midi'
  if not folder.is_dir():
    pytest.skip(f'no broken files at {folder}')
  script = """return import('/studio/midi.js').then(({ read, BadMidi }) => {
    try { return read(new Uint8Array(arguments[0])).notes.length; }
    catch (error) {
      return error instanceof BadMidi ? error.message : `fault: ${error.stack}`;
    }
  })"""
  told = {}
  for path in sorted(folder.iterdir()):
    if path.suffix not in ('.csv', '.md') and path.stat().st_size < 1 << 21:
      told[path.name] = page.run(script, list(path.read_bytes()))
  assert {n: t for n, t in told.items() if str(t).startswith('fault')} == {}
  assert any(isinstance(t, int) for t in told.values())
  assert any(isinstance(t, str) for t in told.values())
