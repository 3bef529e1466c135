// The notes of a song as a source of sound, for a `Player`: oscillators alone.
import { tone } from './tone.js';

const AHEAD = 0.5;   // Seconds of notes that are handed to the browser.

export class Tones {
  // song: of midi.js; silent: a Set of tracks that are not heard.
  constructor(song, silent) {
    this.onend = this.onfault = () => {};
    this.silent = silent;
    this.length = song.seconds;
    this.notes = song.notes.map(note => {
      const start = song.secondsAt(note.start);
      const drum = song.tracks[note.track].drum;
      const sound = [start, song.secondsAt(note.end) - start, note.pitch,
        note.velocity / 127, drum];
      return { sound, track: note.track };
    });
    this.from = 0;
    this.context = null;
  }

  get position() {
    if (!this.context) return this.from;
    const at = this.context.currentTime - this.start;
    return Math.min(this.length, Math.max(this.from, at));
  }

  async play(from) {
    this.stop();
    this.from = from >= this.length ? 0 : from;
    const context = this.context = new AudioContext();
    await context.resume();
    if (this.context !== context) return;
    this.start = context.currentTime + 0.05 - this.from;
    this.next = this.notes.findIndex(({ sound }) => sound[0] + sound[1] > this.from);
    this.timer = setInterval(() => this.feed(), 50);
    this.feed();
  }

  // Hands over what is due soon; what sounds already begins in its middle.
  feed() {
    const now = this.context.currentTime - this.start;
    while (this.next < this.notes.length && this.notes[this.next].sound[0] < now + AHEAD) {
      const { sound, track } = this.notes[this.next++];
      const late = Math.max(0, this.from - sound[0]);
      if (!this.silent.has(track) && late < sound[1]) {
        const [onset, duration, ...rest] = sound;
        tone(this.context, [onset + late, duration - late, ...rest], this.start);
      }
    }
    if (now > this.length + 0.2) this.onend();
  }

  stop() {
    if (!this.context) return;
    this.from = this.position;
    clearInterval(this.timer);
    this.context.close();
    this.context = null;
  }

  close() { this.stop(); }
}
