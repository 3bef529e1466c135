// A piano roll: notes by track, bars, chords, a playhead, and bars chosen by
// pointer or keys. What it shows is told in words beside it (`words`).

const STRIP = 20;        // Pixels of the row of bar numbers, and of chords.
const DRUMS = 48;        // Pixels of the lane of drums.
const WIDEST = 8000;     // Pixels of the canvas, however long the piece is.
const BAR = 36;          // Of a bar, where that is not too wide.
export const CLOSEST = 12;
const PALETTE = {        // Okabe and Ito's, told apart by most eyes.
  light: ['#0072b2', '#d55e00', '#009e73', '#aa4499', '#8a6d00', '#3b8fc4', '#555555'],
  dark: ['#56b4e9', '#ff9e57', '#2dd4a7', '#e59ac8', '#f0e442', '#9ecae9', '#bbbbbb'],
};
const KINDS = ['C', 'C♯', 'D', 'E♭', 'E', 'F', 'F♯', 'G', 'A♭', 'A', 'B♭', 'B'];
const dark = matchMedia('(prefers-color-scheme: dark)');

// The colour of a track.
export function colour(track) {
  const colours = PALETTE[dark.matches ? 'dark' : 'light'];
  return colours[track % colours.length];
}

// Calls back when colours have changed.
export function onscheme(listener) { dark.addEventListener('change', listener); }

export class Roll {
  // element: an empty one; onselect: is told the first bar and one past the
  // last, or null for none; onseek: is told a second.
  constructor(element, { onselect, onseek }) {
    Object.assign(this, { element, onselect, onseek });
    this.song = null;
    this.chosen = null;
    this.zoom = 1;
    this.canvas = document.createElement('canvas');
    this.canvas.setAttribute('aria-hidden', 'true');
    this.head = document.createElement('div');
    this.head.className = 'playhead';
    this.sheet = document.createElement('div');
    this.sheet.className = 'sheet';
    this.sheet.append(this.canvas, this.head);
    element.append(this.sheet);
    this.canvas.addEventListener('pointerdown', event => this._down(event));
    this.canvas.addEventListener('pointermove', event => this._move(event));
    for (const name of ['pointerup', 'pointercancel']) {
      this.canvas.addEventListener(name, () => { this.from = null; });
    }
    element.addEventListener('keydown', event => this._key(event));
    new ResizeObserver(() => this.draw()).observe(element);
    onscheme(() => this.draw());
  }

  // chords: [{ start, end, label }] in seconds; silent: a Set of tracks.
  show(song, chords, silent) {
    if (song && song !== this.song) {
      this.chosen = null;
      // Bars as wide as can be worked with, if the piece is no book.
      const wide = BAR * song.bars.length / Math.max(1, this.element.clientWidth);
      this.zoom = Math.min(CLOSEST, Math.max(1, wide));
    }
    Object.assign(this, { song, chords, silent });
    this.draw();
  }

  // Chooses bars: the first, and one past the last; null for none.
  choose(bars) {
    this.chosen = bars;
    this.draw();
    if (bars) this._see(this._x(this.song.bars[bars[0]]));
  }

  // Moves the playhead.
  follow(seconds, sees = false) {
    if (!this.song) return;
    const x = this._x(this.song.tickAt(seconds));
    this.head.style.transform = `translateX(${x}px)`;
    if (sees) this._see(x);
  }

  _see(x) {
    const { scrollLeft, clientWidth } = this.element;
    if (x < scrollLeft || x > scrollLeft + clientWidth - 40) {
      this.element.scrollLeft = x - 40;
    }
  }

  _x(tick) { return tick / this._ticks * this.width; }

  get _ticks() { return this.song.barEnd(this.song.bars.length - 1); }

