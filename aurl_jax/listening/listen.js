// A listening test: consent, practice, trials, a code at the end.
// What a listener has answered is known to the server alone; the code in the
// address (#CODE) is all that this page keeps, so that loading it anew goes on.
import { Player } from './player.js';

const view = document.getElementById('view');
const status = document.getElementById('status');
const NAMES = {
  first: 'A', second: 'B', none: 'No preference',
  human: 'A human', machine: 'A machine',
};
let test = null;     // What the server tells of the test.
let code = '';       // Whose answers these are.
let keys = null;     // What a key does in this view, by its name.
let players = [];
let shortcuts = true;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function show(heading, ...children) {
  players.forEach(player => player.close());
  players = [];
  keys = null;
  status.textContent = '';
  const title = make('h1', { tabindex: '-1' }, heading);
  view.replaceChildren(title, ...children);
  document.title = `${heading} – ${test ? test.title : 'Listening test'}`;
  // Screen readers go on from here, and are told what is new.
  title.focus();
}

class Refused extends Error {
  constructor(error) { super(error.message); this.code = error.code; }
}

async function ask(path, body) {
  const options = { cache: 'no-store' };
  if (body !== undefined) {
    options.method = 'POST';
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const found = await answer.json();
  if (!answer.ok) throw new Refused(found.error);
  return found;
}

function lost(error) {
  status.textContent = error instanceof Refused
    ? `Not possible: ${error.message}.`
    : 'The server does not answer. Nothing is lost: please try again.';
}

function welcome(message = '') {
  const agree = make('input', { type: 'checkbox', id: 'agree' });
  const start = make('button', { class: 'main', id: 'start', disabled: true,
    onclick: begin }, 'Begin');
  agree.addEventListener('change', () => { start.disabled = !agree.checked; });
  const mine = make('input', { type: 'text', id: 'mine', autocomplete: 'off',
    spellcheck: 'false', maxlength: '40' });
  const form = make('form', { class: 'row', onsubmit: event => {
    event.preventDefault();
    resume(mine.value.trim().toLowerCase());
  } }, make('label', { for: 'mine' }, 'I have a code:'), mine,
    make('button', { type: 'submit' }, 'Go on'));
  show(test.title,
    make('div', { class: 'panel' }, make('p', {}, test.consent),
      make('p', {}, `There are ${test.trials} questions, after one to practise. ` +
        'Use headphones if you can, in a quiet place.')),
    make('label', { class: 'line' }, agree, 'I have read this and take part.'),
    start, make('hr'), form);
  status.textContent = message;
}

async function begin() {
  try {
    code = (await ask('api/listeners', { consent: true })).code;
  } catch (error) { lost(error); return; }
  history.replaceState(null, '', `#${code}`);
  rehearse(0);
}

async function resume(given) {
  if (!/^[0-9a-z]{1,40}$/.test(given)) {
    welcome('A code has letters and digits only.');
    return;
  }
  try {
    const state = await ask(`api/listeners/${given}`);
    code = given;
    history.replaceState(null, '', `#${code}`);
    next(state);
  } catch (error) {
    if (!(error instanceof Refused)) { lost(error); return; }
    history.replaceState(null, '', ' ');
    welcome('There is no listener of that code.');
  }
}

function rehearse(number) {
  if (number >= test.practice.length) {
    ask(`api/listeners/${code}`).then(next).catch(lost);
    return;
  }
  trial(test.practice[number], 'Practice',
    make('p', { class: 'ask' }, 'This one is for practice and is not kept. ' +
      'Make the sound as loud as you like it now, and leave it so.'),
    async () => rehearse(number + 1));
}

function next(state) {
  if (!state.trial) { done(state); return; }
  const heading = `Question ${state.done + 1} of ${state.trials}`;
  const asked = state.trial.ask
    ? make('p', { class: 'ask', id: 'ask' }, state.trial.ask) : '';
  trial(state.trial, heading, asked, async (value, seconds) => {
    const body = { trial: state.trial.id, value, seconds };
    try {
      next(await ask(`api/listeners/${code}/answers`, body));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      // Answered in another window: go on from where that stands.
      next(await ask(`api/listeners/${code}`));
    }
  });
}

function trial(asked, heading, note, keep) {
  const began = performance.now();
  const send = make('button', { class: 'main', id: 'next', type: 'submit',
    disabled: true }, 'Next');
  const choices = test.choices.map(choice);
  const answers = make('fieldset', { disabled: true, 'aria-describedby': 'must' },
    make('legend', {}, test.question), ...choices);
  const must = make('p', { class: 'soft', id: 'must' }, needed(asked));
  const form = make('form', {
    onchange: () => { send.disabled = false; },
    onsubmit: async event => {
      event.preventDefault();
      const picked = form.elements.answer.value;
      if (!picked || send.disabled) return;
      send.disabled = true;
      status.textContent = '';
      try {
        await keep(picked, (performance.now() - began) / 1000);
      } catch (error) { lost(error); send.disabled = false; }
    },
  }, answers, send);
  show(heading, note, make('div', { class: 'players', id: 'players' }), must, form,
    help(asked));
  const names = asked.clips.length > 1 ? ['A', 'B'] : ['music'];
  players = asked.clips.map((url, place) => new Player({
    url, label: names[place], onheard: heard,
    onfault: () => { status.textContent = 'The sound could not be played.'; },
  }));
  document.getElementById('players').append(...players.map(p => p.element));
  keys = bindings(choices, answers);
  heard();

  function heard() {
    if (players.every(player => player.share >= test.heard) && answers.disabled) {
      answers.disabled = false;
      must.textContent = 'You may listen again, as often as you like.';
    }
  }
}

function needed(asked) {
  if (!test.heard) return 'Listen as often as you like.';
  const two = asked.clips.length > 1;
  const much = test.heard >= 1 ? (two ? 'both to the end' : 'it to the end')
    : `${Math.round(100 * test.heard)} % of ${two ? 'each' : 'it'} or more`;
  return `Before you answer, hear ${much}.`;
}

function choice(value, place) {
  const text = test.labels.length
    ? `${value} – ${test.labels[place]}` : NAMES[value] || value;
  return make('label', { class: 'choice' },
    make('input', { type: 'radio', name: 'answer', value }), text);
}

function bindings(choices, answers) {
  const found = {};
  players.forEach((player, place) => {
    found['ab'[place]] = () => player.toggle();
  });
  choices.forEach((label, place) => {
    found[String(place + 1)] = () => {
      if (!answers.disabled) label.querySelector('input').click();
    };
  });
  return found;
}

function help(asked) {
  const use = make('input', { type: 'checkbox', checked: shortcuts });
  use.addEventListener('change', () => { shortcuts = use.checked; });
  const plays = asked.clips.length > 1
    ? [make('kbd', {}, 'A'), ' and ', make('kbd', {}, 'B'), ' play, ']
    : [make('kbd', {}, 'A'), ' plays, '];
  return make('footer', {}, make('label', { class: 'line soft' }, use,
    make('span', {}, 'Keys: ',
    ...plays, make('kbd', {}, '1'), ' to ',
    make('kbd', {}, String(test.choices.length)), ' choose, ',
    make('kbd', {}, 'Enter'), ' goes on.')), make('p', { class: 'soft' },
    'To go on at another time, keep your code: ',
    make('span', { class: 'code' }, code)));
}

function done(state) {
  show('Thank you',
    make('p', {}, 'All your answers are kept. If you are asked for a code, it is:'),
    make('p', { class: 'code', id: 'finish' }, state.finish),
    make('button', { id: 'another', onclick: () => {
      history.replaceState(null, '', ' ');
      code = '';
      welcome();
    } }, 'Next listener'));
}

addEventListener('keydown', event => {
  if (!keys || !shortcuts || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.matches('input[type="text"]')) return;
  if (event.key === 'Enter' && event.target.tagName !== 'BUTTON') {
    event.preventDefault();
    document.getElementById('next').click();
    return;
  }
  const act = keys[event.key.toLowerCase()];
  if (act) { event.preventDefault(); act(); }
});

async function open() {
  try {
    test = await ask('api/test');
  } catch (error) {
    show('Listening test', make('button', { onclick: open }, 'Try again'));
    lost(error);
    return;
  }
  const given = location.hash.slice(1);
  if (given) resume(given); else welcome();
}

open();
