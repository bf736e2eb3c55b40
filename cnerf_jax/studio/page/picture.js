/** What has been drawn, as pixels. */

import {focalPixels} from './camera.js';

const DIFFERENCE_GAIN = 4;

/** A byte of a value in [0, 1]. */
const byte = (x) => Math.round(255 * Math.min(Math.max(x, 0), 1));

function pixels(frame, color) {
  const image = new ImageData(frame.size, frame.size);
  for (let i = 0; i < frame.size ** 2; i++) {
    image.data.set([...color(i), 255], 4 * i);
  }
  return image;
}

/** The class that covers most of each pixel. */
export function classesOf(frame, numClasses) {
  return Uint8Array.from({length: frame.size ** 2}, (_, i) => {
    let best = 0;
    for (let k = 1; k < numClasses; k++) {
      if (frame.mask[i * numClasses + k] > frame.mask[i * numClasses + best]) {
        best = k;
      }
    }
    return best;
  });
}

/** The picture as a camera sees it. */
export function picture(frame) {
  // as 8 bits are made of [-1, 1] in Python: 127.5 (x + 1), cut
  return pixels(frame, (i) => [0, 1, 2].map((c) => Math.floor(127.5 * (Math.min(Math.max(frame.rgb[3 * i + c], -1), 1) + 1))));
}

/** Each class in its colour, mixed as the masks are. */
export function mask(frame, palette) {
  const count = palette.length;
  return pixels(frame, (i) => [0, 1, 2].map((c) => {
    let sum = 0;
    for (let k = 0; k < count; k++) {
      sum += frame.mask[i * count + k] * palette[k][c];
    }
    return byte(sum / 255);
  }));
}

/** Normals of the surface, read off the depth; red is right, green up, blue towards the camera. */
export function normals(frame, halfFieldOfView) {
  const {size, depth} = frame;
  const focal = focalPixels(size, frame.view.zoom, halfFieldOfView);
  const point = (row, column) => {
    const distance = depth[row * size + column];
    return [distance * (column + 0.5 - size / 2) / focal, -distance * (row + 0.5 - size / 2) / focal, -distance];
  };
  const inside = (x) => Math.min(Math.max(x, 0), size - 1);
  return pixels(frame, (i) => {
    const [row, column] = [Math.floor(i / size), i % size];
    const [left, right] = [point(row, inside(column - 1)), point(row, inside(column + 1))];
    const [above, below] = [point(inside(row - 1), column), point(inside(row + 1), column)];
    const [u, v] = [[0, 1, 2].map((c) => right[c] - left[c]), [0, 1, 2].map((c) => above[c] - below[c])];
    const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    const length = Math.hypot(...normal) || 1;
    return normal.map((x) => byte((x / length + 1) / 2));
  });
}

/** Where two pictures differ: black where they don't, the stronger the brighter. */
export function difference(frame, other) {
  return pixels(frame, (i) => [0, 1, 2].map((c) => byte(DIFFERENCE_GAIN * Math.abs(frame.rgb[3 * i + c] - other.rgb[3 * i + c]) / 2)));
}

/** A region lit up: its colour where it is, and its edge. Transparent elsewhere. */
export function highlight(frame, region, palette, strength) {
  const {size} = frame;
  const count = palette.length;
  const image = new ImageData(size, size);
  const covers = (row, column) => frame.mask[(row * size + column) * count + region] > 0.5;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const isIn = covers(row, column);
      const isEdge = isIn && [[0, 1], [1, 0], [0, -1], [-1, 0]].some(([down, right]) => {
        const [r, c] = [row + down, column + right];
        return r < 0 || c < 0 || r >= size || c >= size || !covers(r, c);
      });
      const amount = Math.min(Math.max(frame.mask[(row * size + column) * count + region], 0), 1);
      const color = isEdge ? [255, 255, 255] : palette[region];
      image.data.set([...color, byte(isEdge ? 0.35 + strength / 2 : strength * amount)], 4 * (row * size + column));
    }
  }
  return image;
}

/** Puts pixels on a canvas, which takes their size. */
export function show(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    [canvas.width, canvas.height] = [image.width, image.height];
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}
