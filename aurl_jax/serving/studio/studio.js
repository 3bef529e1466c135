// The studio: a piece to see and hear, and a model that goes on with it.
import { ask, keep, packed, told, unpacked } from './ask.js';
import { History } from './history.js';
import { read } from './midi.js';
import { Pad } from './pad.js';
import { list, names, Piece, tracks } from './pieces.js';
import { Player } from './player.js';
import { onscheme, Roll, spoken, words } from './roll.js';
import { Sound } from './sound.js';
import { Tones } from './tones.js';
import { Wants } from './wants.js';

const at = id => document.getElementById(id);
const NAMES = { generate: 'New piece', continue: 'Continued', infill: 'Bars anew',
  vary: 'Varied', interpolate: 'Between', turn: 'Turned' };
// A state: all pieces, those that are A and B, which of them is shown, and the
// way between two pieces if one has just been written: { first, pieces }.
const history = new History({ pieces: [], a: null, b: null, shown: 'a', walk: null });
const wants = new Wants(at('write'));
const roll = new Roll(at('roll'), { onselect: chosen, onseek: second => player.seek(second) });
const voices = new Sound(at('sound'));
let player = null;
const MOST_NAMED = 48;   // Chords that are named below the roll.
let writing = null;      // AbortController of what is being written.
let count = 0;

function say(text) { at('status').textContent = text; at('error').textContent = ''; }

function fail(error) {
  at('status').textContent = '';
  at('error').textContent = told(error);
}

const shown = () => history.now[history.now.shown];

// Shows the state that stands.
function show() {
  const state = history.now, piece = shown();
  at('undo').disabled = !history.canUndo;
  at('redo').disabled = !history.canRedo;
  for (const side of ['a', 'b']) {
    at(side).disabled = !state[side];
    at(side).setAttribute('aria-pressed', state.shown === side);
    at(side).title = state[side]?.name ?? '';
  }
  at('pieces-title').hidden = !state.pieces.length;
  list(at('pieces'), state, take);
  showWalk(state);
  if (piece) showPiece(piece);
  else close();
}

// A slider along the pieces that lie between two.
function showWalk({ walk, a }) {
  at('walk').hidden = !walk;
  if (!walk) return;
  const slider = at('walk').querySelector('input');
  slider.max = walk.pieces.length - 1;
  slider.value = walk.pieces.indexOf(a);
  slider.setAttribute('aria-valuetext', a.how);
  at('walk').querySelector('output').textContent = a.how;
}

function showPiece(piece) {
  at('music-title').textContent = piece.name;
  document.title = `${piece.name} – Studio`;
  at('drop').hidden = true;
  at('roll').dataset.song = '';
  const bars = piece.song.bars.length;
  for (const name of ['first', 'last', 'from', 'to']) at('write').elements[name].max = bars;
  at('save').hidden = false;
  at('save').href = piece.url;
  at('save').download = piece.file;
  draw(piece);
  tracks(at('tracks'), piece, () => draw(piece));
  sound(piece);
  hear(piece);
}

function draw(piece) {
  roll.show(piece.song, piece.chords ?? [], piece.silent);
  at('roll').setAttribute('aria-label', words(piece.song, piece.chords ?? [], names(piece.song.tracks)));
  at('zoom').value = roll.zoom;
  const named = (piece.chords ?? []).map(chord => spoken(chord.label));
  const more = named.length > MOST_NAMED ? ' …' : '';
  at('chords').textContent = named.length
    ? `Chords: ${named.slice(0, MOST_NAMED).join(' ')}${more}` : '';
}

function sound(piece) {
  const source = new Tones(piece.song, piece.silent, voices.open);
  if (player) { player.take(source); return; }
  player = new Player({ source, label: 'music', seekable: true,
    onmove: moved,
    onfault: () => fail(new Error('The sound could not be played.')) });
  at('player').append(player.element);
}

const clock = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

function moved(second) {
  roll.follow(second, player?.playing);
  at('time').textContent = `${clock(second)} / ${clock(shown().song.seconds)}`;
}

function close() {
  at('music-title').textContent = 'Nothing open yet';
  player?.close();
  player?.element.remove();
  player = null;
  roll.show(null, [], new Set());
  delete at('roll').dataset.song;
  at('drop').hidden = false;
  at('save').hidden = at('tracks').hidden = true;
  at('chords').textContent = at('time').textContent = '';
}

