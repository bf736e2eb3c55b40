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
        location.reload();  // the address holds all that the person is
      }
      this.#settle(said.id, (task) => task.reject(said.error === LATE ? new Cancelled() : new Error(said.error)));
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.#settle(header.id, (task) => task.resolve({header, bytes: data.slice(4 + length)}));
  }

  #settle(id, how) {
    const task = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (task) {
      how(task);
    }
  }

  #ask(message, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted || this.#socket.readyState !== WebSocket.OPEN) {
        reject(new Cancelled());
        return;
      }
      const id = ++this.#count;
      this.#waiting.set(id, {resolve, reject});
      this.#socket.send(JSON.stringify({...message, id}));
      signal?.addEventListener('abort', () => {
        this.#settle(id, (task) => {
          this.#socket.send(JSON.stringify({kind: 'cancel', id}));
          task.reject(new Cancelled());
        });
      });
    });
  }

  /** Styles of a seed's person, not truncated. */
  async person(seed) {
    if (!this.#people.has(seed)) {
      this.#people.set(seed, this.#ask({kind: 'person', seed}).then(({bytes}) => new Float32Array(bytes)));
    }
    return this.#people.get(seed);
  }

  /** A picture, as `Renderer.draw`. */
  async draw({styles, view, size}, {priority, signal}) {
    const {sizes} = this.#model;
    const name = Object.keys(sizes).find((one) => sizes[one].imageSize === size.imageSize && sizes[one].numSamples === size.numSamples);
    const {header, bytes} = await this.#ask({kind: 'draw', styles: base64(styles), view, size: name, priority}, signal);
    const numRays = header.size ** 2;
    const numClasses = this.#model.classes.length;
    const rgb = Float32Array.from(new Uint8Array(bytes, 0, 3 * numRays), (x) => (x + 0.5) / 127.5 - 1);
    const mask = Float32Array.from(new Uint8Array(bytes, 3 * numRays, numClasses * numRays), (x) => x / 255);
    return {rgb, mask, depth: new Float32Array(bytes.slice((3 + numClasses) * numRays)), size: header.size, view};
  }
}
