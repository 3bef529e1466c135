// A square on which a point tells two numbers. The pointer moves it;
// so do the arrow keys, by two sliders of the page that stand for the axes.

export class Pad {
  // element: an empty one; sliders: of x and y, whose ranges it takes;
  // onset: is called when the pointer has let go.
  constructor(element, sliders, onset = () => {}) {
    this.element = element;
    this.point = document.createElement('div');
    this.point.className = 'point';
    element.append(this.point);
    element.addEventListener('pointerdown', event => {
      element.setPointerCapture(event.pointerId);
      this._take(event);
    });
    element.addEventListener('pointermove', event => {
      if (event.buttons) this._take(event);
    });
    element.addEventListener('pointerup', onset);
    this.heard = () => this.draw();
    this.sliders = [];
    this.over(sliders);
  }

  // Stands for other axes from now on.
  over(sliders) {
    for (const slider of this.sliders) slider.removeEventListener('input', this.heard);
    this.sliders = sliders;
    for (const slider of sliders) slider.addEventListener('input', this.heard);
    this.draw();
  }

  _take(event) {
    const box = this.element.getBoundingClientRect();
    const shares = [(event.clientX - box.left) / box.width,
      1 - (event.clientY - box.top) / box.height];
    this.sliders.forEach((slider, axis) => {
      const share = Math.min(1, Math.max(0, shares[axis]));
      const [low, high] = [Number(slider.min), Number(slider.max)];
      slider.value = low + share * (high - low);
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    });
  }

  draw() {
    const [x, y] = this.sliders.map(slider =>
      (slider.value - slider.min) / (slider.max - slider.min));
    this.point.style.left = `${100 * x}%`;
    this.point.style.bottom = `${100 * y}%`;
  }
}