// Has the server hear the chords of a piece, once.
async function hear(piece) {
  if (piece.chords || !wants.facts) return;
  try {
    const found = await ask('analyze', { music: packed(piece.bytes), studies: ['chords'] });
    piece.chords = found.studies.chords.told.chords;
    if (shown() === piece) draw(piece);
  } catch (error) {
    if (shown() === piece) at('chords').textContent = `No chords: ${told(error)}`;
  }
}

function push(changes) {
  history.push({ ...history.now, walk: null, ...changes });
  show();
}

// What is looked at is no change that is undone.
function amend(changes) {
  history.states[history.at] = { ...history.now, ...changes };
  show();
}

function take(piece, side) { push({ [side]: piece, shown: side }); }

function look(side) {
  if (!history.now[side] || history.now.shown === side) return;
  amend({ shown: side });
  say(`${side.toUpperCase()}: ${shown().name}`);
}

function back(step) {
  history[step]();
  show();
  say(`${step === 'undo' ? 'Undone' : 'Done again'}; ${shown()?.name ?? 'nothing open'}`);
}

async function open(files) {
  const found = [];
  try {
    for (const file of [...files].slice(0, 16)) {
      const bytes = new Uint8Array(await file.arrayBuffer());
      found.push(new Piece(file.name, bytes, read(bytes), ''));
    }
  } catch (error) {
    const name = files[found.length]?.name ?? 'The file';
    fail(new Error(`${name}: ${error.message}`));
  }
  if (!found.length) return;
  const [a, b = history.now.a] = found;
  push({ pieces: [...history.now.pieces, ...found], a, b, shown: 'a' });
  if (!at('error').textContent) say(`Opened ${found.map(piece => piece.name).join(' and ')}`);
}

function chosen(bars) {
  wants.choose(bars);
  if (!bars) { say('No bars are chosen'); return; }
  const names = (shown().chords ?? []).filter(chord => {
    const [from, to] = [shown().song.bars[bars[0]], shown().song.barEnd(bars[1] - 1)]
      .map(tick => shown().song.secondsAt(tick));
    return chord.end > from + 0.01 && chord.start < to - 0.01;
  }).map(chord => spoken(chord.label));
  const which = bars[1] - bars[0] > 1 ? `Bars ${bars[0] + 1} to ${bars[1]}` : `Bar ${bars[1]}`;
  say(which + (names.length ? `: ${names.slice(0, 8).join(', ')}` : ''));
}

async function write(event) {
  event.preventDefault();
  if (writing) return;
  const way = wants.way, state = history.now;
  const base = baseOf(way, state);
  writing = new AbortController();
  at('go').disabled = true;
  at('halt').disabled = false;
  at('write').setAttribute('aria-busy', 'true');
  try {
    const pieces = { a: base && packed(base.bytes), b: state.b && packed(state.b.bytes) };
    const body = wants.body(pieces, base?.song.bars.length ?? 0);
    say('Writing …');
    const found = await ask(way, body, writing.signal);
    written(found.pieces, way, base, body);
  } catch (error) {
    fail(error);
  } finally {
    writing = null;
    at('go').disabled = false;
    at('halt').disabled = true;
    at('write').removeAttribute('aria-busy');
  }
}

// How a piece was written, in a few words.
function howOf({ report, seed }) {
  if (report.between) return `${Math.round(100 * report.between.share)} % of B`;
  if (!report.turned) return `seed ${seed}`;
  const { dials, toward } = report.turned;
  const moves = [...Object.entries(dials),
    ...toward.map((far, way) => [`direction ${way + 1}`, far])];
  const told = moves.filter(([, far]) => far).map(([name, far]) =>
    `${name} ${far > 0 ? '+' : '−'}${Math.abs(far).toFixed(2)}`);
  return told.join(', ') || 'as the latents have it';
}

// What is shown is gone on with; but ways begin where the last one did.
function baseOf(way, state) {
  if (way === 'interpolate') return state.walk?.first ?? state.a;
  return (way === 'turn' && shown()?.turned) || shown();
}

