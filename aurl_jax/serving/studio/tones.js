// The notes of a song as a source of sound, for a `Player`. A voice sounds them:
// oscillators, or any other that `open` gives, with `context`, `tail` in
// seconds, `play(note, start, part)`, `close()`, and `onfault`, which it calls.
import { tone } from './tone.js';

const AHEAD = 0.5;   // Seconds of notes that are handed to the browser.
const DRUMS = 9;     // The channel of drums, from 0.

// Oscillators as a voice; a context for each time that it sounds.
export class Oscillators {
  static async open() {
    const context = new AudioContext();
    await context.resume();
    return new Oscillators(context);
  }

  constructor(context) {
    this.context = context;
    this.tail = 0.2;
    this.onfault = () => {};
  }

  // note: as of tone.js; start: when the song began; part: of `parts`.
  play(note, start) { tone(this.context, note, start); }

  close() { this.context.close(); }
}

// What tracks are to a synthesiser: { channel, program }, a channel each as far
// as the fifteen go.
export function parts(tracks) {
  let count = 0;
  return tracks.map(({ program, drum }) => {
    const place = drum ? DRUMS : count++ % 15;
    return { program, channel: drum || place < DRUMS ? place : place + 1 };
  });
}

export class Tones {
  // song: of midi.js; silent: a Set of tracks that are not heard; open: gives
  // a voice.
  constructor(song, silent, open = Oscillators.open) {
    this.onend = this.onfault = () => {};
    this.silent = silent;
    this.open = open;
    this.length = song.seconds;
    this.parts = parts(song.tracks);
    this.notes = song.notes.map(note => {
      const start = song.secondsAt(note.start);
      const drum = song.tracks[note.track].drum;
      const sound = [start, song.secondsAt(note.end) - start, note.pitch,
        note.velocity / 127, drum];
      return { sound, track: note.track };
    });
    this.from = 0;
    this.voice = null;
    this.asked = 0;   // Times that it was played or stopped.
  }

  get position() {
    if (!this.voice) return this.from;
    const at = this.voice.context.currentTime - this.start;
    return Math.min(this.length, Math.max(this.from, at));
  }

  async play(from) {
    this.stop();
    this.from = from >= this.length ? 0 : from;
    const asked = this.asked;
    const voice = await this.open();
    if (this.asked !== asked) { voice.close(); return; }
    this.voice = voice;
    voice.onfault = () => this.play(this.position);
    this.start = voice.context.currentTime + 0.05 - this.from;
    this.next = this.notes.findIndex(({ sound }) => sound[0] + sound[1] > this.from);
    this.timer = setInterval(() => this.feed(), 50);
    this.feed();
  }

  // Hands over what is due soon; what sounds already begins in its middle.
  feed() {
    const now = this.voice.context.currentTime - this.start;
    while (this.next < this.notes.length && this.notes[this.next].sound[0] < now + AHEAD) {
      const { sound, track } = this.notes[this.next++];
      const late = Math.max(0, this.from - sound[0]);
      if (!this.silent.has(track) && late < sound[1]) {
        const [onset, duration, ...rest] = sound;
        this.voice.play([onset + late, duration - late, ...rest], this.start, this.parts[track]);
      }
    }
    if (now > this.length + this.voice.tail) this.onend();
  }

  stop() {
    this.asked++;
    if (!this.voice) return;
    this.from = this.position;
    clearInterval(this.timer);
    this.voice.close();
    this.voice = null;
  }

  close() { this.stop(); }
}
