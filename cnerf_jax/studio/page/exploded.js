/**
 * Parts apart: every class's piece of the picture, its mask as opacity, moved away from the middle of the head, in space, so that pieces turn
 * with the head. Where pieces go is read once a person off a picture from the front; a class with two sides, such as ears, is two pieces.
 */

import {castRays, focalPixels} from './camera.js';
import {axesOf} from './outline.js';
import {show} from './picture.js';

export const FRONT = {azimuth: 0, elevation: 0, zoom: 1};
/** A class is there whose mask exceeds this somewhere. */
const PRESENT = 0.3;
/** How far apart the halves of a class with two sides are: the mean distance from the middle, over its standard deviation in a half. */
const TWO_SIDED = 3;
/** Pieces move by so many times their distance from the middle, and this far besides, world units, when they are as far apart as can be. */
const STRETCH = 0.65;
const PUSH = 0.03;
/** How much smaller all becomes to make room; the width of a shadow, in sides of the picture. */
const ROOM = 0.9;
const SHADOW = 0.02;
/** How wide pieces fade at the borders of the picture, in its sides. */
const BORDER = 0.08;
const SMALLEST_CANVAS = 384;
const [BACKGROUND, FAINTEST, FULL] = ['background', 0.08, 0.85];

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** The rectangle of pixels that are not transparent, each of which is told to `each`; null if there are none. */
function boxOf(opacityOf, size, each) {
  let [left, top, right, bottom] = [size, size, -1, -1];
  for (let i = 0; i < size ** 2; i++) {
    const opacity = opacityOf(i);
    if (opacity > 0) {
      const [column, row] = [i % size, Math.floor(i / size)];
      [left, right, top, bottom] = [Math.min(left, column), Math.max(right, column), Math.min(top, row), Math.max(bottom, row)];
      each(opacity, i);
    }
  }
  return right < 0 ? null : {left, top, width: right - left + 1, height: bottom - top + 1};
}

/** World points of a frame's pixels, row-major. */
function pointsOf({view, size, depth}, halfFieldOfView) {
  const {origin, directions} = castRays(view, size, halfFieldOfView);
  return directions.map((x, i) => origin[i % 3] + depth[Math.floor(i / 3)] * x);
}

/** Sums over pixels: mass, its point, and the first and second moments of how far from the middle plane it is. */
class Moments {
  mass = 0;
  point = [0, 0, 0];
  distance = 0;
  square = 0;

  add(amount, x, y, z) {
    this.mass += amount;
    [x, y, z].forEach((value, axis) => {
      this.point[axis] += amount * value;
    });
    this.distance += amount * Math.abs(x);
    this.square += amount * x * x;
  }

  get center() {
    return this.point.map((x) => x / this.mass);
  }

  /** Whether all of it lies on one side, away from the middle. */
  get isAside() {
    const mean = this.distance / this.mass;
    return mean > TWO_SIDED * Math.sqrt(Math.max(this.square / this.mass - mean ** 2, 0));
  }
}

export class Exploded {
  /** How far apart pieces are, in [0, 1]. */
  amount = 0;
  #model;
  #pieces = null;
  #points = {frame: null};
  #scratch = document.createElement('canvas');

  constructor(model) {
    this.#model = model;
  }

  get hasLayout() {
    return this.#pieces !== null;
  }