function written(answers, way, base, body) {
  const made = answers.map(answer => {
    const bytes = unpacked(answer.midi);
    const name = `${NAMES[way]} ${++count}`;
    const piece = new Piece(name, bytes, read(bytes), howOf(answer), answer.report);
    if (way === 'turn') piece.turned = base;
    return piece;
  });
  const b = way === 'interpolate' ? history.now.b : base ?? history.now.b;
  const a = way === 'interpolate' ? made[Math.floor(made.length / 2)] : made[0];
  const walk = way === 'interpolate' ? { first: base, pieces: made } : null;
  push({ pieces: [...history.now.pieces, ...made], a, b, shown: 'a', walk });
  if (way !== 'turn') at('write').elements.seed.value = body.seed + answers.length;
  // What was sent was these bars alone; of them those that are new are chosen.
  if (body.excerpt) at('write').elements.from.value = at('write').elements.to.value = '';
  if (body.rewrite) {
    wants.choose(body.rewrite);
    roll.choose(body.rewrite);
  }
  say(`Written: ${made.length === 1 ? made[0].name : `${made.length} pieces`}, ${a.facts}`);
}

async function connect(token) {
  keep(token);
  try {
    const facts = await ask('model');
    wants.take(facts);
    voices.take(facts.sound_font);
    at('go').disabled = false;
    at('connect').hidden = true;
    at('model').textContent = `Connected: ${facts.tokenizer} model, ${facts.context} steps, aurl_jax ${facts.version}`;
    say('Connected');
    if (shown()) hear(shown());
  } catch (error) {
    keep('');
    fail(error);
  }
}

// Pads are over whichever two sliders the page names.
let pad = null;
wants.offers = sliders => {
  const axes = () => [sliders[at('across').value], sliders[at('up').value]];
  if (pad) pad.over(axes());
  else pad = new Pad(at('pad'), axes(), () => { if (shown()) at('write').requestSubmit(); });
  for (const id of ['across', 'up']) at(id).onchange = () => pad.over(axes());
};

at('connect').addEventListener('submit', event => {
  event.preventDefault();
  const { value } = at('token');
  at('token').value = '';
  connect(value.trim());
});
at('write').addEventListener('submit', write);
at('halt').addEventListener('click', () => writing?.abort());
at('undo').addEventListener('click', () => back('undo'));
at('redo').addEventListener('click', () => back('redo'));
for (const side of ['a', 'b']) at(side).addEventListener('click', () => look(side));
at('zoom').addEventListener('input', event => {
  roll.zoom = Number(event.target.value);
  roll.draw();
});
at('walk').addEventListener('input', event => {
  amend({ a: history.now.walk.pieces[event.target.value], shown: 'a' });
  say(`${shown().how}: ${shown().name}`);
});
at('file').addEventListener('change', event => {
  open(event.target.files).then(() => { event.target.value = ''; });
});
at('save').addEventListener('dragstart', event => {
  const piece = shown();
  event.dataTransfer.setData('DownloadURL', `audio/midi:${piece.file}:${piece.url}`);
});
for (const name of ['dragover', 'dragleave', 'drop']) {
  addEventListener(name, event => {
    event.preventDefault();
    at('roll').classList.toggle('over', name === 'dragover');
    if (name === 'drop' && event.dataTransfer.files.length) open(event.dataTransfer.files);
  });
}
addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey) {
    if (event.key === 'Enter' && !at('go').disabled) at('write').requestSubmit();
    else if (event.key.toLowerCase() !== 'z' || event.target.matches('input[type="text"], input[type="number"]')) return;
    else back(event.shiftKey ? 'redo' : 'undo');
    event.preventDefault();
    return;
  }
  const own = 'input:not([type=checkbox]):not([type=radio]):not([type=range]), select, textarea';
  if (!at('keys').checked || event.altKey || event.target.matches(own)) return;
  const space = event.key === ' ' && !event.target.matches('button, input, summary, a');
  if (space && player) player.toggle();
  else if (event.key === 'a' || event.key === 'b') look(event.key);
  else return;
  event.preventDefault();
});
onscheme(() => { if (shown()) tracks(at('tracks'), shown(), () => draw(shown())); });

// The address that the server prints has the token behind the #, which no
// browser sends; it goes from the address at once.
const given = new URLSearchParams(location.hash.slice(1)).get('token');
if (location.hash) window.history.replaceState(null, '', location.pathname);
show();
if (given) connect(given);
