/**
 * Keeps the picture on the stage up to date: coarse while something moves, finer by steps at rest. A picture that has begun to be coarse is
 * finished, so that a movement without end is seen; finer ones are dropped for what came since.
 */

import {Cancelled, PRIORITY} from './renderer.js';

/** A coarse picture that takes longer becomes smaller, one that takes less larger, up to the size of training; milliseconds. */
const SLOW = 125;
const QUICK = 50;
const SMALLEST_SIDE = 16;
const SHRINK = 0.75;

export class Painter {
  #renderer;
  #sizes;
  #scene;
  #show;
  #pending = false;
  #moving = false;
  #running = false;
  #finer = new AbortController();
  #scale = 1;
  /** How long the last coarse picture took, milliseconds; the first, which waits for memory and compilation, does not count. */
  milliseconds = null;
  /** How many coarse pictures there were. */
  numCoarse = 0;

  /**
   * @param {Renderer} renderer
   * @param {object} sizes of pictures, in this order: coarse, plain, middle, fine
   * @param {() => Promise<object>} scene what to draw now: {now, before, view}; both are {stylesId, styles}, before is null if unwanted
   * @param {(frame: object, before: object|null, step: string) => void} show
   */
  constructor(renderer, sizes, scene, show) {
    this.#renderer = renderer;
    this.#sizes = sizes;
    this.#scene = scene;
    this.#show = show;
  }

  /** Asks for a picture of what there is now. @param {boolean} moving whether more is about to come */
  request(moving) {
    this.#pending = true;
    this.#moving = moving;
    this.#finer.abort();
    if (!this.#running) {
      this.#running = true;
      return this.#run().finally(() => {
        this.#running = false;
      });
    }
    return Promise.resolve();
  }

  async #run() {
    while (this.#pending) {
      this.#pending = false;
      this.#finer = new AbortController();
      const scene = await this.#scene();
      const drawn = await this.#coarse(scene);
      if (!this.#pending && !this.#moving) {
        await this.#finish(scene, drawn);
      }
    }
  }

  /** Draws the coarse picture, says its size, and chooses that of the next. */
  async #coarse(scene) {
    const {imageSize, numSamples} = this.#sizes.coarse;
    const side = Math.max(Math.min(SMALLEST_SIDE, imageSize), Math.round(imageSize * this.#scale / 2) * 2);
    const begin = performance.now();
    await this.#step(scene, {imageSize: side, numSamples}, 'coarse');
    if (this.numCoarse++ > 0) {
      this.milliseconds = performance.now() - begin;
      this.#adapt(side, imageSize);
    }
    return {imageSize: side, numSamples};
  }

  #adapt(side, imageSize) {
    if (this.#renderer.fixedSizes) {
      return;
    }
    if (this.milliseconds > SLOW && side > SMALLEST_SIDE) {
      this.#scale *= SHRINK;
    } else if (this.milliseconds < QUICK) {
      this.#scale = Math.min(this.#sizes.plain.imageSize / imageSize, this.#scale / SHRINK);
    }
  }

  async #finish(scene, drawn) {
    const isNew = (size) => size.imageSize !== drawn.imageSize || size.numSamples !== drawn.numSamples;
    try {
      for (const [name, size] of Object.entries(this.#sizes)) {
        if (name !== 'coarse' && isNew(size)) {
          await this.#step(scene, size, name, this.#finer.signal);
        }
      }
    } catch (error) {
      if (!(error instanceof Cancelled)) {
        throw error;
      }
    }
  }

  async #step({now, before, view}, size, name, signal) {
    const draw = (person) => this.#renderer.draw({...person, view, size}, {priority: PRIORITY[name], signal});
    const [frame, other] = await Promise.all([draw(now), before && draw(before)]);
    this.#show(frame, other, name);
  }
}
