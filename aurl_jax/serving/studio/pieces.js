// All pieces that were opened or written, and what is done with them.
import { colour, count } from './roll.js';

const FAMILIES = ['Piano', 'Chromatic percussion', 'Organ', 'Guitar', 'Bass', 'Strings',
  'Ensemble', 'Brass', 'Reed', 'Pipe', 'Synth lead', 'Synth pad', 'Synth effects',
  'Ethnic', 'Percussive', 'Sound effects'];

// One piece. song: of midi.js; how: in words, where it is from.
export class Piece {
  constructor(name, bytes, song, how, report = null) {
    Object.assign(this, { name, bytes, song, how, report });
    this.chords = null;      // [{ start, end, label }] when they have been heard.
    this.silent = new Set(); // Tracks that are not heard.
    this.url = URL.createObjectURL(new Blob([bytes], { type: 'audio/midi' }));
  }

  get file() {
    const plain = this.name.replace(/\.midi?$/i, '').replace(/[^\p{L}\p{N} ._-]/gu, '_');
    return `${plain.slice(0, 80).trim() || 'piece'}.mid`;
  }

  get facts() {
    const { notes, bars, seconds } = this.song;
    const kept = Object.entries(this.report?.kept ?? {}).map(([rule, share]) =>
      `${rule} kept ${Math.round(100 * share)} %`);
    return [this.how, `${count(notes.length, 'note')}, ${count(bars.length, 'bar')}, ${seconds.toFixed(1)} s`,
      ...kept].filter(Boolean).join('; ');
  }
}

function button(text, name, pressed, act) {
  const found = document.createElement('button');
  found.type = 'button';
  found.textContent = text;
  found.setAttribute('aria-label', `${text}: ${name}`);
  if (pressed !== null) found.setAttribute('aria-pressed', pressed);
  found.addEventListener('click', act);
  return found;
}

// Shows pieces as a list; take(piece, 'a' or 'b') puts one in a place.
export function list(box, state, take) {
  const items = state.pieces.map(piece => {
    const item = document.createElement('li');
    const name = document.createElement('span');
    name.className = 'name';
    const strong = document.createElement('strong');
    strong.textContent = piece.name;
    const facts = document.createElement('span');
    facts.className = 'soft';
    facts.textContent = ` ${piece.facts}`;
    name.append(strong, facts);
    item.append(name,
      button('As A', piece.name, state.a === piece, () => take(piece, 'a')),
      button('As B', piece.name, state.b === piece, () => take(piece, 'b')));
    return item;
  });
  box.replaceChildren(...items);
}

// What tracks are called: their names, or the families of General MIDI; where
// several are called alike, a number tells them apart.
export function names(tracks) {
  const told = tracks.map(track => track.name.trim()
    || (track.drum ? 'Drums' : FAMILIES[track.program >> 3]));
  return told.map((name, place) => {
    const same = told.filter(other => other === name).length > 1;
    return same ? `${name} ${told.slice(0, place + 1).filter(o => o === name).length}` : name;
  });
}

// Shows the tracks of a piece, each with whether it is heard.
export function tracks(box, piece, onchange) {
  const labels = names(piece.song.tracks).map((text, number) => {
    const label = document.createElement('label');
    label.className = 'choice';
    const input = document.createElement('input');
    input.type = 'checkbox';
    input.checked = !piece.silent.has(number);
    input.addEventListener('change', () => {
      if (input.checked) piece.silent.delete(number);
      else piece.silent.add(number);
      onchange();
    });
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = colour(number);
    const name = document.createElement('span');
    name.textContent = text;
    label.append(input, swatch, name);
    return label;
  });
  box.replaceChildren(box.querySelector('legend'), ...labels);
  box.hidden = false;
}
