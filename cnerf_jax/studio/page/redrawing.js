/**
 * A region drawn anew so that it goes with the rest: from the Gaussian of the model's latents, given those of all other regions. For models
 * each of whose regions has latents of its own (cnerf_jax/models/regional_mapping.py).
 *
 * What was drawn becomes part of the recipe as it is, so that later edits of other regions don't change it: a code, which is the region's
 * latents (presence, shape, texture) in steps of a standard deviation, 16 bits each.
 */

import {fetchBytes} from './files.js';
import {Gaussian} from './gaussian.js';
import {normalAbove, normals} from './random.js';

const STEPS = 4096;
const LARGEST = 2 ** 15 - 1;

/** How many latents a region has: its presence, shape and texture. */
const widthOf = (model) => model.regionalLatents.mean.length / model.classes.length;

/** Where in all latents those of a region are, its presence first. @returns {number[]} */
function coordinates(region, model) {
  const count = model.classes.length;
  const width = widthOf(model) - 1;
  return [region, ...Array.from({length: width}, (_, i) => count + region * width + i)];
}

function encode(drawn, region, model) {
  const {mean, std} = model.regionalLatents;
  const steps = coordinates(region, model).map((i) => Math.min(Math.max(Math.round(STEPS * (drawn[i] - mean[i]) / std[i]), -LARGEST), LARGEST));
  const bytes = new Uint8Array(Int16Array.from(steps).buffer);
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function decode(code, region, model) {
  const {mean, std} = model.regionalLatents;
  const bytes = Uint8Array.from(atob(code.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
  const steps = new Int16Array(bytes.buffer);
  return coordinates(region, model).map((i, n) => mean[i] + std[i] * steps[n] / STEPS);
}

/** Whether a text is the code of a region of this model. */
export function isCode(text, model) {
  return model.regionalLatents !== undefined && /^[\w-]+$/.test(text) && text.length === Math.ceil(2 * widthOf(model) * 4 / 3);
}

export class Redrawing {
  #model;
  #renderer;
  #drawn = new Map();
  #styles = new Map();

  #gaussian;

  constructor(model, renderer) {
    this.#model = model;
    this.#renderer = renderer;
    this.#gaussian = fetchBytes('models/factor.bin.gz').then(({buffer}) => new Gaussian(model.regionalLatents.mean, new Float32Array(buffer)));
    this.#gaussian.catch(() => {});  // said by whoever needs it
  }

  /** Latents of a seed's person. */
  drawn(seed) {
    if (!this.#drawn.has(seed)) {
      this.#drawn.set(seed, this.#gaussian.then((gaussian) => gaussian.draw(normals(seed, this.#model.latentDim))));
    }
    return this.#drawn.get(seed);
  }

  /** Styles [classes, 2, styleDim] in which the rows of a region are those of its code; what the others are does not matter. */
  styles(code, region) {
    const key = `${region} ${code}`;
    if (!this.#styles.has(key)) {
      const drawn = Float32Array.from(this.#model.regionalLatents.mean);
      decode(code, region, this.#model).forEach((x, n) => {
        drawn[coordinates(region, this.#model)[n]] = x;
      });
      this.#styles.set(key, this.#renderer.stylesOf(drawn));
    }
    return this.#styles.get(key);
  }

  /** Latents of all regions, where a recipe has them from; what sliders add is in styles, not here. */
  async drawnOf(recipe) {
    const drawn = (await this.drawn(recipe.seed)).slice();
    for (const [region, edit] of Object.entries(recipe.edits)) {
      const [presence, ...latents] = coordinates(Number(region), this.#model);
      const parts = {shapeFrom: [presence, ...latents.slice(0, latents.length / 2)], textureFrom: latents.slice(latents.length / 2)};
      for (const [part, places] of Object.entries(parts)) {
        const from = edit[part];
        if (typeof from === 'string') {
          const values = decode(from, Number(region), this.#model);
          const first = part === 'shapeFrom' ? 0 : values.length - places.length;
          places.forEach((i, n) => {
            drawn[i] = values[first + n];
          });
        } else if (from !== null) {
          const others = await this.drawn(from);
          places.forEach((i) => {
            drawn[i] = others[i];
          });
        }
      }
    }
    return drawn;
  }

  /** The code of a region drawn anew, given all others of a recipe, and that the region is there. @param {number} seed of the draw */
  async draw(recipe, region, seed) {
    const {mean, threshold, presenceStd, carry} = this.#model.regionalLatents;
    const [drawn, gaussian, part] = [await this.drawnOf(recipe), await this.#gaussian, coordinates(region, this.#model)];
    const redrawn = gaussian.redraw(part, drawn, await this.drawn(seed));
    if (redrawn[region] <= threshold[region]) {
      const [expected, std] = [gaussian.redraw(part, drawn, Float32Array.from(mean))[region], presenceStd[region]];
      const change = expected + std * normalAbove((threshold[region] - expected) / std, seed) - redrawn[region];
      part.forEach((i) => {
        redrawn[i] += change * carry[i];
      });
    }
    return encode(redrawn, region, this.#model);
  }
}
