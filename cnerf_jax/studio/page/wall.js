/** The wall: small pictures of people, to choose from, to drag onto a region, or to take one from. */

import * as pictures from './picture.js';
import {stylesOf} from './person.js';
import {Cancelled, PRIORITY} from './renderer.js';
import {PERSON_TYPE} from './stage.js';

const FRONT = {azimuth: 0.25, elevation: 0.05, zoom: 1};

export class Wall {
  #element;
  #studio;
  #seeds = [];
  #drawing = new AbortController();

  /** @param {object} studio with `model`, `renderer`, `recipe` and `choosePerson(seed)` */
  constructor(element, studio) {
    this.#element = element;
    this.#studio = studio;
  }

  /** Hangs people. */
  fill(seeds) {
    this.#seeds = seeds;
    this.#element.replaceChildren(...seeds.map((seed) => {
      const button = document.createElement('button');
      button.draggable = true;
      button.title = button.ariaLabel = `Person ${seed}`;
      button.append(document.createElement('canvas'));
      button.addEventListener('click', () => this.#studio.choosePerson(seed));
      button.addEventListener('dragstart', (event) => {
        event.dataTransfer.setData(PERSON_TYPE, String(seed));
        event.dataTransfer.effectAllowed = 'copy';
      });
      return button;
    }));
    this.mark(this.#studio.recipe.seed);
    return this.draw();
  }

  /** Says who is on the stage. */
  mark(seed) {
    [...this.#element.children].forEach((button, i) => button.setAttribute('aria-current', String(this.#seeds[i] === seed)));
  }

  /** Draws all, at the truncation that is set; what is on the stage goes first. */
  async draw() {
    this.#drawing.abort();
    this.#drawing = new AbortController();
    const {signal} = this.#drawing;
    const {model, renderer, recipe: {truncation}, numberOf} = this.#studio;
    await Promise.all(this.#seeds.map(async (seed, i) => {
      const recipe = {seed, truncation, edits: {}};
      try {
        const styles = stylesOf(recipe, new Map([[seed, await renderer.person(seed)]]), model);
        const what = {stylesId: numberOf(recipe), styles, view: FRONT, size: model.sizes.coarse};
        pictures.show(this.#element.children[i].firstChild, pictures.picture(await renderer.draw(what, {priority: PRIORITY.wall, signal})));
      } catch (error) {
        if (!(error instanceof Cancelled)) {
          throw error;
        }
      }
    }));
  }
}