  /** World points of a frame, kept until another one is asked about. */
  #pointsOf(frame) {
    if (this.#points.frame !== frame) {
      this.#points = {frame, points: pointsOf(frame, this.#model.camera.halfFieldOfView)};
    }
    return this.#points.points;
  }

  /** Decides what the pieces of a person are and where they go. @param {object} frame from FRONT */
  layOut(frame) {
    const {classes, camera} = this.#model;
    const points = pointsOf(frame, camera.halfFieldOfView);
    const halves = classes.map(() => [new Moments(), new Moments()]);
    const largest = new Float32Array(classes.length);
    for (let i = 0; i < frame.size ** 2; i++) {
      const [x, y, z] = points.subarray(3 * i, 3 * i + 3);
      classes.forEach((_, k) => {
        const amount = frame.mask[i * classes.length + k];
        largest[k] = Math.max(largest[k], amount);
        if (amount > 0) {
          halves[k][x < 0 ? 0 : 1].add(amount, x, y, z);
        }
      });
    }
    const head = new Moments();
    halves.filter((_, k) => classes[k] !== BACKGROUND).flat().forEach(({mass, point}) => {
      head.mass += mass;
      point.forEach((x, axis) => {
        head.point[axis] += x;
      });
    });
    this.#pieces = halves.flatMap((both, region) => (largest[region] < PRESENT ? [] : this.#piecesOf(region, both, head.center)));
  }

  #piecesOf(region, [left, right], middle) {
    const isTwo = left.mass > 0 && right.mass > 0 && left.isAside && right.isAside;
    const whole = {mass: left.mass + right.mass, center: left.point.map((x, axis) => (x + right.point[axis]) / (left.mass + right.mass))};
    const sides = isTwo ? [[-1, left], [1, right]] : [[0, whole]];
    return sides.map(([side, {center}]) => {
      const away = center.map((x, axis) => x - middle[axis]);
      const length = Math.hypot(...away) || 1;
      const isFixed = this.#model.classes[region] === BACKGROUND;
      return {region, side, center, move: away.map((x) => (isFixed ? 0 : STRETCH * x + PUSH * x / length))};
    });
  }

  /** The pieces as a view sees them, far ones first: the piece, where it was, where it goes, how much larger. */
  #placed({view, size}) {
    const {right, up, back} = axesOf(view);
    const focal = focalPixels(size, view.zoom, this.#model.camera.halfFieldOfView);
    const seen = (point) => {
      const depth = 1 - dot(point, back);
      return {x: size / 2 + focal * dot(point, right) / depth, y: size / 2 - focal * dot(point, up) / depth, depth};
    };
    const isBackground = ({region}) => this.#model.classes[region] === BACKGROUND;
    return this.#pieces.map((piece) => {
      const from = seen(piece.center);
      const to = seen(piece.center.map((x, axis) => x + this.amount * piece.move[axis]));
      return {piece, from, to, scale: from.depth / to.depth};
    }).sort((a, b) => isBackground(b.piece) - isBackground(a.piece) || b.to.depth - a.to.depth);
  }

  /** Of a piece, a function from a pixel to how opaque it is; it fades towards the borders of the picture, where it is cut off. */
  #opacityOf({mask, size}, points, {region, side}) {
    const count = this.#model.classes.length;
    const fade = this.#model.classes[region] === BACKGROUND ? Math.max(0, 1 - 3 * this.amount) : 1;
    const width = Math.max(BORDER * size * this.amount, 0.5);
    const fromBorder = (i) => Math.min(1, (0.5 + Math.min(i, size - 1 - i)) / width);
    return (i) => {
      const amount = mask[i * count + region];
      if (amount <= FAINTEST || (side !== 0 && (points[3 * i] < 0 ? -1 : 1) !== side)) {
        return 0;
      }
      return fade * fromBorder(i % size) * fromBorder(Math.floor(i / size)) * Math.min((amount - FAINTEST) / (FULL - FAINTEST), 1);
    };
  }

  get #room() {
    return 1 / (1 + ROOM * this.amount);
  }

  /** Puts pieces on a canvas; `color(i, opacity)` are the four bytes of a pixel. */
  #compose(canvas, frame, color, only = null) {
    const {size} = frame;
    const side = Math.max(SMALLEST_CANVAS, 2 * size);
    if (canvas.width !== side || canvas.height !== side) {
      [canvas.width, canvas.height] = [side, side];
    }
    const context = canvas.getContext('2d');
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, side, side);
    const points = this.#pointsOf(frame);
    const unit = this.#room * side / size;
    const isLight = only !== null;
    Object.assign(context, {shadowColor: isLight ? 'transparent' : `rgb(0 0 0 / ${0.5 * Math.min(1, 3 * this.amount)})`, shadowBlur: SHADOW * side, shadowOffsetY: SHADOW * side / 2});
    for (const {piece, from, to, scale} of this.#placed(frame)) {
      if (only !== null && piece.region !== only) {
        continue;
      }
      const image = new ImageData(size, size);
      const box = boxOf(this.#opacityOf(frame, points, piece), size, (opacity, i) => image.data.set(color(i, opacity), 4 * i));
      if (box) {
        show(this.#scratch, image);
        const left = side / 2 + unit * (to.x - size / 2 + scale * (box.left - from.x));
        const top = side / 2 + unit * (to.y - size / 2 + scale * (box.top - from.y));
        context.drawImage(
          this.#scratch, box.left, box.top, box.width, box.height, left, top, unit * scale * box.width, unit * scale * box.height);
      }
    }
  }

  /** Draws a frame with its parts apart. */
  draw(canvas, frame) {
    const byte = (x) => Math.floor(127.5 * (Math.min(Math.max(x, -1), 1) + 1));
    this.#compose(canvas, frame, (i, opacity) => [byte(frame.rgb[3 * i]), byte(frame.rgb[3 * i + 1]), byte(frame.rgb[3 * i + 2]), 255 * opacity]);
  }

  /** Lights a region up where its pieces are. */
  highlight(canvas, frame, region, strength) {
    const color = this.#model.palette[region];
    this.#compose(canvas, frame, (_, opacity) => [...color, 255 * Math.min(1, 0.2 + strength) * opacity], region);
  }

  /** The region whose piece is at a place of the stage, the nearest one; null if there is none. @param {number[]} place [x, y] in [0, 1] */
  regionAt(frame, [x, y]) {
    const {size} = frame;
    const points = this.#pointsOf(frame);
    const onStage = [x, y].map((value) => (value - 0.5) * size / this.#room);
    for (const {piece, from, to, scale} of this.#placed(frame).reverse()) {
      const column = Math.floor(from.x + (onStage[0] + size / 2 - to.x) / scale);
      const row = Math.floor(from.y + (onStage[1] + size / 2 - to.y) / scale);
      const pixel = row * size + column;
      if (row >= 0 && column >= 0 && row < size && column < size && this.#opacityOf(frame, points, piece)(pixel) > 0.5) {
        return piece.region;
      }
    }
    return null;
  }
}
