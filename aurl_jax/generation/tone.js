// One note by plain oscillators of the browser; a module, also put into pages.
// Notes are [onset s, duration s, pitch, velocity 0..1, is drum].
export function tone(context, note, start, out = context.destination) {
  const [onset, duration, pitch, velocity, drum] = note;
  const at = Math.max(start + onset, context.currentTime);
  const end = at + (drum ? 0.08 : Math.max(duration, 0.05));
  const voice = context.createOscillator(), gain = context.createGain();
  voice.type = drum ? 'square' : 'triangle';
  voice.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(0.16 * velocity, at + 0.01);
  gain.gain.setTargetAtTime(0, Math.max(at + 0.02, end - 0.03), 0.05);
  voice.connect(gain).connect(out);
  voice.start(at);
  voice.stop(end + 0.3);
}
