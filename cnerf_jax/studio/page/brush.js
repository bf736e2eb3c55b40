/** A brush: strokes of a class on the picture; the server finds the person who looks so. */

import * as people from './person.js';
import * as regions from './regions.js';

/** Pixels of the canvas that strokes are shown on, a side. */
const CANVAS = 768;
const UNPAINTED = 255;
/** A disc of this radius, in pixels, has the middle of a pixel in it wherever it lies. */
const SMALLEST_RADIUS = 0.75;
const NEEDS_SERVER = 'Painting needs the server: python -m cnerf_jax.studio serve RUN';

const element = (id) => document.getElementById(id);

/** Squared distance from a point to a segment. */
function squaredDistance([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const along = dx || dy ? Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0), 1) : 0;
  return (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2;
}

/**
 * The classes that strokes paint, row-major bytes; 255 where there is none.
 * @param {Array<{region: number, radius: number, points: Array<number[]>}>} strokes in [0, 1] of the picture; later ones cover earlier ones
 * @param {number} size pixels a side
 */
export function labelsOf(strokes, size) {
  const labels = new Uint8Array(size * size).fill(UNPAINTED);
  for (const {region, radius, points} of strokes) {
    for (let i = 0; i < points.length; i++) {
      const [a, b] = [points[Math.max(i - 1, 0)], points[i]];
      const range = (axis) => [
        Math.max(0, Math.floor((Math.min(a[axis], b[axis]) - radius) * size)),
        Math.min(size - 1, Math.ceil((Math.max(a[axis], b[axis]) + radius) * size))];
      const [[left, right], [top, bottom]] = [range(0), range(1)];
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          if (squaredDistance([(column + 0.5) / size, (row + 0.5) / size], a, b) <= radius * radius) {
            labels[row * size + column] = region;
          }
        }
      }
    }
  }
  return labels;
}

export class Brush {
  #studio;
  #canvas = element('brush');
  #strokes = [];
  #current = null;
  #pointer = null;

  /** @param {object} studio with `model`, `selected`, `recipe`, `view`, `jobs`, `become(recipe, moving)`, `say(message)`, `styles()` */
  constructor(studio) {
    this.#studio = studio;
    const choice = element('brush-class');
    choice.replaceChildren(...studio.model.classes.map((name, region) => new Option(name, region)));
    this.#canvas.width = this.#canvas.height = CANVAS;
    const clicks = {
      paint: () => this.toggle(), 'undo-stroke': () => this.#undo(), 'clear-strokes': () => this.clear(),
      'apply-strokes': () => this.apply()};
    for (const [id, action] of Object.entries(clicks)) {
      element(id).addEventListener('click', action);
    }
    choice.addEventListener('change', () => this.#fill());
    this.#listen();
    this.#fill();
  }

  get active() {
    return !this.#canvas.hidden;
  }

  /** Whether there are strokes, which belong to this view. */
  get holds() {
    return this.active && this.#strokes.length > 0;
  }

  toggle() {
    if (!this.#studio.jobs.possible) {
      this.#studio.say(NEEDS_SERVER);
      return;
    }
    this.#canvas.hidden = this.active;
    if (this.#studio.selected !== null) {
      this.choose(this.#studio.selected);
    }
    this.clear();
  }

  /** Takes a class. */
  choose(region) {
    element('brush-class').value = region;
    this.#fill();
  }

  clear() {
    this.#strokes = [];
    this.#fill();
  }

  #undo() {
    this.#strokes.pop();
    this.#fill();
  }

  /** The person who looks as painted becomes the one on the stage. */
  async apply() {
    const {model, recipe, view, jobs} = this.#studio;
    const before = await this.#studio.styles();
    const painted = labelsOf(this.#strokes, model.imageSize);
    this.#canvas.hidden = true;
    this.#fill();
    const found = await jobs.run('Painting', {
      kind: 'paint', styles: before, view, labels: btoa(String.fromCharCode(...painted))});
    if (found === null) {
      this.#canvas.hidden = false;  // with the strokes, to try again
      this.#fill();
      return;
    }
    this.clear();
    const {iouBefore, iouAfter, thereBefore, thereAfter} = found.header;
    const as = (x) => Math.round(100 * x);
    this.#studio.become(people.withStyles(recipe, before, new Float32Array(found.bytes), model), false);
    this.#studio.say(iouAfter > iouBefore
      ? `Of what you painted ${as(thereAfter)} % is there now (before: ${as(thereBefore)} %)` : 'Nothing that looks more like it was found');
  }

  get #radius() {
    return Math.max(SMALLEST_RADIUS, element('brush-size').value / 2) / this.#studio.model.imageSize;
  }

