/**
 * A person as a closed, coloured surface, made in the browser: signed distances on a grid, fine where the surface is, cut off where cameras of
 * training see background; surface nets; and as colours what short rays see that pass the surface.
 *
 * Axes as cnerf_jax/meshing and glTF: y up, the face along +z, the middle of the head at the origin, about metres.
 */

import {largestView, outlineOf} from './outline.js';
import {PRIORITY} from './renderer.js';
import {largePieces, surfaceNets, vertexNormals} from './surface_nets.js';

/** Cells along a side of a block: blocks far from the surface are known by their corners alone. */
const BLOCK = 4;
/** How much steeper than a distance the field may be. */
const STEEPEST = 2;
/** A picture's outline lies outside of distance 0: rays that graze a head pass its fog for long. */
const LEVEL_IN_BETAS = 2;
const REACH_IN_BETAS = 4;
const SMALLEST_PIECE = 0.02;
/** Of the background's mask, in a head's colours: more, and the vertex takes its neighbours' colour. */
const LARGEST_TINT = 0.1;
const SMOOTHING_PASSES = 40;

/** Asks a graph about points, so many at once; rows of results one after another. */
async function ask(renderer, graph, chunk, columns, fixed, how, onDone) {
  const count = columns[0].array.length / 3;
  const parts = [];
  for (let first = 0; first < count; first += chunk) {
    const inputs = {...fixed};
    for (const {name, array} of columns) {
      const data = new Float32Array(3 * chunk).fill(0.1);  // what is beyond the last point is asked in vain
      data.set(array.subarray(3 * first, 3 * Math.min(first + chunk, count)));
      inputs[name] = {data, shape: [chunk, 3]};
    }
    parts.push(renderer.run(graph, inputs, how).then((results) => {
      onDone(Math.min(chunk, count - first) / count);
      return results;
    }));
  }
  const outcomes = await Promise.allSettled(parts);
  const failed = outcomes.find(({status}) => status === 'rejected');
  if (failed) {
    throw failed.reason;
  }
  return outcomes.map(({value}) => value);
}

/** All results of one name, as one array of `width` numbers a point. */
function joined(parts, name, count, width) {
  const all = new Float32Array(count * width);
  let place = 0;
  for (const part of parts) {
    all.set(part[name].subarray(0, Math.min(part[name].length, all.length - place)), place);
    place += part[name].length;
  }
  return all;
}

export class PersonMesh {
  #model;
  #renderer;
  #cells;
  #how;
  #report;

  /**
   * @param {object} model as model.json says; its meshCells are those along a side of the box, a multiple of 4
   * @param {Renderer} renderer
   * @param {{stylesId, styles}} person
   * @param {{signal: AbortSignal, report: (fraction: number) => void}} how
   */
  constructor(model, renderer, person, {signal, report}) {
    this.#model = model;
    this.#renderer = renderer;
    this.#cells = model.meshCells;
    this.#how = {person, priority: PRIORITY.middle, signal};
    this.#report = report;
  }

