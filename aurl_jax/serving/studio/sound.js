// By what the studio sounds: the sound font of its server where there is one
// and it can be loaded, oscillators else. What it is is told in words.
import { told } from './ask.js';
import { Font } from './font.js';
import { Oscillators } from './tones.js';

const PLAIN = 'Sound: oscillators';
const MEGABYTE = 1e6;

export class Sound {
  // element: where it is told.
  constructor(element) {
    this.element = element;
    this.font = null;
    this.open = this.open.bind(this);
    this.tell(PLAIN);
  }

  tell(text) { if (this.element.textContent !== text) this.element.textContent = text; }

  // font: { name, bytes } of the server, or null. Nothing is loaded yet.
  take(font) {
    this.font = font && new Font(font.name, (error, lost) => this.lose(lost, error));
    if (!font) { this.tell(PLAIN); return; }
    this.size = `${(font.bytes / MEGABYTE).toFixed(font.bytes < MEGABYTE ? 3 : 0)} MB`;
    this.tell(`Sound: ${font.name} (${this.size}), loaded when you first play`);
  }

  // Returns a voice for `Tones`.
  async open() {
    const { font } = this;
    if (!font) return Oscillators.open();
    try {
      if (!font.loaded) this.tell(`Sound: loading ${font.name} (${this.size}) …`);
      const voice = await font.open();
      this.tell(`Sound: ${font.name}`);
      return voice;
    } catch (error) {
      this.lose(font, error);
      return Oscillators.open();
    }
  }

  // From now on it is oscillators; told once.
  lose(font, error) {
    if (this.font !== font) return;
    this.font = null;
    font.close();
    this.tell(`${PLAIN}, as ${font.name} cannot be played: ${told(error)}`);
  }
}
