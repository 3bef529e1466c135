// A part of pages: a button that plays one sound, and how much was heard of it.
// One sound plays at a time. Works by keyboard and is told to screen readers.
//
//   const player = new Player({ url, label: 'A', onheard: share => … });
//   parent.append(player.element);
//   player.toggle();
//
// What sounds is a source: `Clip` below, or any other with `length` and
// `position` in seconds, `play(from)`, `stop()`, `close()`, and `onend` and
// `onfault`, which it calls.

let sounding = null;

// The sound of a file.
export class Clip {
  constructor(url) {
    this.onend = this.onfault = () => {};
    this.audio = document.createElement('audio');
    this.audio.src = url;
    this.audio.preload = 'auto';
    this.audio.addEventListener('ended', () => this.onend());
    this.audio.addEventListener('error', () => this.onfault());
  }

  get length() { return this.audio.duration || Infinity; }

  get position() { return this.audio.currentTime; }

  play(from) {
    this.audio.currentTime = from;
    return this.audio.play();
  }

  stop() { this.audio.pause(); }

  close() { this.audio.removeAttribute('src'); }
}

export class Player {
  // url: a sound file, or source: what sounds; label: what it is called;
  // seekable: whether it goes on where it was stopped, and can be moved;
  // onheard: is told the share 0..1 that was heard, each time it grows;
  // onmove: is told each position; onfault: is told that it failed.
  constructor({ url, source = new Clip(url), label, seekable = false,
    onheard = () => {}, onmove = () => {}, onfault = () => {} }) {
    Object.assign(this, { label, seekable, onheard, onmove, onfault });
    this.share = 0;
    this.button = document.createElement('button');
    this.button.type = 'button';
    this.button.addEventListener('click', () => this.toggle());
    this.bar = document.createElement(seekable ? 'input' : 'progress');
    if (seekable) Object.assign(this.bar, { type: 'range', step: 'any' });
    this.bar.max = 1;
    this.bar.setAttribute('aria-label', `${label}: position`);
    this.bar.addEventListener('input', () =>
      this.seek(this.bar.value * this._length));
    this.element = document.createElement('div');
    this.element.className = 'player';
    this.element.append(this.button, this.bar);
    if (source.audio) this.element.append(source.audio);
    this.take(source);
  }

  get playing() { return sounding === this; }

  get _length() { return Math.max(this.source.length, 1e-3); }

  // Plays another sound from now on, where the one before stood if it did.
  take(source) {
    const going = this.playing && this.source, at = this.at || 0;
    if (going) this.stop();
    this.source = source;
    source.onend = () => { this.stop(); this._hear(1); this._move(0); };
    source.onfault = () => this.onfault(this);
    this._show(false);
    this._move(Math.min(at, source.length));
    if (going) this.play();
  }

  toggle() { if (this.playing) this.stop(); else this.play(); }

  async play() {
    if (sounding) sounding.stop();
    sounding = this;
    this._show(true);
    const source = this.source;
    try {
      await source.play(this.seekable ? this.at : 0);
    } catch (error) {
      // Stopped before it began is no fault.
      if (this.playing) this.stop();
      if (error.name !== 'AbortError') source.onfault();
    }
    this._follow();
  }

  stop() {
    if (this.playing && this.seekable) this.at = this.source.position;
    this.source.stop();
    if (sounding === this) sounding = null;
    this._show(false);
  }

  // Moves to a second; goes on from there if it plays.
  seek(seconds) {
    const going = this.playing;
    if (going) this.stop();
    this._move(Math.max(0, Math.min(seconds, this.source.length)));
    if (going) this.play();
  }

  // Lets go of the sound; the element is of no use afterwards.
  close() { this.stop(); this.source.close(); }

  _follow() {
    if (!this.playing) return;
    const share = this.source.position / this._length;
    this._hear(share);
    this._move(this.source.position);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._follow(), 60);
  }

  _move(seconds) {
    this.at = seconds;
    this.bar.value = Math.min(1, seconds / this._length);
    if (this.seekable) {
      this.bar.setAttribute('aria-valuetext',
        `${seconds.toFixed(1)} of ${this.source.length.toFixed(1)} seconds`);
    }
    this.onmove(seconds);
  }

  _hear(share) {
    if (share <= this.share) return;
    this.share = Math.min(1, share);
    this.element.dataset.heard = this.share.toFixed(3);
    this.onheard(this.share);
  }

  _show(playing) {
    this.element.dataset.playing = playing;
    const rest = this.seekable ? '❚❚ Pause' : '■ Stop';
    this.button.textContent = `${playing ? rest : '▶ Play'} ${this.label}`;
    this.button.setAttribute('aria-pressed', playing);
    if (!playing && !this.seekable) this.bar.value = 0;
  }
}