  /** {vertices, normals, colors, faces}; an Error if there is no surface, Cancelled if the signal says so. */
  async make() {
    const {person, ...how} = this.#how;
    const outline = await outlineOf(this.#model, (view, size) => this.#renderer.draw({...person, view, size}, how));
    this.#report(0.35);
    const values = await this.#solid(outline);
    const raw = largePieces(surfaceNets(values, this.#cells + 1), SMALLEST_PIECE);
    if (!raw.faces.length) {
      throw new Error('this person has no surface');
    }
    const {faces} = raw;
    const half = this.#halfSide;
    const vertices = raw.vertices.map((x) => half * (2 * x / this.#cells - 1));
    const normals = vertexNormals(vertices, faces);
    return {vertices, normals, faces, colors: await this.#colors(vertices, normals, faces)};
  }

  get #halfSide() {
    return (this.#model.camera.far - this.#model.camera.near) / 2;
  }

  /** How far outside of the head each point of the grid is: exact near the surface, of the right sign elsewhere. */
  async #solid(outline) {
    const cells = this.#cells;
    const n = cells + 1;
    const half = this.#halfSide;
    const cell = 2 * half / cells;
    const values = new Float32Array(n ** 3);
    const known = new Uint8Array(n ** 3);
    const at = (x, y, z) => x + n * (y + n * z);
    const place = (i) => [i % n, Math.floor(i / n) % n, Math.floor(i / (n * n))].map((x) => cell * x - half);
    const fill = async (indices, span) => {
      const fresh = indices.filter((i) => !known[i]);
      const points = Float32Array.from(fresh.flatMap(place));
      const distances = await this.#distances(points, span);
      fresh.forEach((i, row) => {
        known[i] = 1;
        values[i] = Math.max(distances[row], outline([points[3 * row], points[3 * row + 1], points[3 * row + 2]]));
      });
    };
    const coarse = Array.from({length: cells / BLOCK + 1}, (_, i) => BLOCK * i);
    const corners = coarse.flatMap((z) => coarse.flatMap((y) => coarse.map((x) => at(x, y, z))));
    await fill(corners, 0.1);
    const reach = STEEPEST * BLOCK * cell * Math.sqrt(3) / 2;
    const wanted = new Uint8Array(n ** 3);
    const inBlock = Array.from({length: BLOCK + 1}, (_, i) => i);
    const steps = inBlock.flatMap((z) => inBlock.flatMap((y) => inBlock.map((x) => at(x, y, z))));
    for (const first of corners.filter((i) => [i % n, Math.floor(i / n) % n, Math.floor(i / (n * n))].every((x) => x < cells))) {
      const ends = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => values[first + BLOCK * at(i & 1, (i >> 1) & 1, i >> 2)]);
      if (Math.min(...ends) <= reach && Math.max(...ends) >= -reach) {
        steps.forEach((step) => {
          wanted[first + step] = 1;
        });
      } else {
        steps.filter((step) => !known[first + step]).forEach((step) => {
          values[first + step] = ends[0];
        });
      }
    }
    await fill(Array.from(wanted.keys()).filter((i) => wanted[i]), 0.35);
    closed(values, n, cell / 2);
    return values;
  }

  async #distances(points, span) {
    const {backend} = this.#renderer;
    const chunk = 8 * this.#model.rays[backend];
    const level = LEVEL_IN_BETAS * this.#model.densityBeta;
    const parts = await ask(this.#renderer, `signed_distance_${backend}`, chunk, [{name: 'points', array: points}], {}, this.#how, this.#advance(span));
    return joined(parts, 'sdf', points.length / 3, 1).map((x) => x - level);
  }

  #done = 0.35;

  #advance(span) {
    return (fraction) => {
      this.#done += span * fraction;
      this.#report(this.#done);
    };
  }

  async #colors(vertices, normals, faces) {
    const {backend} = this.#renderer;
    const count = vertices.length / 3;
    const reach = Float32Array.of(REACH_IN_BETAS * this.#model.densityBeta);
    const viewdirs = limitedViews(normals, largestView(this.#model));
    const columns = [{name: 'points', array: vertices}, {name: 'normals', array: normals}, {name: 'viewdirs', array: viewdirs}];
    const parts = await ask(
      this.#renderer, `shade_${backend}`, this.#model.rays[backend], columns, {reach: {data: reach, shape: [1]}}, this.#how, this.#advance(0.2));
    const colors = joined(parts, 'rgb', count, 3).map((x) => (x + 1) / 2);
    const background = this.#model.classes.indexOf('background');
    if (background >= 0) {
      const width = this.#model.classes.length;
      const mask = joined(parts, 'semantic_mask', count, width);
      repaint(colors, faces, Array.from({length: count}, (_, i) => mask[i * width + background] > LARGEST_TINT));
    }
    return colors;
  }
}

/** Makes the border of a grid outside, so that the surface is closed. */
function closed(values, n, outside) {
  for (let i = 0; i < values.length; i++) {
    const place = [i % n, Math.floor(i / n) % n, Math.floor(i / (n * n))];
    if (place.some((x) => x === 0 || x === n - 1)) {
      values[i] = Math.max(values[i], outside);
    }
  }
}

/** Directions of views along less the normals, as near to them as views that training saw. */
function limitedViews(normals, [largestAzimuth, largestElevation]) {
  const views = new Float32Array(normals.length);
  const limit = (x, largest) => Math.min(Math.max(x, -largest), largest);
  for (let i = 0; i < normals.length; i += 3) {
    const azimuth = limit(Math.atan2(normals[i], normals[i + 2]), largestAzimuth);
    const elevation = limit(Math.asin(limit(normals[i + 1], 1)), largestElevation);
    views[i] = -Math.cos(elevation) * Math.sin(azimuth);
    views[i + 1] = -Math.sin(elevation);
    views[i + 2] = -Math.cos(elevation) * Math.cos(azimuth);
  }
  return views;
}

/** Vertices that no camera saw, at the back and at the rim, take the mean colour of their neighbours, from the seen ones inwards. */
function repaint(colors, faces, isUnseen) {
  const count = isUnseen.length;
  const has = Uint8Array.from(isUnseen, (unseen) => !unseen);
  if (!has.some((x) => x)) {
    return;
  }
  for (let left = true, smoothing = 0; left || smoothing < SMOOTHING_PASSES;) {
    const [sums, counts] = [new Float32Array(3 * count), new Uint16Array(count)];
    for (let f = 0; f < faces.length; f++) {
      const from = faces[f];
      const to = faces[f - f % 3 + (f + 1) % 3];
      if (has[from] && isUnseen[to]) {
        counts[to]++;
        [0, 1, 2].forEach((c) => {
          sums[3 * to + c] += colors[3 * from + c];
        });
      }
    }
    let changed = false;
    counts.forEach((number, i) => {
      if (number) {
        changed ||= !has[i];
        [0, 1, 2].forEach((c) => {
          colors[3 * i + c] = sums[3 * i + c] / number;
        });
      }
    });
    counts.forEach((number, i) => {
      has[i] ||= number > 0;
    });
    left = changed;
    smoothing += left ? 0 : 1;
  }
}

