/** What can be undone: states in the order in which they came, and where in it one is. */
export class History {
  #states;
  #position = 0;

  constructor(first) {
    this.#states = [first];
  }

  get current() {
    return this.#states[this.#position];
  }

  get canUndo() {
    return this.#position > 0;
  }

  get canRedo() {
    return this.#position < this.#states.length - 1;
  }

  /** Adds a state; what was undone is gone. */
  push(state) {
    if (JSON.stringify(state) !== JSON.stringify(this.current)) {
      this.#states.splice(++this.#position, Infinity, state);
    }
  }

  undo() {
    this.#position -= this.canUndo ? 1 : 0;
    return this.current;
  }

  redo() {
    this.#position += this.canRedo ? 1 : 0;
    return this.current;
  }
}
