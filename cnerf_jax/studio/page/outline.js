/**
 * The head as cameras outline it: a point that any view of training sees as background is no head, all along its ray. Around and behind a head
 * there is matter that is painted as background, for a picture is the same with it.
 */

import {focalPixels} from './camera.js';

/** Views, as fractions of the largest azimuth and elevation that training saw. */
const VIEWS = [[-0.75, 0], [-0.375, 0], [0, 0], [0.375, 0], [0.75, 0], [0, 0.75], [0, -0.75]];
const LARGEST_VIEW_IN_STDS = 2;
const SIZE = {imageSize: 48, numSamples: 8};
/** Pixels over which a mask falls from 1 to 0: what turns a mask into a distance. */
const FALL = 2;

/** The largest azimuth and elevation of views that training saw, radians. */
export function largestView({camera}) {
  return [LARGEST_VIEW_IN_STDS * camera.azimuthStd, LARGEST_VIEW_IN_STDS * camera.elevationStd];
}

/** The background's mask of a frame, but for holes that the head surrounds, which would be drilled through it. */
function withoutHoles({mask, size}, background, numClasses) {
  const amount = Float32Array.from({length: size * size}, (_, i) => mask[i * numClasses + background]);
  const reached = new Uint8Array(size * size);
  const border = Array.from({length: size}, (_, i) => [i, size * (size - 1) + i, size * i, size * i + size - 1]).flat();
  const waiting = border.filter((i) => amount[i] > 0.5);
  while (waiting.length) {
    const i = waiting.pop();
    if (reached[i]) {
      continue;
    }
    reached[i] = 1;
    const column = i % size;
    const beside = [column > 0 && i - 1, column < size - 1 && i + 1, i >= size && i - size, i < size * (size - 1) && i + size];
    waiting.push(...beside.filter((j) => j !== false && amount[j] > 0.5));
  }
  return amount.map((x, i) => (reached[i] ? x : Math.min(x, 0.5 - 1e-3)));
}

/** Axes of a view's camera: right, up, backwards; the camera is at `backwards`. */
export function axesOf({azimuth, elevation}) {
  const {sin, cos} = Math;
  const back = [cos(elevation) * sin(azimuth), sin(elevation), cos(elevation) * cos(azimuth)];
  const right = [cos(azimuth), 0, -sin(azimuth)];
  const up = [back[1] * right[2] - back[2] * right[1], back[2] * right[0] - back[0] * right[2], back[0] * right[1] - back[1] * right[0]];
  return {right, up, back};
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** A value of a row-major picture between pixels; beyond it its border goes on. */
function between(picture, size, column, row) {
  const inside = (x) => Math.min(Math.max(x, 0), size - 1);
  const [x, y] = [inside(column - 0.5), inside(row - 0.5)];
  const [left, above] = [Math.min(Math.floor(x), size - 2), Math.min(Math.floor(y), size - 2)];
  const [u, v] = [x - left, y - above];
  const i = above * size + left;
  return (1 - v) * ((1 - u) * picture[i] + u * picture[i + 1]) + v * ((1 - u) * picture[i + size] + u * picture[i + size + 1]);
}

/**
 * @param {object} model as model.json says; without a class called background nothing is cut off
 * @param {(view: object, size: object) => Promise<object>} draw a frame of the person
 * @returns {Promise<(point: number[]) => number>} how far outside of the outlines a point is, about world units, negative inside
 */
export async function outlineOf(model, draw) {
  const background = model.classes.indexOf('background');
  if (background < 0) {
    return () => -Infinity;
  }
  const [largestAzimuth, largestElevation] = largestView(model);
  const views = VIEWS.map(([x, y]) => ({azimuth: x * largestAzimuth, elevation: y * largestElevation, zoom: 1}));
  const outlines = await Promise.all(views.map(async (view) => {
    const frame = await draw(view, SIZE);
    return {...axesOf(view), size: frame.size, amount: withoutHoles(frame, background, model.classes.length)};
  }));
  const focal = focalPixels(SIZE.imageSize, 1, model.camera.halfFieldOfView);
  return (point) => {
    let greatest = -Infinity;
    for (const {right, up, back, size, amount} of outlines) {
      const depth = 1 - dot(point, back);
      const column = size / 2 + focal * dot(point, right) / depth;
      const row = size / 2 - focal * dot(point, up) / depth;
      greatest = Math.max(greatest, (between(amount, size, column, row) - 0.5) * FALL * depth / focal);
    }
    return greatest;
  };
}
