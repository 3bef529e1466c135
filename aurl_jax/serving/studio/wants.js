// What the form asks for, as bodies of requests; and what a model can do.

const LEVELS = {
  key: ['C', 'C♯', 'D', 'E♭', 'E', 'F', 'F♯', 'G', 'A♭', 'A', 'B♭', 'B'],
  names: { key: 'Key', density: 'Notes a beat', polyphony: 'Notes at once', register: 'Register' },
};
const FARTHEST = 3;      // Deviations that dials go.
const RANGE = 1;         // Lengths of a draw that directions go.

function element(tag, text, attributes = {}) {
  const found = Object.assign(document.createElement(tag), attributes);
  found.textContent = text;
  return found;
}

// A slider with its name and value, as those of the page.
function slide(name, key, reach) {
  const label = element('label', '', { className: 'slide' });
  const input = Object.assign(document.createElement('input'), {
    type: 'range', min: -reach, max: reach, step: reach / 20, value: 0 });
  input.dataset.dial = key;
  label.append(element('span', name), input, element('output', ''));
  return label;
}

export class Wants {
  // form: of the page; can: what is asked of the model's facts.
  constructor(form) {
    this.form = form;
    this.facts = null;
    this.offers = null;
    form.addEventListener('input', event => {
      this.show(event.target);
      if (event.target.name === 'way') this.turnTo();
    });
    form.querySelectorAll('input').forEach(input => this.show(input));
    this.turnTo();
  }

  get way() { return this.form.elements.way.value; }

  // Writes the value of a slider beside it.
  show(input) {
    const output = input.parentElement?.querySelector('output');
    if (output && input.type === 'range') output.textContent = Number(input.value).toFixed(2);
  }

  // Shows the fields of what is to be written.
  turnTo() {
    for (const part of this.form.querySelectorAll('[data-for]')) {
      part.hidden = !part.dataset.for.split(' ').includes(this.way);
    }
  }

  // Takes what a model tells of itself.
  take(facts) {
    this.facts = facts;
    for (const radio of this.form.querySelectorAll('[name=way]')) {
      radio.disabled = Boolean(facts.can[radio.value]);
      radio.parentElement.title = facts.can[radio.value];
    }
    this.tellWhy();
    for (const [name, value] of Object.entries(facts.defaults)) {
      const field = this.form.elements[name];
      if (field && typeof value === 'number') { field.value = value; this.show(field); }
    }
    this.offerLevels();
    this.offerDials();
    this.turnTo();
  }

  // Tells what this model cannot do, and why.
  tellWhy() {
    const radios = [...this.form.querySelectorAll('[name=way]')];
    const cannot = radios.filter(radio => radio.disabled).map(radio =>
      element('li', `${radio.parentElement.textContent.trim()}: ${this.facts.can[radio.value]}.`));
    const box = this.form.querySelector('#why');
    box.hidden = !cannot.length;
    box.querySelector('ul').replaceChildren(...cannot);
  }

  offerLevels() {
    const box = this.form.querySelector('#levels');
    box.replaceChildren(element('summary', 'What it is like'));
    for (const [name, count] of Object.entries(this.facts.controls)) {
      const label = element('label', `${LEVELS.names[name] ?? name} `, { className: 'line' });
      const select = document.createElement('select');
      select.name = `level-${name}`;
      select.append(element('option', 'any', { value: '' }));
      for (let level = 0; level < count; level++) {
        const text = name === 'key'
          ? `${LEVELS.key[level % 12]} ${level < 12 ? 'major' : 'minor'}` : String(level);
        select.append(element('option', text, { value: level }));
      }
      label.append(select);
      box.append(label);
    }
    box.dataset.for = Object.keys(this.facts.controls).length ? 'generate continue infill' : '';
  }

  // Dials of the latents, and two directions that the seed draws.
  offerDials() {
    const { dials } = this.facts;
    const axes = [...dials.map(name => [name, name, FARTHEST]),
      ['direction 1', '0', RANGE], ['direction 2', '1', RANGE]];
    this.form.querySelector('#dials').replaceChildren(
      ...axes.map(([name, key, reach]) => slide(name, key, reach)));
    const sliders = [...this.form.querySelectorAll('#dials input')];
    sliders.forEach(input => this.show(input));
    const chosen = dials.length > 2 ? [0, 2] : [axes.length - 2, axes.length - 1];
    ['across', 'up'].forEach((id, place) => {
      this.form.querySelector(`#${id}`).replaceChildren(
        ...axes.map(([name], axis) => element('option', name, { value: axis })));
      this.form.querySelector(`#${id}`).value = chosen[place];
    });
    this.offers?.(sliders);
  }

