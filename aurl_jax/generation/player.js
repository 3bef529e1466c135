'use strict';
$tone
// Notes are [onset s, duration s, pitch, velocity 0..1, is drum], by onset.
const pieces = $pieces;
const AHEAD = 0.5;  // Seconds of notes that are handed to the browser.
let now = null;     // What sounds: { context, button, bar, timer }.

function stop() {
  if (!now) return;
  clearInterval(now.timer);
  now.context.close();
  now.button.textContent = 'Play';
  now.bar.value = 0;
  now = null;
}

function play(button) {
  const again = now && now.button === button;
  stop();
  if (again) return;
  const notes = pieces[Number(button.dataset.piece)];
  const length = Math.max(0.1, ...notes.map(note => note[0] + note[1]));
  const context = new AudioContext(), start = context.currentTime + 0.1;
  const bar = button.parentElement.querySelector('progress');
  let next = 0;
  function feed() {
    const time = context.currentTime - start;
    while (next < notes.length && notes[next][0] < time + AHEAD)
      tone(context, notes[next++], start);
    bar.value = Math.max(0, time) / length;
    if (time > length + 0.5) stop();
  }
  now = { context, button, bar, timer: setInterval(feed, 50) };
  button.textContent = 'Stop';
  feed();
}

document.querySelectorAll('button[data-piece]').forEach(button =>
  button.addEventListener('click', () => play(button)));
