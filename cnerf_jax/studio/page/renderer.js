/** Draws pictures of people with workers: WebGPU where there is one that is quick, WebAssembly otherwise, one worker a core. */

import {castRays} from './camera.js';
import {normals} from './random.js';

const MOST_WORKERS = 4;
/** A GPU that takes longer for a coarse picture is a processor that plays one. */
const SLOWEST_GPU_MILLISECONDS = 250;
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

/** What goes first when many things wait: the larger. */
export const PRIORITY = {people: 4, coarse: 3, middle: 2, wall: 1, fine: 0};

/** A request that a later one has made useless. */
export class Cancelled extends Error {}

async function fetchBytes(address) {
  const response = await fetch(address);
  if (!response.ok) {
    throw new Error(`${address} is missing (${response.status}); build the page again`);
  }
  return response.arrayBuffer();
}

/** Bytes of a compressed file, whether or not the server has uncompressed it on the way. */
async function fetchCompressed(address) {
  const bytes = await fetchBytes(address);
  const [first, second] = new Uint8Array(bytes);
  if (first !== 0x1f || second !== 0x8b) {
    return bytes;
  }
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
}

/** Whether this browser has a GPU that is one, and what the runtime for it needs: WebAssembly that waits for promises. */
async function hasGpu() {
  if (!('Suspending' in WebAssembly)) {
    return false;
  }
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter || adapter.isFallbackAdapter || adapter.info?.isFallbackAdapter) {
    return false;
  }
  const {vendor = '', architecture = '', description = ''} = adapter.info ?? {};
  return !SOFTWARE.test([vendor, architecture, description].join(' '));
}

export class Renderer {
  #model;
  #start;
  #workers = [];
  #idle = [];
  #waiting = [];
  #count = 0;
  #people = new Map();
  backend;

  constructor(model) {
    this.#model = model;
  }

  get numWorkers() {
    return this.#workers.length;
  }

  /** Loads what draws; resolves when the first worker can. @param {string|null} wanted 'webgpu', 'wasm' or null for the better one */
  async start(wanted) {
    if (wanted === 'webgpu' || (wanted === null && await hasGpu())) {
      try {
        await this.#startFirst('webgpu');
        if (wanted === 'webgpu' || await this.#isQuick()) {
          return;
        }
      } catch (error) {
        if (wanted === 'webgpu') {
          throw error;
        }
      }
      this.#stop();
    }
    await this.#startFirst('wasm');
  }

