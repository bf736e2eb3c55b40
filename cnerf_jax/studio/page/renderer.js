/** Draws pictures of people with workers: WebGPU where there is one that is quick, WebAssembly otherwise, one worker a core. */

import {castRays} from './camera.js';
import {compile, fetchBytes} from './files.js';
import {normals} from './random.js';
import {Redrawing} from './redrawing.js';

const MOST_WORKERS = 4;
/** A GPU that takes longer for a coarse picture is a processor that plays one. */
const SLOWEST_GPU_MILLISECONDS = 250;
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

/** What goes first when many things wait: the larger. */
export const PRIORITY = {people: 4, coarse: 3, plain: 2, wall: 2, middle: 1, fine: 0};

/** A request that a later one has made useless. */
export class Cancelled extends Error {}

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

/** The backend that the page should draw with, 'webgpu' or 'wasm'. @param {string|null} wanted of the address: one of them, or null */
export async function chooseBackend(wanted) {
  return wanted ?? (await hasGpu() ? 'webgpu' : 'wasm');
}

export class Renderer {
  #model;
  #chosen;
  #workers = [];
  #idle = [];
  #waiting = [];
  #count = 0;
  #people = new Map();
  #graphs = new Map();
  backend;
  /** What draws regions anew; null where all regions share one latent. */
  redrawing;

  /** @param {object} model as model.json says @param {{backend: string, isWanted: boolean}} chosen what draws, and whether nothing else may */
  constructor(model, chosen) {
    this.#model = model;
    this.#chosen = chosen;
    this.redrawing = model.regionalLatents ? new Redrawing(model, this) : null;
  }

  get numWorkers() {
    return this.#workers.length;
  }

  /** Loads what draws; resolves when the first worker can. */
  async start() {
    const {backend, isWanted} = this.#chosen;
    if (backend === 'webgpu') {
      try {
        await this.#start('webgpu', 1);
        if (isWanted || await this.#isQuick()) {
          return;
        }
      } catch (error) {
        if (isWanted) {
          throw error;
        }
      }
      this.#stop();
    }
    await this.#start('wasm', Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1));
  }