  #listen() {
    const canvas = this.#canvas;
    const position = (event) => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    const on = (kind, action) => canvas.addEventListener(kind, (event) => {
      event.stopPropagation();  // the stage would turn
      action(event);
    });
    on('pointerdown', (event) => {
      if (event.button === 0 && this.#current === null) {
        canvas.setPointerCapture(event.pointerId);
        const region = Number(element('brush-class').value);
        this.#current = {region, radius: this.#radius, points: [position(event)], by: event.pointerId};
        this.#strokes.push(this.#current);
        this.#fill();
      }
    });
    on('pointermove', (event) => {
      this.#pointer = position(event);
      if (this.#current?.by === event.pointerId) {
        const all = event.getCoalescedEvents?.() ?? [];
        this.#current.points.push(...(all.length ? all : [event]).map(position));
      }
      this.#draw();
    });
    const end = (event) => {
      if (this.#current?.by === event.pointerId) {
        this.#current = null;
      }
    };
    on('pointerup', end);
    on('pointercancel', end);
    on('pointerleave', () => {
      this.#pointer = null;
      this.#draw();
    });
    element('brush-size').addEventListener('input', () => this.#fill());
    addEventListener('keydown', (event) => {
      const key = event.key.toLowerCase();
      if (this.active && (key === 'escape' || key === 'z' && !event.shiftKey && this.#strokes.length)) {
        event.stopImmediatePropagation();
        event.preventDefault();
        if (key === 'z') {
          this.#undo();
        } else {
          this.toggle();
        }
      }
    }, {capture: true});
  }

  /** Makes the controls say what there is. */
  #fill() {
    element('paint').setAttribute('aria-pressed', String(this.active));
    element('brush-tools').hidden = !this.active;
    const {model} = this.#studio;
    element('brush-swatch').replaceChildren(regions.swatch(model.palette[element('brush-class').value]));
    const size = element('brush-size');
    size.nextElementSibling.textContent = `${size.value} px`;
    for (const id of ['undo-stroke', 'clear-strokes', 'apply-strokes']) {
      element(id).disabled = this.#strokes.length === 0;
    }
    this.#draw();
  }

  #draw() {
    const context = this.#canvas.getContext('2d');
    context.clearRect(0, 0, CANVAS, CANVAS);
    context.lineCap = context.lineJoin = 'round';
    for (const {region, radius, points} of this.#strokes) {
      context.strokeStyle = `rgb(${this.#studio.model.palette[region].join(' ')})`;
      context.lineWidth = 2 * radius * CANVAS;
      context.beginPath();
      context.moveTo(points[0][0] * CANVAS + 0.01, points[0][1] * CANVAS);  // a line of no length would not be drawn
      points.forEach(([x, y]) => context.lineTo(x * CANVAS, y * CANVAS));
      context.stroke();
    }
    if (this.#pointer) {
      const [x, y] = this.#pointer;
      for (const [color, width] of [['#000', 4], ['#fff', 2]]) {
        context.beginPath();
        context.arc(x * CANVAS, y * CANVAS, this.#radius * CANVAS, 0, 2 * Math.PI);
        Object.assign(context, {strokeStyle: color, lineWidth: width}).stroke();
      }
    }
  }
}
