/**
 * A photograph of one's own: chosen or dropped, framed, and the person of the model found who looks like it. By the encoder in this browser, which
 * guesses; or, where the page has a server, by the server, which searches.
 */

import {rounded} from './camera.js';
import * as people from './person.js';
import * as regions from './regions.js';

const PREVIEW = 192;
const LARGEST_BYTES = 8e6;
const NEEDS_SERVER = 'This page has no encoder for photographs; a server finds their people: python -m cnerf_jax.studio serve RUN';
const IS_GUESS = "The encoder guesses, in this browser: the photograph does not leave this machine. It reads heads framed as in training; a server "
  + '(python -m cnerf_jax.studio serve RUN) goes on from there and comes closer.';
const IS_SEARCH = 'A label map of the same picture helps much.';
const NO_FACE = 'No face was found in this square: move and zoom until eyes and mouth lie on the marks';
/** Fewest pixels along a side of the square: those of what the encoder sees. */
const FEWEST_PIXELS = 64;
/** Where FFHQ's crops have the middles of the eyes and of the mouth, in sides. */
const GUIDE = {eyes: [[0.38, 0.475], [0.62, 0.475]], mouth: [0.5, 0.735], head: {x: 0.5, y: 0.53, across: 0.31, down: 0.4}};

const element = (id) => document.getElementById(id);

/** Where a head should be in the square: its outline, the eyes and the mouth. */
function drawGuide(context) {
  const {width} = context.canvas;
  const {eyes, mouth, head} = GUIDE;
  for (const [color, line] of [['#0009', 3], ['#fffc', 1.2]]) {
    [context.strokeStyle, context.lineWidth] = [color, line];
    context.beginPath();
    context.ellipse(head.x * width, head.y * width, head.across * width, head.down * width, 0, 0, 2 * Math.PI);
    for (const [x, y] of eyes) {
      context.moveTo((x + 0.055) * width, y * width);
      context.ellipse(x * width, y * width, 0.055 * width, 0.028 * width, 0, 0, 2 * Math.PI);
    }
    context.moveTo((mouth[0] - 0.09) * width, mouth[1] * width);
    context.lineTo((mouth[0] + 0.09) * width, mouth[1] * width);
    context.stroke();
  }
}

export class Photograph {
  #studio;
  #file = null;
  #image = null;
  /** The square that is taken: its middle, in pixels, and how many times it is smaller than the largest. */
  #frame = {x: 0, y: 0, zoom: 1};

  /** @param {object} studio with `model`, `jobs`, `view`, `become(recipe, moving)` and `say(message)` */
  constructor(studio) {
    this.#studio = studio;
    element('photograph').addEventListener('click', (event) => {
      if (!this.#isPossible) {
        event.preventDefault();
        studio.say(NEEDS_SERVER);
      }
    });
    element('photograph').addEventListener('change', () => this.#open(element('photograph').files[0]));
    element('find-person').addEventListener('click', () => this.find());
    element('photograph-note').textContent = this.#isLocal ? IS_GUESS : IS_SEARCH;
    element('label-map-fields').hidden = this.#isLocal;
    this.#listenToDrops(element('photograph-card'));
    this.#listenToFraming();
  }

  /** Whether the encoder is on the page. */
  get #isLocal() {
    return this.#studio.model.photographSide !== undefined;
  }

  get #isPossible() {
    return this.#isLocal || this.#studio.jobs.possible;
  }

  #listenToDrops(card) {
    card.addEventListener('dragover', (event) => {
      if (event.dataTransfer.types.includes('Files')) {
        event.preventDefault();
        card.classList.add('target');
      }
    });
    card.addEventListener('dragleave', () => card.classList.remove('target'));
    card.addEventListener('drop', (event) => {
      const [file] = event.dataTransfer.files;
      card.classList.remove('target');
      if (file) {
        event.preventDefault();
        if (this.#isPossible) {
          this.#open(file);
        } else {
          this.#studio.say(NEEDS_SERVER);
        }
      }
    });
  }

  #listenToFraming() {
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
    preview.addEventListener('wheel', (event) => {
      if (this.#image) {
        zoom.value = this.#frame.zoom * Math.exp(-event.deltaY / 500);
        this.#frame.zoom = Number(zoom.value);
        this.#draw();
        event.preventDefault();
      }
    }, {passive: false});
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

  async #open(file) {
    element('photograph-tools').hidden = true;
    this.#file = file;
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
    if (this.#isLocal && this.#side < FEWEST_PIXELS) {
      this.#studio.say(`This picture has ${this.#image.width} x ${this.#image.height} pixels; give one of at least ${FEWEST_PIXELS} a side`);
      return;
    }
    // of a high picture the upper part: heads are above the middle
    this.#frame = {x: this.#image.width / 2, y: Math.min(this.#image.height, this.#image.width) / 2, zoom: 1};
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
    drawGuide(context);
    regions.setSlider(element('photograph-zoom'), this.#frame.zoom);
  }

  /** What is in the square, [size, size, 3] in [-1, 1]. */
  #pixels(size) {
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.imageSmoothingQuality = 'high';
    context.fillStyle = '#fff';  // behind what is transparent
    context.fillRect(0, 0, size, size);
    const half = this.#side / 2;
    context.drawImage(this.#image, this.#frame.x - half, this.#frame.y - half, 2 * half, 2 * half, 0, 0, size, size);
    const {data} = context.getImageData(0, 0, size, size);
    return Float32Array.from({length: 3 * size ** 2}, (_, i) => data[4 * Math.floor(i / 3) + i % 3] / 127.5 - 1);
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
    const button = element('find-person');
    button.disabled = true;
    try {
      await (this.#isLocal ? this.#guess() : this.#search());
    } finally {
      button.disabled = false;
    }
  }

  async #guess() {
    const {model, renderer} = this.#studio;
    if (this.#side < FEWEST_PIXELS) {
      this.#studio.say(`This square has ${Math.floor(this.#side)} pixels a side; zoom out, or give a larger picture: at least ${FEWEST_PIXELS}`);
      return;
    }
    this.#studio.say('Looking at the photograph…');
    let found;
    try {
      found = await renderer.findPerson(this.#pixels(model.photographSide));
    } catch (error) {
      this.#studio.say(`It failed: ${error.message}`);
      return;
    }
    if (found === null) {
      this.#studio.say(NO_FACE);
      return;
    }
    this.#take(found.styles, found);
    this.#studio.say("The encoder's guess. Turn, and change a region");
  }

  /** The person of the styles, as the photograph sees them. */
  #take(styles, {azimuth, elevation}) {
    this.#studio.view = rounded({azimuth, elevation, zoom: 1});
    this.#studio.become(people.withBase(this.#studio.recipe, styles, this.#studio.model), false);
  }

  async #search() {
    const {jobs} = this.#studio;
    const [labelMap] = element('label-map').files;
    let keys;
    try {
      keys = {
        photograph: await this.#upload('photograph', this.#file),
        labels: labelMap ? await this.#upload('labels', labelMap) : null};
    } catch (error) {
      this.#studio.say(error.message);
      return;
    }
    const found = await jobs.run('Looking for the person', {kind: 'invert', ...keys});
    if (found === null) {
      return;
    }
    const {psnr, meanIou} = found.header;
    this.#take(new Float32Array(found.bytes), found.header);
    const agreement = meanIou === null ? '' : `, regions agree to ${Math.round(100 * meanIou)} %`;
    this.#studio.say(`Found: ${psnr.toFixed(1)} dB${agreement}. Turn, and change a region`);
  }
}
