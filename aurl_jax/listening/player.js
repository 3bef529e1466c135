// A part of pages: a button that plays one sound, and how much was heard of it.
// One sound plays at a time. Works by keyboard and is told to screen readers.
//
//   const player = new Player({ url, label: 'A', onheard: share => … });
//   parent.append(player.element);
//   player.toggle();

let sounding = null;

export class Player {
  // url: a sound file; label: what it is called; onheard: is told the share
  // 0..1 that was heard, each time it grows; onfault: is told that it failed.
  constructor({ url, label, onheard = () => {}, onfault = () => {} }) {
    this.label = label;
    this.share = 0;
    this.onheard = onheard;
    this.audio = document.createElement('audio');
    this.audio.src = url;
    this.audio.preload = 'auto';
    this.button = document.createElement('button');
    this.button.type = 'button';
    this.button.addEventListener('click', () => this.toggle());
    this.bar = document.createElement('progress');
    this.bar.max = 1;
    this.bar.value = 0;
    this.bar.setAttribute('aria-label', `${label}: position`);
    this.element = document.createElement('div');
    this.element.className = 'player';
    this.element.append(this.button, this.bar, this.audio);
    this.audio.addEventListener('ended', () => { this.stop(); this._hear(1); });
    this.audio.addEventListener('error', () => onfault(this));
    this._show(false);
  }

  get playing() { return sounding === this; }

  toggle() { if (this.playing) this.stop(); else this.play(); }

  async play() {
    if (sounding) sounding.stop();
    sounding = this;
    this._show(true);
    this.audio.currentTime = 0;
    try {
      await this.audio.play();
    } catch (error) {
      // Stopped before it began is no fault.
      if (this.playing) this.stop();
      if (error.name !== 'AbortError') this.audio.dispatchEvent(new Event('error'));
    }
    this._follow();
  }

  stop() {
    this.audio.pause();
    if (sounding === this) sounding = null;
    this._show(false);
  }

  // Lets go of the sound; the element is of no use afterwards.
  close() { this.stop(); this.audio.removeAttribute('src'); }

  _follow() {
    if (!this.playing) return;
    const length = this.audio.duration || Infinity;
    this._hear(this.audio.currentTime / length);
    this.bar.value = Math.min(1, this.audio.currentTime / length);
    setTimeout(() => this._follow(), 60);
  }

  _hear(share) {
    if (share <= this.share) return;
    this.share = Math.min(1, share);
    this.element.dataset.heard = this.share.toFixed(3);
    this.onheard(this.share);
  }

  _show(playing) {
    this.element.dataset.playing = playing;
    this.button.textContent = `${playing ? '■ Stop' : '▶ Play'} ${this.label}`;
    this.button.setAttribute('aria-pressed', playing);
    if (!playing) this.bar.value = 0;
  }
}
