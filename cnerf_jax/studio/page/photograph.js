/** A photograph of one's own: chosen, framed, sent to the server, which finds the person of the model who looks like it. */

import {rounded} from './camera.js';
import * as people from './person.js';

const PREVIEW = 192;
const LARGEST_BYTES = 8e6;
const NEEDS_SERVER = 'A photograph needs the server: python -m cnerf_jax.studio serve RUN';

const element = (id) => document.getElementById(id);

export class Photograph {
  #studio;
  #image = null;
  /** The square that is taken: its middle, in pixels, and how many times it is smaller than the largest. */
  #frame = {x: 0, y: 0, zoom: 1};

  /** @param {object} studio with `model`, `jobs`, `view`, `become(recipe, moving)` and `say(message)` */
  constructor(studio) {
    this.#studio = studio;
    element('photograph').addEventListener('click', (event) => {
      if (!studio.jobs.possible) {
        event.preventDefault();
        studio.say(NEEDS_SERVER);
      }
    });
    element('photograph').addEventListener('change', () => this.#open());
    element('find-person').addEventListener('click', () => this.find());
    const zoom = element('photograph-zoom');
    zoom.addEventListener('input', () => {
      this.#frame.zoom = Number(zoom.value);
      this.#draw();
    });
    const preview = element('photograph-preview');
    preview.width = preview.height = PREVIEW;
    preview.addEventListener('pointerdown', (event) => preview.setPointerCapture(event.pointerId));
    preview.addEventListener('pointermove', (event) => {
      if (preview.hasPointerCapture(event.pointerId) && this.#image) {
        const perPixel = this.#side / preview.getBoundingClientRect().width;
        this.#frame.x -= event.movementX * perPixel;
        this.#frame.y -= event.movementY * perPixel;
        this.#draw();
      }
    });
    preview.addEventListener('keydown', (event) => {
      const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
      if (moves[event.key] && this.#image) {
        this.#frame.x += moves[event.key][0] * this.#side / 50;
        this.#frame.y += moves[event.key][1] * this.#side / 50;
        this.#draw();
        event.preventDefault();
      }
    });
  }

  get #side() {
    return Math.min(this.#image.width, this.#image.height) / this.#frame.zoom;
  }

  async #open() {
    const [file] = element('photograph').files;
    element('photograph-tools').hidden = true;
    if (!file) {
      return;
    }
    if (file.size > LARGEST_BYTES) {
      this.#studio.say(`A file may have at most ${LARGEST_BYTES / 1e6} MB; give a smaller one`);
      return;
    }
    try {
      this.#image = await createImageBitmap(file);
    } catch {
      this.#studio.say('This file is no picture that the browser can read; give a PNG, JPEG or WebP');
      return;
    }
    this.#frame = {x: this.#image.width / 2, y: this.#image.height / 2, zoom: 1};
    element('photograph-zoom').value = 1;
    element('photograph-tools').hidden = false;
    this.#draw();
  }

  /** Shows the square, which is kept inside of the picture. */
  #draw() {
    const {width, height} = this.#image;
    const half = this.#side / 2;
    const clamp = (value, size) => Math.min(Math.max(value, half), size - half);
    Object.assign(this.#frame, {x: clamp(this.#frame.x, width), y: clamp(this.#frame.y, height)});
    const context = element('photograph-preview').getContext('2d');
    context.drawImage(this.#image, this.#frame.x - half, this.#frame.y - half, 2 * half, 2 * half, 0, 0, PREVIEW, PREVIEW);
  }

  /** Sends a file; its key. */
  async #upload(kind, file) {
    const {width, height} = this.#image;
    const half = this.#side / 2;
    const {x, y} = this.#frame;
    const crop = [(x - half) / width, (y - half) / height, (x + half) / width, (y + half) / height].map((side) => side.toFixed(5)).join(',');
    const query = new URLSearchParams({kind, crop, order: element('label-order').value});
    const response = await fetch(`upload?${query}`, {method: 'POST', body: file, headers: {'Content-Type': 'application/octet-stream'}});
    if (!response.ok) {
      throw new Error(await response.text());
    }
    return (await response.json()).key;
  }

  /** The person of the photograph becomes the one on the stage. */
  async find() {
    const {model, jobs, recipe} = this.#studio;
    const [labelMap] = element('label-map').files;
    let keys;
    try {
      keys = {
        photograph: await this.#upload('photograph', element('photograph').files[0]),
        labels: labelMap ? await this.#upload('labels', labelMap) : null};
    } catch (error) {
      this.#studio.say(error.message);
      return;
    }
    const found = await jobs.run('Looking for the person', {kind: 'invert', ...keys});
    if (found === null) {
      return;
    }
    const {azimuth, elevation, psnr, meanIou} = found.header;
    this.#studio.view = rounded({azimuth, elevation, zoom: 1});
    this.#studio.become(people.withBase(recipe, new Float32Array(found.bytes), model), false);
    const agreement = meanIou === null ? '' : `, regions agree to ${Math.round(100 * meanIou)} %`;
    this.#studio.say(`Found: ${psnr.toFixed(1)} dB${agreement}. Turn, and change a region`);
  }
}
