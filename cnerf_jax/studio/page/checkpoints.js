/** The checkpoints of the run that is served: the same person drawn by any of them, or by one after another. */

import {Cancelled} from './renderer.js';

/** How long each step is looked at while it plays, at least. */
const MILLISECONDS = 500;

const element = (id) => document.getElementById(id);
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Checkpoints {
  #studio;
  #newestMean;
  #playing = false;
  #wanted = null;

  /** @param {object} studio with `model`, `renderer`, `redraw(moving)`, `redrawWall()`, `write()` and `say(message)` */
  constructor(studio) {
    this.#studio = studio;
    this.#newestMean = studio.model.meanStyles;
    const {steps = []} = studio.model;
    element('checkpoints').hidden = steps.length < 2;
    element('step').max = Math.max(steps.length - 1, 0);
    element('step').addEventListener('input', () => this.#move(this.#steps[element('step').value]));
    element('play').addEventListener('click', () => this.#playing ? this.stop() : this.play());
    element('newest').addEventListener('click', () => this.#move(null));
    this.#fill();
  }

  get #steps() {
    return this.#studio.model.steps ?? [];
  }

  /** The step that is shown; null where the newest is followed. */
  get step() {
    return this.#studio.renderer.step ?? null;
  }

  /** What the address says. @param {URLSearchParams} said */
  async read(said) {
    const step = said.get('step');
    const known = step !== null && this.#steps.includes(Number(step)) ? Number(step) : null;
    if (known !== this.step && this.#steps.length) {
      await this.show(known);
    }
  }

  /** Draws by a step from now on; null is the newest. Returns whether it does. */
  async show(step) {
    const {renderer, model} = this.#studio;
    this.#wanted = step;
    try {
      const mean = step === null ? this.#newestMean : await renderer.checkpoint(step);
      if (this.#wanted !== step) {
        return false;  // another one has been asked for meanwhile
      }
      renderer.useStep(step);
      model.meanStyles = mean;
    } catch (error) {
      if (!(error instanceof Cancelled)) {
        this.#studio.say(`Step ${step} can't be shown: ${error.message}`);
      }
      this.#fill();
      return false;
    }
    this.#fill();
    return true;
  }

  async #move(step) {
    this.#playing = false;
    element('step-words').textContent = step === null ? 'newest' : `step ${step} …`;
    if (await this.show(step)) {
      this.#studio.write();
      this.#studio.renderer.reloadIfNewer();
      this.#studio.redraw(false);
      this.#studio.redrawWall();
    }
  }

  /** From the step that is shown, or from the first if that is the last, to the last. */
  async play() {
    this.#playing = true;
    this.#fill();
    const steps = this.#steps;
    const now = steps.indexOf(this.step ?? this.#studio.model.step);
    for (let i = now < 0 || now === steps.length - 1 ? 0 : now; i < steps.length && this.#playing; i++) {
      const enough = wait(MILLISECONDS);
      if (!await this.show(steps[i])) {
        break;
      }
      await this.#studio.redraw(true);
      await enough;
    }
    this.stop();
  }

  stop() {
    this.#playing = false;
    this.#fill();
    this.#studio.write();
    this.#studio.redraw(false);
    this.#studio.redrawWall();
  }

  #fill() {
    const shown = this.step ?? this.#studio.model.step;
    element('step').value = Math.max(0, this.#steps.indexOf(shown));
    element('step-words').textContent = this.step === null ? `step ${shown}, followed` : `step ${shown}`;
    element('play').textContent = this.#playing ? 'Stop' : 'Play training';
    element('newest').disabled = this.step === null;
  }
}
