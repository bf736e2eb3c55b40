/** What the stage shows of a person: the picture, masks, normals, the difference to the person without edits, or parts apart. */

import {Exploded, FRONT} from './exploded.js';
import * as pictures from './picture.js';
import {PRIORITY} from './renderer.js';

/** How far apart parts are at first, and how long they take to get there. */
const APART = 0.7;
const APART_MILLISECONDS = 700;

export class Display {
  name = 'picture';
  exploded;
  #model;
  #laidOut = null;

  constructor(model) {
    this.#model = model;
    this.exploded = new Exploded(model);
  }

  /** Whether the person without edits must be drawn too. */
  get needsBefore() {
    return this.name === 'difference';
  }

  get #isExploded() {
    return this.name === 'parts' && this.exploded.hasLayout;
  }

  /** Draws what parts are laid out by. @param {boolean} moving more is about to come: the layout of who was there before will do */
  async prepare(renderer, person, moving) {
    if (this.name !== 'parts' || this.#laidOut === person.stylesId || (moving && this.#laidOut !== null)) {
      return;
    }
    this.exploded.layOut(await renderer.draw({...person, view: FRONT, size: this.#model.sizes.coarse}, {priority: PRIORITY.people}));
    this.#laidOut = person.stylesId;
  }

  /** Puts a frame on a canvas. @param {object|null} before the frame of the person without edits, where it is needed */
  paint(canvas, frame, before) {
    if (this.#isExploded) {
      this.exploded.draw(canvas, frame);
      return;
    }
    const {palette, camera} = this.#model;
    pictures.show(canvas, {
      picture: () => pictures.picture(frame), parts: () => pictures.picture(frame),
      mask: () => pictures.mask(frame, palette),
      normals: () => pictures.normals(frame, camera.halfFieldOfView),
      difference: () => (before ? pictures.difference(frame, before) : pictures.picture(frame)),
    }[this.name]());
  }

  /** Lights a region up on a canvas above the picture. */
  highlight(canvas, frame, region, strength) {
    if (this.#isExploded) {
      this.exploded.highlight(canvas, frame, region, strength);
    } else {
      pictures.show(canvas, pictures.highlight(frame, region, this.#model.palette, strength));
    }
  }

  /** The region at a place of the stage, or null. @param {number[]} place [x, y], in [0, 1] on the stage */
  regionAt(frame, [x, y]) {
    if (!frame || x < 0 || y < 0 || x >= 1 || y >= 1) {
      return null;
    }
    if (this.#isExploded) {
      return this.exploded.regionAt(frame, [x, y]);
    }
    const pixel = Math.floor(y * frame.size) * frame.size + Math.floor(x * frame.size);
    return pictures.classesOf(frame, this.#model.classes.length)[pixel];
  }

  /** Moves parts apart, at once for who wants no motion. @param {(amount: number) => void} show */
  open(show) {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      show(APART);
      return;
    }
    const begin = performance.now();
    const step = (now) => {
      const part = Math.min(Math.max((now - begin) / APART_MILLISECONDS, 0), 1);
      show(APART * part * part * (3 - 2 * part));
      if (part < 1 && this.name === 'parts') {
        requestAnimationFrame(step);
      }
    };
    requestAnimationFrame(step);
  }
}
