// A sound font of the server as a voice for `Tones`: SpessaSynth, on the thread
// of sound. It is loaded when it is first to sound, and kept then.
import { bytes } from './ask.js';

const REST = 5000;   // Milliseconds after which a voice that is silent rests.

// A voice that has nothing to say any more is told nothing more.
class Voice {
  constructor(font) {
    Object.assign(this, { font, context: font.context, tail: 1, onfault: () => {} });
  }

  // note: [onset s, duration s, pitch, velocity 0..1]; start: when the song
  // began; part: { channel, program }.
  play([onset, duration, pitch, velocity], start, { channel, program }) {
    const at = start + onset, loud = Math.max(1, Math.round(127 * velocity));
    this.font.post({ note: [at, at + duration, channel, program, pitch, loud] });
  }

  close() { if (this.font.voice === this) this.font.rest(); }
}

export class Font {
  // name: what it is called; onfault: is told, by an Error and this font, that
  // it cannot sound any more.
  constructor(name, onfault) {
    Object.assign(this, { name, onfault });
    this.voice = this.loaded = null;
  }

  // Returns a voice; of several the last one sounds.
  // Throws an Error in words that are for people.
  async open() {
    this.loaded ??= this.load();
    await this.loaded;
    await this.context.resume();
    this.voice = new Voice(this);
    return this.voice;
  }

  post(message, moved = []) { this.node.port.postMessage(message, moved); }

  rest() {
    this.post({ stop: true });
    this.voice = null;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.voice) this.context.suspend(); }, REST);
  }

  async load() {
    if (!isSecureContext) {
      throw new Error('browsers play sound fonts over HTTPS, or at localhost, alone');
    }
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule('spessasynth.js').catch(() => {
      throw new Error('the synthesiser could not be loaded');
    });
    this.node = new AudioWorkletNode(this.context, 'instruments',
      { numberOfInputs: 0, outputChannelCount: [2] });
    const file = await bytes('font');
    await this.read(file);
    this.node.connect(this.context.destination);
  }

  // Has the synthesiser read a font's file.
  read(file) {
    return new Promise((done, failed) => {
      const wrong = text => { failed(new Error(text)); this.fault(new Error(text)); };
      this.node.addEventListener('processorerror', () => wrong('the synthesiser has failed'));
      this.node.port.onmessage = ({ data }) => {
        if (data.ready) done();
        else if (data.fault) wrong(data.fault);
        else this.unpack(data.packed, wrong);
      };
      this.post({ font: file }, [file]);
    });
  }

  unpack(packed, wrong) {
    Promise.all(packed.map(([sample, rate]) => decoded(sample, rate))).then(
      heard => this.post({ heard }), () => wrong('this browser cannot decode its samples'));
  }

  fault(error) {
    const { voice } = this;
    this.voice = null;
    this.onfault(error, this);
    voice?.onfault();
  }

  close() {
    clearTimeout(this.timer);
    this.context?.close();
  }
}

// Returns what a file of sound has, at its own rate (Hz): the browser decodes it.
async function decoded(packed, rate) {
  const context = new OfflineAudioContext(1, 1, rate);
  const sound = await context.decodeAudioData(packed.buffer);
  return sound.getChannelData(0);
}
