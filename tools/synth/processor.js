// The synthesiser of the studio, on the thread of sound: SpessaSynth, and a
// queue of notes that can be emptied. Becomes studio/spessasynth.js (build.py).
//
// It takes { font: ArrayBuffer }, { heard: [Float32Array] }, { note: [start s,
// end s, channel, program, pitch, velocity] } and { stop: true }. It gives
// { packed: [[Uint8Array, Hz]] }, samples in Vorbis, which the page decodes and
// gives back as `heard`; { ready: true } when the font can be played; or
// { fault: text }.
import { SoundBankLoader, SpessaLog, SpessaSynthProcessor } from 'spessasynth_core';

const FADE = 0.02;   // Seconds in which what sounds goes, on a stop.
const GAIN = 2.5;    // Nearly as loud as the oscillators.

class Instruments extends AudioWorkletProcessor {
  constructor() {
    super();
    SpessaLog.setLogLevel(false, false, false);
    this.synth = new SpessaSynthProcessor(sampleRate, { eventsEnabled: false });
    this.synth.setSystemParameter('gain', GAIN);
    this.due = [];             // [time, act], the latest first.
    this.programs = [];        // Of channels.
    this.held = new Map();     // Channel and pitch -> the note that sounds there.
    this.stops = Infinity;     // When what sounds has gone.
    this.mute = true;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ font, heard, note, stop }) {
    try {
      if (font) this.read(font);
      else if (heard) this.unpack(heard);
      else if (note) this.plan(note);
      else if (stop) this.stop();
    } catch (error) {
      this.port.postMessage({ fault: error.message });
    }
  }

  read(font) {
    this.bank = SoundBankLoader.fromArrayBuffer(font);
    this.packed = this.bank.samples.filter(sample => sample.isCompressed);
    if (!this.packed.length) { this.unpack([]); return; }
    const packed = this.packed.map(sample => [sample.getRawData(true).slice(), sample.sampleRate]);
    this.port.postMessage({ packed });
  }

  unpack(heard) {
    this.packed.forEach((sample, place) => sample.setAudioData(heard[place], sample.sampleRate));
    this.synth.soundBankManager.addSoundBank(this.bank, 'font');
    this.bank = this.packed = null;
    this.port.postMessage({ ready: true });
  }

  plan(note) {
    const [start, end] = note;
    this.at(start, () => this.begin(note));
    this.at(end, () => this.end(note));
  }

  at(time, act) {
    let place = this.due.length;
    while (place && this.due[place - 1][0] <= time) place--;
    this.due.splice(place, 0, [time, act]);
  }

  begin(note) {
    const [, , channel, program, pitch, velocity] = note;
    if (this.programs[channel] !== program) {
      this.synth.programChange(channel, program);
      this.programs[channel] = program;
    }
    if (this.stops < Infinity) this.hush();
    const key = 128 * channel + pitch;
    if (this.held.has(key)) this.synth.noteOff(channel, pitch);
    this.held.set(key, note);
    this.mute = false;
    this.synth.noteOn(channel, pitch, velocity);
  }

  end(note) {
    const [, , channel, , pitch] = note, key = 128 * channel + pitch;
    if (this.held.get(key) !== note) return;
    this.held.delete(key);
    this.synth.noteOff(channel, pitch);
  }

  stop() {
    this.due = [];
    this.held.clear();
    this.stops = currentTime + FADE;
  }

  process(inputs, [[left, right]]) {
    const end = currentTime + left.length / sampleRate;
    if (currentTime >= this.stops) this.hush();
    while (this.due.length && this.due.at(-1)[0] < end) this.due.pop()[1]();
    this.synth.process(left, right);
    if (this.mute) [left, right].forEach(side => side.fill(0));
    if (this.stops < Infinity) this.fade(left, right);
    return true;
  }

  // Ends all voices; of their reverb nothing is heard until there is a new note.
  hush() {
    this.synth.stopAllChannels(true);
    this.stops = Infinity;
    this.mute = true;
  }

  fade(...sides) {
    for (const side of sides) {
      for (let place = 0; place < side.length; place++) {
        const left = this.stops - currentTime - place / sampleRate;
        side[place] *= Math.max(0, left / FADE);
      }
    }
  }
}

registerProcessor('instruments', Instruments);