  /** Adds a worker for each further core: later, so that the first picture has the machine to itself. */
  startOthers() {
    const count = this.backend === 'webgpu' ? 1 : Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1);
    return Promise.allSettled(Array.from({length: count - 1}, () => this.#startWorker()));
  }

  #stop() {
    this.#workers.forEach((worker) => worker.terminate());
    [this.#workers, this.#idle] = [[], []];
    this.#waiting.splice(0).forEach((task) => task.reject(new Cancelled()));
    this.#people.clear();
  }

  async #startFirst(backend) {
    this.backend = backend;
    const samples = new Set(Object.values(this.#model.sizes).map((size) => size.numSamples));
    const names = ['mapping', 'field', ...[...samples].map((n) => `march_${backend}_${n}`)];
    const [binary, ...bytes] = await Promise.all([
      fetchCompressed(`runtime/${backend}/runtime.wasm.gz`), ...names.map((name) => fetchBytes(`models/${name}.onnx`))]);
    const graphs = Object.fromEntries(names.map((name, i) => [name, new Uint8Array(bytes[i])]));
    const runtime = new URL(`runtime/${backend}`, document.baseURI).href;
    this.#start = {kind: 'start', backend, runtime, binary, graphs, classes: this.#model.classes.length};
    await this.#startWorker();
  }

  #startWorker() {
    return new Promise((resolve, reject) => {
      const worker = new Worker('worker.js', {type: 'module'});
      this.#workers.push(worker);
      const tasks = new Map();
      worker.onerror = (event) => reject(new Error(event.message || 'a worker did not start'));
      worker.onmessage = ({data}) => {
        if (data.kind === 'ready') {
          this.#idle.push({worker, tasks});
          this.#next();
          resolve();
        } else if (data.id === undefined) {
          reject(new Error(data.error));
        } else {
          const task = tasks.get(data.id);
          tasks.delete(data.id);
          this.#idle.push({worker, tasks});
          this.#next();
          if (data.error) {
            task.reject(new Error(data.error));
          } else {
            task.resolve(data);
          }
        }
      };
      worker.postMessage(this.#start);
    });
  }

  /** Gives waiting tasks to idle workers: what is urgent first, then what came first. */
  #next() {
    while (this.#idle.length && this.#waiting.length) {
      const urgent = Math.max(...this.#waiting.map((task) => task.priority));
      const [task] = this.#waiting.splice(this.#waiting.findIndex((one) => one.priority === urgent), 1);
      if (task.signal?.aborted) {
        task.reject(new Cancelled());
        continue;
      }
      const {worker, tasks} = this.#idle.shift();
      tasks.set(task.message.id, task);
      worker.postMessage(task.message);
    }
  }

  #run(message, {priority, signal}) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({message: {...message, id: ++this.#count}, priority, signal, resolve, reject});
      this.#next();
    });
  }

  /** Styles [classes, 2, styleDim] of a seed's person, not truncated. */
  async person(seed) {
    if (!this.#people.has(seed)) {
      this.#people.set(seed, this.#run({kind: 'map', z: normals(seed, this.#model.latentDim)}, {priority: PRIORITY.people}).then(({styles}) => styles));
    }
    return this.#people.get(seed);
  }

  /**
   * A picture.
   * @param {object} what {stylesId, styles, view, size: {imageSize, numSamples}}
   * @param {{priority: number, signal?: AbortSignal}} how the larger priority goes first
   * @returns {Promise<object>} {rgb, mask, depth, size, view}, row-major, channels last
   * @throws {Cancelled} if the signal says so before it is drawn
   */
  async draw({stylesId, styles, view, size}, {priority, signal}) {
    const {imageSize, numSamples} = size;
    const {origin, directions} = castRays(view, imageSize, this.#model.camera.halfFieldOfView);
    const chunk = this.#model.rays[this.backend];
    const numRays = imageSize ** 2;
    const classWeights = new Float32Array(this.#model.classes.length).fill(1);
    const frame = {
      rgb: new Float32Array(3 * numRays), mask: new Float32Array(this.#model.classes.length * numRays), depth: new Float32Array(numRays),
      size: imageSize, view};
    const parts = [];
    for (let first = 0; first < numRays; first += chunk) {
      const count = Math.min(chunk, numRays - first);
      const rays = new Float32Array(3 * chunk).fill(1);  // what is beyond the last ray is drawn in vain
      rays.set(directions.subarray(3 * first, 3 * (first + count)));
      const graph = `march_${this.backend}_${numSamples}`;
      parts.push(this.#run({kind: 'march', graph, stylesId, styles, classWeights, origin, directions: rays}, {priority, signal}).then((part) => {
        for (const name of ['rgb', 'mask', 'depth']) {
          const channels = frame[name].length / numRays;
          frame[name].set(part[name].subarray(0, channels * count), channels * first);
        }
      }));
    }
    const outcomes = await Promise.allSettled(parts);
    const failed = outcomes.find(({status}) => status === 'rejected');
    if (failed) {
      throw failed.reason;
    }
    return frame;
  }

  /** Whether the second coarse picture, after all has been compiled, comes soon enough. */
  async #isQuick() {
    const what = {
      stylesId: -1, styles: Float32Array.from(this.#model.meanStyles), view: {azimuth: 0, elevation: 0, zoom: 1}, size: this.#model.sizes.coarse};
    await this.draw(what, {priority: PRIORITY.coarse});
    const before = performance.now();
    await this.draw(what, {priority: PRIORITY.coarse});
    return performance.now() - before < SLOWEST_GPU_MILLISECONDS;
  }
}
