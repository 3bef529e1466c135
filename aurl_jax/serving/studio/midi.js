// MIDI files as songs: notes, tracks, tempos and meters, in ticks and seconds.
// Reads what can be shown; the server reads everything anew, and exactly.

const MOST = { bytes: 1 << 20, notes: 20000, tracks: 256, bars: 4096 };

// What is wrong with a file, in words.
export class BadMidi extends Error {}

// Returns the song of a file's bytes (Uint8Array).
// Throws BadMidi: it is none, or has too much of something.
export function read(bytes) {
  if (bytes.length > MOST.bytes) {
    throw new BadMidi(`The file has ${bytes.length} bytes; at most ${MOST.bytes} are read.`);
  }
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 14 || text(bytes.subarray(0, 4)) !== 'MThd') {
    throw new BadMidi('This is no MIDI file: it does not begin with MThd.');
  }
  const division = data.getUint16(12);
  if (!division || division & 0x8000) {
    throw new BadMidi('Its time is counted in frames, or not at all; save it with ticks per beat.');
  }
  const song = new Song(division);
  let at = 8 + data.getUint32(4), chunk = 0;
  while (at + 8 <= bytes.length) {
    const kind = text(bytes.subarray(at, at + 4));
    const end = Math.min(bytes.length, at + 8 + data.getUint32(at + 4));
    if (kind === 'MTrk') {
      if (++chunk > MOST.tracks) throw new BadMidi(`It has more than ${MOST.tracks} tracks.`);
      readTrack(song, bytes.subarray(at + 8, end), chunk);
    }
    at = end;
  }
  song.finish();
  return song;
}

export class Song {
  constructor(division) {
    this.division = division;
    this.notes = [];     // { start, end, pitch, velocity, track }, in ticks.
    this.tracks = [];    // { name, program, drum }.
    this.tempos = [];    // [tick, microseconds a quarter note].
    this.meters = [];    // [tick, numerator, denominator].
  }

  // Puts all in order, and counts bars and seconds.
  finish() {
    if (!this.notes.length) throw new BadMidi('There are no notes in this file.');
    const byTick = (one, other) => one[0] - other[0];
    this.tempos = [[0, 500000], ...this.tempos].sort(byTick);
    this.meters = [[0, 4, 4], ...this.meters].sort(byTick);
    this.notes.sort((one, other) => one.start - other.start || one.pitch - other.pitch);
    this.end = Math.max(...this.notes.map(note => note.end));
    let seconds = 0, [tick, micros] = this.tempos[0];
    this.clock = this.tempos.map(([next, pace]) => {
      seconds += (next - tick) * micros / this.division / 1e6;
      [tick, micros] = [next, pace];
      return [tick, seconds, micros];
    });
    this.bars = this.barStarts();
    this.seconds = this.secondsAt(this.end);
  }

  // The ticks at which bars begin; a change of meter begins one.
  barStarts() {
    const starts = [];
    const changes = this.meters.filter(([tick], place) =>
      tick < this.end && this.meters[place + 1]?.[0] !== tick);
    let before = '';
    const real = changes.filter(([, n, d]) => {
      const differs = `${n}/${d}` !== before;
      before = `${n}/${d}`;
      return differs;
    });
    real.forEach(([tick, numerator, denominator], place) => {
      const stop = real[place + 1]?.[0] ?? this.end;
      const length = 4 * this.division * numerator / denominator;
      for (let bar = 0; tick + bar * length < stop; bar++) {
        starts.push(Math.ceil(tick + bar * length));
        if (starts.length > MOST.bars) throw new BadMidi(`It has more than ${MOST.bars} bars.`);
      }
    });
    return starts;
  }

  secondsAt(tick) {
    const from = this.clock.findLast(segment => segment[0] <= tick);
    return from[1] + (tick - from[0]) * from[2] / this.division / 1e6;
  }

  tickAt(seconds) {
    const from = this.clock.findLast(segment => segment[1] <= Math.max(0, seconds));
    return from[0] + (Math.max(0, seconds) - from[1]) * this.division * 1e6 / from[2];
  }

  // The bar, from 0, in which a tick is.
  barAt(tick) {
    return Math.max(0, this.bars.findLastIndex(start => start <= tick));
  }

  // The tick at which a bar ends.
  barEnd(bar) { return this.bars[bar + 1] ?? Math.max(this.end, this.bars[bar] + 1); }
}

// Bytes as text, whatever they are; never as markup.
function text(bytes) {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('latin1').decode(bytes);
  }
}

function readTrack(song, bytes, chunk) {
  let at = 0, tick = 0, status = 0, name = '';
  const open = new Map(), own = new Map(), programs = new Array(16).fill(0);

  function size() {
    let value = 0;
    for (let count = 0; count < 4; count++) {
      const byte = bytes[at++];
      value = value * 128 + (byte & 127);
      if (!(byte & 128)) break;
    }
    return value;
  }

  function track(channel) {
    const key = `${channel} ${programs[channel]}`;
    if (!own.has(key)) {
      own.set(key, song.tracks.length);
      song.tracks.push({ name, chunk, program: programs[channel], drum: channel === 9 });
    }
    return own.get(key);
  }

  function ends(channel, pitch) {
    const begun = open.get(channel * 128 + pitch)?.shift();
    if (begun) begun.end = Math.max(begun.start + 1, tick);
  }

  function begins(channel, pitch, velocity) {
    if (song.notes.length >= MOST.notes) throw new BadMidi(`It has more than ${MOST.notes} notes.`);
    const note = { start: tick, end: 0, pitch, velocity, track: track(channel) };
    const key = channel * 128 + pitch;
    if (!open.has(key)) open.set(key, []);
    open.get(key).push(note);
    song.notes.push(note);
  }

  function meta(kind, body) {
    if (kind === 3 && !name) name = text(body.subarray(0, 200));
    if (kind === 0x51 && body.length >= 3) {
      song.tempos.push([tick, Math.max(1, body[0] << 16 | body[1] << 8 | body[2])]);
    }
    if (kind === 0x58 && body.length >= 2 && body[0] && body[1] < 8) {
      song.meters.push([tick, body[0], 2 ** body[1]]);
    }
    return kind === 0x2f;
  }

  while (at < bytes.length) {
    tick += size();
    if (at < bytes.length && bytes[at] & 128) status = bytes[at++];
    if (status === 0xff || status === 0xf0 || status === 0xf7) {
      const kind = status === 0xff ? bytes[at++] : -1;
      const length = size();
      if (meta(kind, bytes.subarray(at, at + length))) break;
      at += length;
      continue;
    }
    if (status < 0x80) throw new BadMidi(`Track ${chunk} has no events that can be read.`);
    const kind = status >> 4, channel = status & 15;
    const one = bytes[at++] & 127;
    const other = kind === 0xc || kind === 0xd ? 0 : bytes[at++] & 127;
    if (kind === 0x9 && other) begins(channel, one, other);
    else if (kind === 0x8 || kind === 0x9) ends(channel, one);
    else if (kind === 0xc) programs[channel] = one;
  }
  for (const notes of open.values()) {
    for (const note of notes) note.end = Math.max(note.start + 1, tick);
  }
  for (const place of own.values()) song.tracks[place].name ||= name;
}
