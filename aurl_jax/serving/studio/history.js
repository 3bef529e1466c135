// States one after the other, back and forth. A state is never changed.

export class History {
  constructor(state) { this.states = [state]; this.at = 0; }

  get now() { return this.states[this.at]; }

  get canUndo() { return this.at > 0; }

  get canRedo() { return this.at + 1 < this.states.length; }

  // Takes a new state; what was undone is gone.
  push(state) {
    this.states = [...this.states.slice(0, this.at + 1), state];
    this.at = this.states.length - 1;
  }

  undo() { if (this.canUndo) this.at--; return this.now; }

  redo() { if (this.canRedo) this.at++; return this.now; }
}