  #stop() {
    this.#workers.forEach((worker) => worker.terminate());
    [this.#workers, this.#idle] = [[], []];
    this.#waiting.splice(0).forEach((task) => task.reject(new Cancelled()));
    this.#people.clear();
    this.redrawing &&= new Redrawing(this.#model, this);
  }

  /** Starts so many workers; what the first picture needs, and nothing else, is fetched and compiled, all at once. */
  async #start(backend, count) {
    this.backend = backend;
    const mapping = this.redrawing ? ['styles_of_draw'] : ['mapping'];
    const needed = [...mapping, 'field', this.#marchOf(this.#model.sizes.coarse)];
    const module = compile(`runtime/${backend}/runtime.wasm.gz`);
    module.then(() => performance.mark('runtime compiled'), () => {});
    const graphs = Promise.all(needed.map((name) => this.#graph(name)));
    const given = {kind: 'start', backend, runtime: new URL(`runtime/${backend}`, document.baseURI).href, classes: this.#model.classes.length, needed};
    await Promise.any(Array.from({length: count}, () => this.#startWorker(given, module, graphs))).catch(({errors}) => {
      throw errors[0];
    });
    performance.mark('worker ready');
  }

  /** Bytes of a graph, fetched once. */
  #graph(name) {
    if (!this.#graphs.has(name)) {
      const bytes = fetchBytes(`models/${name}.onnx.gz`);
      this.#graphs.set(name, bytes);
      bytes.catch(() => this.#graphs.delete(name));  // a network may come back
    }
    return this.#graphs.get(name);
  }

  #marchOf({numSamples}) {
    return `march_${this.backend}_${numSamples}`;
  }

  async #startWorker(given, module, graphs) {
    const one = {worker: new Worker('worker.js', {type: 'module'}), tasks: new Map(), has: new Set()};
    this.#workers.push(one.worker);
    const started = new Promise((resolve, reject) => {
      one.worker.onerror = (event) => reject(new Error(event.message || 'a worker did not start'));
      one.worker.onmessage = ({data}) => {
        if (data.kind !== 'ready' && data.id === undefined) {
          reject(new Error(data.error));
          return;
        }
        resolve();
        const task = one.tasks.get(data.id);
        one.tasks.delete(data.id);
        this.#idle.push(one);
        this.#next();
        if (data.error) {
          task.reject(new Error(data.error));
        } else {
          task?.resolve(data.results);
        }
      };
    });
    await graphs;
    await this.#give(one, given.needed);
    one.worker.postMessage({...given, module: await module});
    return started;
  }

  /** Sends a worker the graphs that it has not had. */
  async #give(one, names) {
    for (const name of names.filter((name) => !one.has.has(name))) {
      one.has.add(name);
      one.worker.postMessage({kind: 'graph', name, bytes: await this.#graph(name)});
    }
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
      const one = this.#idle.shift();
      one.tasks.set(task.message.id, task);
      this.#give(one, [task.message.graph]).then(() => one.worker.postMessage(task.message), task.reject);
    }
  }

  /**
   * What a graph makes of arrays.
   * @param {string} graph its name
   * @param {object} inputs {data: Float32Array, shape} by their names
   * @param {{person?: {stylesId, styles}, priority?: number, signal?: AbortSignal}} how whose field the graph takes, if any
   * @returns {Promise<object>} arrays by the names of the results
   */
  async run(graph, inputs, {person, priority = PRIORITY.people, signal} = {}) {
    await this.#graph(graph);
    return new Promise((resolve, reject) => {
      this.#waiting.push({message: {kind: 'run', graph, inputs, person, id: ++this.#count}, priority, signal, resolve, reject});
      this.#next();
    });
  }

  /** Styles [classes, 2, styleDim] of a seed's person, not truncated. */
  async person(seed) {
    if (!this.#people.has(seed)) {
      this.#people.set(seed, this.#map(seed));
    }
    return this.#people.get(seed);
  }

  async #map(seed) {
    return this.stylesOf(this.redrawing ? await this.redrawing.drawn(seed) : normals(seed, this.#model.latentDim));
  }

  /** Styles [classes, 2, styleDim] of latents: drawn ones where regions have their own, else z. */
  async stylesOf(latents) {
    const [graph, inputs] = this.redrawing
      ? ['styles_of_draw', {drawn: {data: latents, shape: [latents.length]}}] : ['mapping', {z: {data: latents, shape: [1, latents.length]}}];
    return (await this.run(graph, inputs)).styles;
  }

  /**
   * The person of a photograph, as the encoder guesses.
   * @param {Float32Array} photograph [photographSide, photographSide, 3] in [-1, 1]
   * @returns {Promise<{styles: Float32Array, azimuth: number, elevation: number}|null>} null if no face is seen
   */
  async findPerson(photograph) {
    const side = this.#model.photographSide;
    const {latents, viewpoint, confidence} = await this.run('photograph', {photograph: {data: photograph, shape: [side, side, 3]}});
    const [azimuth, elevation] = viewpoint;
    return confidence[0] > 0 ? {styles: await this.stylesOf(latents), azimuth, elevation} : null;
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
    const frame = {
      rgb: new Float32Array(3 * numRays), mask: new Float32Array(this.#model.classes.length * numRays), depth: new Float32Array(numRays),
      size: imageSize, view};
    const parts = [];
    for (let first = 0; first < numRays; first += chunk) {
      const count = Math.min(chunk, numRays - first);
      const rays = new Float32Array(3 * chunk).fill(1);  // what is beyond the last ray is drawn in vain
      rays.set(directions.subarray(3 * first, 3 * (first + count)));
      const inputs = {origin: {data: origin, shape: [3]}, directions: {data: rays, shape: [chunk, 3]}};
      parts.push(this.run(this.#marchOf({numSamples}), inputs, {person: {stylesId, styles}, priority, signal}).then((part) => {
        for (const [name, result] of [['rgb', part.rgb], ['mask', part.semantic_mask], ['depth', part.depth]]) {
          const channels = frame[name].length / numRays;
          frame[name].set(result.subarray(0, channels * count), channels * first);
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
