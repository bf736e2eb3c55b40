/** Something that takes its time, one at a time: says how far it is, and can be cancelled. */

import {Cancelled} from './renderer.js';

const element = (id) => document.getElementById(id);

export class Making {
  #say;
  #stop = null;

  /** @param {(message: string) => void} say */
  constructor(say) {
    this.#say = say;
    element('cancel').addEventListener('click', () => this.#stop?.abort());
  }

  /**
   * @param {string} what is made
   * @param {(how: {signal: AbortSignal, report: (fraction: number) => void}) => Promise<void>} work
   */
  async run(what, work) {
    if (this.#stop) {
      this.#say('One thing at a time: wait for it, or cancel it');
      return;
    }
    this.#stop = new AbortController();
    const {signal} = this.#stop;
    const report = (fraction) => {
      element('making-progress').value = fraction;
    };
    report(0);
    element('making-what').textContent = what;
    element('making').hidden = false;
    try {
      await work({signal, report});
      signal.throwIfAborted();
    } catch (error) {
      this.#say(signal.aborted || error instanceof Cancelled ? `${what} cancelled` : `${what} failed: ${error.message}`);
    } finally {
      this.#stop = null;
      element('making').hidden = true;
    }
  }
}
