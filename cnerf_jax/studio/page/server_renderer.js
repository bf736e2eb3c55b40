/** Draws by asking the server that the page came from; it does what `Renderer` does in the browser. */

import {Cancelled} from './renderer.js';

const LATE = 'dropped';
const SECONDS_TO_RECONNECT = 2;

/** Float32 numbers as base64. */
function base64(numbers) {
  return btoa(String.fromCharCode(...new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)));
}

export class ServerRenderer {
  backend = 'server';
  numWorkers = 1;
  /** Pictures come in the sizes of the model alone. */
  fixedSizes = true;
  #model;
  #socket;
  #waiting = new Map();
  #count = 0;
  #people = new Map();
  #isNewer = false;
  /** Of the checkpoint that draws; null for the newest. */
  step = null;
  /** Whether the page may be loaded again when there is a newer checkpoint; what is in the address is not lost. */
  mayReload = () => true;

  constructor(model) {
    this.#model = model;
  }

  /** Connects; resolves when the server listens. */
  start() {
    return new Promise((resolve, reject) => {
      const address = new URL('draw', document.baseURI);
      address.protocol = address.protocol.replace('http', 'ws');
      this.#socket = new WebSocket(address);
      this.#socket.binaryType = 'arraybuffer';
      this.#socket.onopen = resolve;
      this.#socket.onmessage = ({data}) => this.#take(data);
      this.#socket.onclose = () => {
        reject(new Error('the server does not answer'));
        this.#waiting.forEach((task) => task.reject(new Cancelled()));
        this.#waiting.clear();
        setTimeout(() => this.start().then(() => location.reload(), () => {}), 1000 * SECONDS_TO_RECONNECT);
      };
    });
  }

  #take(data) {
    if (typeof data === 'string') {
      const said = JSON.parse(data);
      if (said.kind === 'model') {
        this.#isNewer = true;
        this.reloadIfNewer();
      } else if (said.missing !== undefined && said.missing !== null) {
        this.#loadAndAskAgain(said);
      } else {
        this.#settle(said.id, (task) => task.reject(said.error === LATE ? new Cancelled() : new Error(said.error)));
      }
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    if (header.kind) {  // of a job that goes on
      const frame = header.size ? this.#frame(header, data.slice(4 + length), header.view) : null;
      this.#waiting.get(header.id)?.onProgress?.(header, frame);
      return;
    }
    this.#settle(header.id, (task) => task.resolve({header, bytes: data.slice(4 + length)}));
  }

  #settle(id, how) {
    const task = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (task) {
      how(task);
    }
  }

  /** Loads the page again if there is a newer checkpoint, the newest is followed, and nothing would be lost: the address holds the person. */
  reloadIfNewer() {
    if (this.#isNewer && this.step === null && this.mayReload()) {
      location.reload();
    }
  }

  /** A step that was drawn by before has left the server's memory. */
  async #loadAndAskAgain({id, missing, error}) {
    const task = this.#waiting.get(id);
    try {
      if (!task || task.isSecond) {
        throw new Error(error);
      }
      task.isSecond = true;
      await this.checkpoint(missing);
      this.#socket.send(JSON.stringify({...task.message, id}));
    } catch (failure) {
      this.#settle(id, () => task.reject(failure));
    }
  }

  #ask(message, signal, onProgress) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted || this.#socket.readyState !== WebSocket.OPEN) {
        reject(new Cancelled());
        return;
      }
      const id = ++this.#count;
      this.#waiting.set(id, {resolve, reject, message, onProgress});
      this.#socket.send(JSON.stringify({...message, id}));
      signal?.addEventListener('abort', () => {
        this.#settle(id, (task) => {
          this.#socket.send(JSON.stringify({kind: 'cancel', id}));
          task.reject(new Cancelled());
        });
      });
    });
  }

  /** Asks for a checkpoint; its mean styles. */
  async checkpoint(step) {
    const {bytes} = await this.#ask({kind: 'checkpoint', step});
    return new Float32Array(bytes);
  }

  /** People and pictures are of this step from now on; null is the newest. */
  useStep(step) {
    if (step !== this.step) {
      this.step = step;
      this.#people = new Map();
    }
  }

  /**
   * A job, as `messages.py` has them.
   * @param {object} message with styles as Float32Array, if it has any
   * @param {{signal: AbortSignal, onProgress: (header: object, frame: object|null) => void}} how
   * @returns {Promise<{header: object, bytes: ArrayBuffer}>}
   */
  job(message, {signal, onProgress}) {
    const {styles} = message;
    return this.#ask({...message, ...styles && {styles: base64(styles)}, step: this.step}, signal, onProgress);
  }

  /** Styles of a seed's person, not truncated. */
  async person(seed) {
    const people = this.#people;
    if (!people.has(seed)) {
      const asked = this.#ask({kind: 'person', seed, step: this.step}).then(({bytes}) => new Float32Array(bytes));
      people.set(seed, asked);
      asked.catch(() => people.delete(seed));  // to be asked for again
    }
    return people.get(seed);
  }

  /** A picture, as `Renderer.draw`. */
  async draw({styles, view, size}, {priority, signal}) {
    const {sizes} = this.#model;
    const name = Object.keys(sizes).find((one) => sizes[one].imageSize === size.imageSize && sizes[one].numSamples === size.numSamples);
    const {header, bytes} = await this.#ask({kind: 'draw', styles: base64(styles), view, size: name, priority, step: this.step}, signal);
    return this.#frame(header, bytes, view);
  }

  #frame(header, bytes, view) {
    const numRays = header.size ** 2;
    const numClasses = this.#model.classes.length;
    const rgb = Float32Array.from(new Uint8Array(bytes, 0, 3 * numRays), (x) => (x + 0.5) / 127.5 - 1);
    const mask = Float32Array.from(new Uint8Array(bytes, 3 * numRays, numClasses * numRays), (x) => x / 255);
    return {rgb, mask, depth: new Float32Array(bytes.slice((3 + numClasses) * numRays)), size: header.size, view};
  }
}