  // Returns the body of a request; pieces are base64 by 'a' and 'b'.
  // Throws Error: something that is needed is not there.
  body(pieces, bars) {
    const { elements } = this.form, way = this.way;
    const number = name => Number(elements[name].value);
    if (way !== 'generate' && !pieces.a) throw new Error('Open or write a piece first.');
    if (way === 'turn') return this.turn(pieces.a);
    const body = { n: number('n'), seed: number('seed'),
      temperature: number('temperature'), top_p: number('top_p') };
    if (way === 'vary') return { ...body, music: pieces.a, strength: number('strength') };
    if (way === 'interpolate') {
      if (!pieces.b) throw new Error('There is no B yet: open two pieces, or write one.');
      return { ...body, first: pieces.a, last: pieces.b, n: Math.max(3, body.n) };
    }
    const controls = this.levels();
    if (controls) body.controls = controls;
    if (way === 'infill') {
      const { excerpt } = this.excerpt(bars), given = elements.given.value;
      const [from, to] = excerpt ?? [0, bars];
      // Bars are counted from the first that is sent.
      const rewrite = [number('first') - 1 - from, number('last') - from];
      if (!(rewrite[0] >= 0 && rewrite[1] > rewrite[0] && rewrite[1] <= to - from)) {
        throw new Error(`Choose bars from ${from + 1} to ${to} to write anew.`);
      }
      return { ...body, prompt: pieces.a, rewrite, ...(excerpt && { excerpt }),
        ...(given && { given }) };
    }
    const wish = this.wish(way === 'generate');
    Object.assign(body, { bars: number('bars') }, wish);
    if (way === 'continue') Object.assign(body, { prompt: pieces.a }, this.excerpt(bars));
    return body;
  }

  // Bars that are meant alone: { excerpt }, or {} for all.
  excerpt(bars) {
    const [from, to] = ['from', 'to'].map(name => this.form.elements[name].value);
    if (!from && !to) return {};
    const excerpt = [Number(from || 1) - 1, Number(to || bars)];
    if (!(excerpt[0] >= 0 && excerpt[1] > excerpt[0] && excerpt[1] <= bars)) {
      throw new Error(`Choose bars from 1 to ${bars}, or none for all.`);
    }
    return { excerpt };
  }

  // Takes bars that were chosen in the roll: [first, one past the last], or null.
  choose(bars) {
    const { elements } = this.form, names = { continue: ['from', 'to'], infill: ['first', 'last'] };
    const [first, last] = names[this.way] ?? names.infill;
    if (bars) [elements[first].value, elements[last].value] = [bars[0] + 1, bars[1]];
    else if (this.way === 'continue') elements.from.value = elements.to.value = '';
  }

  turn(music) {
    const dials = {}, toward = [0, 0];
    for (const input of this.form.querySelectorAll('[data-dial]')) {
      const { dial } = input.dataset, far = Number(input.value);
      if (dial === '0' || dial === '1') toward[dial] = far;
      else if (far) dials[dial] = far;
    }
    // The directions stay the same ones, wherever the point goes.
    return { music, dials, toward, seed: 0 };
  }

  levels() {
    const found = {};
    for (const name of Object.keys(this.facts.controls)) {
      const { value } = this.form.elements[`level-${name}`];
      if (value !== '') found[name] = Number(value);
    }
    return Object.keys(found).length ? found : null;
  }

  // Rules; a new piece has meter and tempo of its own.
  wish(isNew) {
    const { elements } = this.form, wish = {}, own = {};
    const text = name => elements[name].value.trim();
    for (const name of ['key', 'chords', 'rhythm']) if (text(name)) wish[name] = text(name);
    if (text('instruments')) {
      wish.instruments = text('instruments').split(',').map(name => name.trim()).filter(Boolean);
    }
    if (text('polyphony')) wish.polyphony = Number(text('polyphony'));
    if (text('least') || text('most')) {
      wish.density = [Number(text('least') || 0), text('most') ? Number(text('most')) : null];
    }
    if (text('meter')) wish.meter = text('meter').split('/').map(Number);
    if (text('tempo')) wish.tempo = Number(text('tempo'));
    if (elements.strict.checked) wish.strict = true;
    if (isNew && wish.meter) own.meter = wish.meter;
    if (isNew && wish.tempo) own.tempo = wish.tempo;
    if (!Object.keys(wish).length) return own;
    if (elements.weight.value) wish.weight = Number(elements.weight.value);
    return { ...own, wish };
  }
}