  draw() {
    const height = this.element.clientHeight - 2;
    if (!this.song || height <= 0) return;
    const least = this.element.clientWidth;
    this.width = Math.min(Math.max(WIDEST, least), least * this.zoom);
    const scale = devicePixelRatio || 1;
    this.canvas.width = this.width * scale;
    this.canvas.height = height * scale;
    this.sheet.style.width = `${this.width}px`;
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${height}px`;
    const brush = this.canvas.getContext('2d');
    brush.scale(scale, scale);
    const style = getComputedStyle(this.element);
    this.ink = name => style.getPropertyValue(name).trim();
    brush.font = '12px system-ui, "DejaVu Sans", sans-serif';
    brush.textBaseline = 'middle';
    this._bars(brush, height);
    this._notes(brush, height);
    this._chords(brush);
  }

  _bars(brush, height) {
    const { bars } = this.song, width = this.width / bars.length;
    brush.fillStyle = this.ink('--panel');
    brush.fillRect(0, 0, this.width, height);
    if (this.chosen) {
      const [first, last] = this.chosen;
      const from = this._x(bars[first]), to = this._x(this.song.barEnd(last - 1));
      brush.fillStyle = this.ink('--mark');
      brush.fillRect(from, 0, to - from, height);
      brush.strokeStyle = this.ink('--key');
      brush.lineWidth = 2;
      brush.strokeRect(from + 1, 1, Math.max(1, to - from - 2), height - 2);
    }
    const every = [1, 2, 4, 8, 16, 32, 64].find(count => count * width > 28) ?? 128;
    brush.lineWidth = 1;
    bars.forEach((tick, bar) => {
      const x = Math.round(this._x(tick)) + 0.5;
      brush.strokeStyle = this.ink('--line');
      if (width > 4 || bar % every === 0) {
        brush.beginPath();
        brush.moveTo(x, 0);
        brush.lineTo(x, height);
        brush.stroke();
      }
      if (bar % every === 0) {
        brush.fillStyle = this.ink('--soft');
        brush.fillText(String(bar + 1), x + 3, STRIP / 2);
      }
    });
  }

  _notes(brush, height) {
    const { notes, tracks } = this.song;
    const pitched = notes.filter(note => !tracks[note.track].drum);
    const drums = notes.length > pitched.length ? DRUMS : 0;
    const pitches = pitched.map(note => note.pitch);
    let low = Math.min(...pitches, 127), high = Math.max(...pitches, 0);
    if (low > high) [low, high] = [60, 60];
    const room = Math.max(0, 24 - (high - low)) / 2;
    low = Math.max(0, Math.floor(low - room - 1));
    high = Math.min(127, Math.ceil(high + room + 1));
    const top = 2 * STRIP, bottom = height - drums - 6;
    const row = (bottom - top) / (high - low + 1);
    const y = pitch => top + (high - pitch) * row;
    this._lines(brush, low, high, y);
    for (const note of notes) {
      const { drum } = tracks[note.track];
      const x = this._x(note.start);
      const wide = drum ? 3 : Math.max(2, this._x(note.end) - x - 0.5);
      const place = drum ? bottom + 4 + (81 - Math.min(81, Math.max(35, note.pitch))) / 46
        * (DRUMS - 10) : y(note.pitch);
      brush.globalAlpha = this.silent.has(note.track) ? 0.2 : 0.55 + 0.45 * note.velocity / 127;
      brush.fillStyle = colour(note.track);
      brush.fillRect(x, place, wide, drum ? 4 : Math.max(2, row - 1));
    }
    brush.globalAlpha = 1;
  }

  _lines(brush, low, high, y) {
    brush.strokeStyle = this.ink('--line');
    brush.fillStyle = this.ink('--soft');
    for (let pitch = Math.ceil(low / 12) * 12; pitch <= high; pitch += 12) {
      const line = Math.round(y(pitch - 1)) + 0.5;
      brush.beginPath();
      brush.moveTo(0, line);
      brush.lineTo(this.width, line);
      brush.stroke();
    }
  }

  _chords(brush) {
    for (const { start, end, label } of this.chords) {
      const from = this._x(this.song.tickAt(start));
      const to = this._x(this.song.tickAt(end));
      const root = KINDS.findIndex(kind => chordRoot(label) === kind);
      brush.fillStyle = root < 0 ? this.ink('--line') : `hsl(${root * 210 % 360} 55% ${dark.matches ? 32 : 82}%)`;
      brush.fillRect(from + 0.5, STRIP, Math.max(1, to - from - 1), STRIP - 3);
      const name = spoken(label);
      if (brush.measureText(name).width < to - from - 4) {
        brush.fillStyle = this.ink('--ink');
        brush.fillText(name, from + 4, STRIP + (STRIP - 3) / 2);
      }
    }
  }

  _bar(event) {
    const ratio = event.offsetX / this.width;
    return this.song.barAt(Math.max(0, ratio) * this._ticks);
  }

  _down(event) {
    if (!this.song || event.button) return;
    if (event.offsetY < STRIP) {
      this.onseek(this.song.secondsAt(event.offsetX / this.width * this._ticks));
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.from = this._bar(event);
    this._pick(this.from, this.from);
  }

  _move(event) {
    if (this.from === null || this.from === undefined) return;
    this._pick(this.from, this._bar(event));
  }

  _pick(one, other) {
    const bars = [Math.min(one, other), Math.max(one, other) + 1];
    if (String(bars) !== String(this.chosen)) {
      this.choose(bars);
      this.onselect(bars);
    }
  }

  _key(event) {
    if (!this.song || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.song.bars.length - 1;
    const [first, end] = this.chosen ?? [0, 0];
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -last, End: last };
    const by = moves[event.key];
    if (by !== undefined) {
      const at = bar => Math.max(0, Math.min(last, bar));
      if (!this.chosen) this._pick(0, 0);
      else if (event.shiftKey) this._pick(first, Math.max(first, at(end - 1 + by)));
      else this._pick(at(by < 0 ? first + by : end - 1 + by), at(by < 0 ? first + by : end - 1 + by));
    } else if (event.key === 'Escape') {
      this.choose(null);
      this.onselect(null);
    } else if (event.key === 'Enter' && this.chosen) {
      this.onseek(this.song.secondsAt(this.song.bars[first]));
    } else {
      return;
    }
    event.preventDefault();
  }
}

// A chord such as 'Bb:min7/b3' as musicians write it, 'B♭m7/b3'.
export function spoken(label) {
  const [, root, kind] = label.match(/^([A-G][b#]*):(.*)$/) ?? [];
  if (!root) return label === 'N' ? '–' : label;
  const names = { maj: '', min: 'm', maj7: 'maj7', min7: 'm7', dim: 'dim', aug: 'aug' };
  const [quality, bass] = kind.split('/');
  const name = names[quality] ?? quality;
  return root.replace('b', '♭').replace('#', '♯') + name + (bass ? `/${bass}` : '');
}

function chordRoot(label) {
  const root = label.split(/[:/]/)[0];
  const same = { 'C#': 'C♯', Db: 'C♯', 'D#': 'E♭', Eb: 'E♭', 'F#': 'F♯', Gb: 'F♯',
    'G#': 'A♭', Ab: 'A♭', 'A#': 'B♭', Bb: 'B♭', Cb: 'B', 'B#': 'C', 'E#': 'F', Fb: 'E' };
  return same[root] ?? root;
}

// What a roll shows, in words for those who do not see it; parts: names of tracks.
export function words(song, chords, parts) {
  const { notes, tracks, bars } = song;
  const named = chords.length ? `; chords ${chords.slice(0, 8).map(c => spoken(c.label)).join(', ')}` : '';
  return `Piano roll of ${count(notes.length, 'note')} in ${count(bars.length, 'bar')}, `
    + `${song.seconds.toFixed(1)} seconds; ${count(tracks.length, 'track')}: `
    + parts.slice(0, 6).join(', ') + named;
}

// A number of things, in words.
export function count(number, what) { return `${number} ${what}${number === 1 ? '' : 's'}`; }
