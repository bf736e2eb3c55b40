/** What the server does for seconds or minutes: asked for, watched and cancelled; one at a time. */

import {Cancelled} from './renderer.js';

const element = (id) => document.getElementById(id);

export class Jobs {
  #studio;
  #cancelling = null;

  /** @param {object} studio with `renderer`, `say(message)`, `preview(frame)` and `redraw(moving)` */
  constructor(studio) {
    this.#studio = studio;
    element('cancel-job').addEventListener('click', () => this.#cancelling?.abort());
  }

  /** Whether the page has a server that does jobs. */
  get possible() {
    return Boolean(this.#studio.model.server);
  }

  get running() {
    return this.#cancelling !== null;
  }

  /**
   * A job, as long as it takes; while it lasts, what there is so far is on the stage.
   * @param {string} doing what it is called until the server has words for it
   * @param {object} message as messages.py says, without id
   * @returns {Promise<{header: object, bytes: ArrayBuffer}|null>} null if it was cancelled or failed, which has been said
   */
  async run(doing, message) {
    if (this.running) {
      this.#studio.say('One thing at a time: wait for the job, or cancel it');
      return null;
    }
    this.#cancelling = new AbortController();
    this.#show(doing, null);
    try {
      const onProgress = (header, frame) => this.#tell(header, frame);
      return await this.#studio.renderer.job(message, {signal: this.#cancelling.signal, onProgress});
    } catch (error) {
      this.#studio.say(error instanceof Cancelled ? 'Cancelled' : `It failed: ${error.message}`);
      this.#studio.redraw(false);
      return null;
    } finally {
      this.#cancelling = null;
      element('job').hidden = true;
      this.#studio.renderer.reloadIfNewer();
    }
  }

  #tell(header, frame) {
    if (this.#cancelling?.signal.aborted !== false) {
      return;
    }
    if (header.kind === 'place') {
      this.#show(`Waiting: ${header.place === 1 ? 'next' : `number ${header.place}`} in the queue`, null);
      return;
    }
    this.#show(`${header.doing[0].toUpperCase()}${header.doing.slice(1)}: ${Math.round(100 * header.fraction)} %`, header.fraction);
    if (frame) {
      this.#studio.preview(frame);
    }
  }

  #show(words, fraction) {
    element('job').hidden = false;
    element('job-words').textContent = words;
    const bar = element('job-bar');
    if (fraction === null) {
      bar.removeAttribute('value');
    } else {
      bar.value = fraction;
    }
  }
}
