/** The studio: who is on the stage, as what, and what has been done to them. */

import {Brush} from './brush.js';
import {rounded} from './camera.js';
import {Checkpoints} from './checkpoints.js';
import {listen} from './controls.js';
import {Display} from './display.js';
import {History} from './history.js';
import {Jobs} from './jobs.js';
import * as people from './person.js';
import {Photograph} from './photograph.js';
import {Painter} from './painter.js';
import {anySeed} from './random.js';
import * as regions from './regions.js';
import {Cancelled} from './renderer.js';
import {Saving} from './saving.js';
import {Wall} from './wall.js';

const DEFAULTS = {recipe: {seed: 1, truncation: 0.8, edits: {}}, view: {azimuth: 0.25, elevation: 0.05, zoom: 1}};
const PEOPLE_ON_THE_WALL = 12;
const MESSAGE_MILLISECONDS = 4000;
const HOVERED = 0.3;
const SELECTED = 0.15;
const JUST_SELECTED = 0.6;
const FLASH_MILLISECONDS = 500;

const element = (id) => document.getElementById(id);

export class Studio {
  selected = null;
  #hovered = null;
  #flashing = false;
  #comparing = false;
  #taking = false;
  #moving = false;
  #before = null;
  #numbers = new Map();
  #messageEnd;

  constructor(model, renderer) {
    this.model = model;
    this.renderer = renderer;
    const {recipe, view} = people.fromAddress(location.hash.slice(1), DEFAULTS, model);
    this.recipe = recipe;
    this.view = rounded(view);
    this.history = new History(recipe);
    this.display = new Display(model);
    this.saving = new Saving(this);
    this.wall = new Wall(element('people'), this);
    this.painter = new Painter(renderer, model.sizes, () => this.#scene(), (...drawn) => this.#show(...drawn));
    this.jobs = new Jobs(this);
    this.brush = new Brush(this);
    this.photograph = new Photograph(this);
    this.checkpoints = new Checkpoints(this);
    renderer.mayReload = () => !this.jobs.running && !this.brush.holds;
    /** A number for each recipe, by which workers know styles that they have had. */
    this.numberOf = (one) => {
      const key = JSON.stringify(one);
      if (!this.#numbers.has(key)) {
        this.#numbers.set(key, this.#numbers.size);
      }
      return this.#numbers.get(key);
    };
  }

  /** What draws a recipe's person: {stylesId, styles}. */
  async person(recipe) {
    const stylesOf = ({from, region}) => (typeof from === 'string' ? this.renderer.redrawing.styles(from, region) : this.renderer.person(from));
    const found = new Map(await Promise.all(people.sourcesOf(recipe).map(async (source) => [source.key, await stylesOf(source)])));
    return {stylesId: this.numberOf(recipe), styles: people.stylesOf(recipe, found, this.model)};
  }

  async #scene() {
    const {view} = this;
    const unedited = {...this.recipe, edits: {}};
    const now = await this.person(this.#comparing ? unedited : this.recipe);
    await this.display.prepare(this.renderer, now, this.#moving);
    return {now, before: this.display.needsBefore ? await this.person(unedited) : null, view};
  }

  #draw(moving) {
    document.body.dataset.drawn = '';
    this.#moving = moving;
    return this.painter.request(moving).catch((error) => error instanceof Cancelled || this.say(`Could not draw: ${error.message}`));
  }

  /** Draws again what is on the stage: something else than the recipe and the view has changed. */
  redraw(moving) {
    return this.#draw(moving);
  }

  redrawWall() {
    this.wall.draw();
  }

  /** Shows a frame of what a job has so far. */
  preview(frame) {
    this.#show(frame, null, 'job');
  }

  /** Styles of the person on the stage. */
  async styles() {
    return (await this.person(this.recipe)).styles;
  }

  #show(frame, before, step) {
    this.frame = frame;
    this.#before = before;
    this.#repaint();
    element('loading').hidden = true;
    document.body.dataset.drawn = step;
    const {backend, numWorkers} = this.renderer;
    const by = {
      webgpu: 'WebGPU', wasm: `WebAssembly, ${numWorkers} ${numWorkers === 1 ? 'core' : 'cores'}`,
      server: this.model.step === null ? 'Server' : `Server, step ${this.checkpoints.step ?? this.model.step}`}[backend];
    const {milliseconds} = this.painter;
    const speed = step !== 'coarse' || milliseconds === null ? '' : ` · ${Math.round(milliseconds)} ms a picture`;
    element('engine').textContent = `${by}${speed} · ${frame.size}×${frame.size} pixels`;
  }

  #repaint() {
    this.display.paint(element('picture'), this.frame, this.#before);
    this.#showRegion();
  }

  #showRegion() {
    const region = this.#hovered ?? this.selected;
    const overlay = element('overlay');
    element('region-name').hidden = region === null;
    if (region === null || !this.frame) {
      overlay.getContext('2d').clearRect(0, 0, overlay.width, overlay.height);
      return;
    }
    element('region-name').textContent = this.model.classes[region];
    const strength = this.#hovered !== null ? HOVERED : this.#flashing ? JUST_SELECTED : SELECTED;
    this.display.highlight(overlay, this.frame, region, strength);
  }

  /** Says something for a while. */
  say(message) {
    element('status').textContent = message;
    clearTimeout(this.#messageEnd);
    this.#messageEnd = setTimeout(() => element('status').replaceChildren(), MESSAGE_MILLISECONDS);
  }

  // what the stage does

  look(view, moving) {
    if (this.brush.holds) {
      this.say('The strokes belong to this view: apply or clear them before you turn');
      return;
    }
    this.view = view;
    this.#draw(moving);
    if (!moving) {
      this.#write();
    }
  }

  point(position) {
    const region = position && this.display.regionAt(this.frame, position);
    if (region !== this.#hovered) {
      this.#hovered = region;
      this.#showRegion();
    }
  }

  select(position) {
    const region = this.display.regionAt(this.frame, position);
    if (region !== null) {
      this.#hovered = null;
      this.chooseRegion(region);
    }
  }

  drop(position, seed) {
    const region = this.display.regionAt(this.frame, position);
    if (region !== null) {
      this.takeRegion(region, seed);
    }
  }

  // what regions do

  chooseRegion(region) {
    this.selected = region === this.selected ? null : region;
    this.setTaking(false);
    element('editor').hidden = this.selected === null;
    element('no-region').hidden = this.selected !== null;
    if (this.selected !== null) {
      element('editor-name').textContent = this.model.classes[region];
      element('editor').querySelector('.swatch').replaceWith(regions.swatch(this.model.palette[region]));
      regions.fillSliders(element('sliders'), region, this);
      this.brush.choose(region);
      this.say(`${this.model.classes[region]} selected`);
      this.#flashing = true;
      setTimeout(() => {
        this.#flashing = false;
        this.#showRegion();
      }, FLASH_MILLISECONDS);
    }
    this.#fill();
    this.#showRegion();
  }

  change(region, edit, moving) {
    this.become(people.withEdit(this.recipe, region, edit), moving);
  }

  edit(region) {
    return this.recipe.edits[region] ?? people.noEdit(this.model.directions[region][0].length);
  }

  takeRegion(region, seed) {
    this.change(region, {...this.edit(region), shapeFrom: seed, textureFrom: seed}, false);
    this.say(`${this.model.classes[region]} taken from person ${seed}`);
  }

  // what people do

  choosePerson(seed) {
    if (this.#taking && this.selected !== null) {
      this.setTaking(false);
      this.takeRegion(this.selected, seed);
    } else {
      this.become(people.withSeed(this.recipe, seed), false);
    }
  }

  newPerson() {
    this.become(people.withSeed(this.recipe, anySeed()), false);
  }

  /** The region drawn anew: to go with the rest where the model knows what does, else anybody's. */
  async resample() {
    const region = this.selected;
    if (region !== null) {
      const {redrawing} = this.renderer;
      const code = redrawing && await redrawing.draw(this.recipe, region, anySeed());
      this.change(region, {...this.edit(region), shapeFrom: code ?? anySeed(), textureFrom: code ?? anySeed()}, false);
    }
  }

  reset() {
    this.change(this.selected, people.noEdit(this.model.directions[this.selected][0].length), false);
  }

  toggleTaking() {
    this.setTaking(!this.#taking);
  }

  otherPeople() {
    this.wall.fill(Array.from({length: PEOPLE_ON_THE_WALL}, anySeed));
  }

  setTaking(taking) {
    this.#taking = taking;
    element('take').setAttribute('aria-pressed', String(taking));
    element('people').classList.toggle('taking', taking);
    if (taking) {
      this.say(`Choose a person below to take ${this.model.classes[this.selected]} from`);
    }
  }

  /** Another recipe; one that is not about to change further can be undone. */
  become(recipe, moving) {
    const truncationChanged = recipe.truncation !== this.history.current.truncation;
    this.recipe = recipe;
    if (!moving) {
      this.history.push(recipe);
      this.#write();
      if (truncationChanged) {
        this.wall.draw();
      }
    }
    this.#fill();
    this.#draw(moving);
  }

  step(direction) {
    if (direction === 'undo' ? this.history.canUndo : this.history.canRedo) {
      const {truncation} = this.recipe;
      this.recipe = this.history[direction]();
      this.#write();
      this.#fill();
      this.#draw(false);
      if (truncation !== this.recipe.truncation) {
        this.wall.draw();
      }
    }
  }

  compare(comparing) {
    if (comparing !== this.#comparing) {
      this.#comparing = comparing;
      this.#draw(false);
    }
  }

  /** Makes the controls say what the recipe is. */
  #fill() {
    const {recipe} = this;
    if (document.activeElement !== element('seed')) {
      element('seed').value = recipe.seed;
    }
    regions.setSlider(element('truncation'), recipe.truncation);
    regions.markList(element('regions'), this.selected, recipe);
    if (this.selected !== null) {
      regions.setSliders(element('sliders'), this.selected, recipe);
    }
    element('undo').disabled = !this.history.canUndo;
    element('redo').disabled = !this.history.canRedo;
    this.wall.mark(recipe.base ? null : recipe.seed);
  }

  #write() {
    const {step} = this.checkpoints;
    history.replaceState(null, '', `#${people.toAddress(this.recipe, this.view)}${step === null ? '' : `&step=${step}`}`);
  }

  /** Makes the address say what is on the stage. */
  write() {
    this.#write();
  }

  /** Takes what the address says. */
  readAddress() {
    const {recipe, view} = people.fromAddress(location.hash.slice(1), DEFAULTS, this.model);
    this.view = rounded(view);
    this.checkpoints.read(new URLSearchParams(location.hash.slice(1))).then(() => this.become(recipe, false));
  }

  setDisplay(name) {
    this.display.name = name;
    const isParts = name === 'parts';
    element('apart').parentElement.hidden = !isParts;
    if (isParts) {
      this.display.open((amount) => this.setApart(amount));
    }
    this.#draw(false);
  }

  /** How far apart parts are, in [0, 1]. */
  setApart(amount) {
    this.display.exploded.amount = amount;
    regions.setSlider(element('apart'), amount);
    if (this.frame) {
      this.#repaint();
    }
  }

  async start() {
    element('save-glb-server').hidden = !this.jobs.possible;
    regions.fillList(element('regions'), this);
    this.#fill();
    listen(this);
    await this.checkpoints.read(new URLSearchParams(location.hash.slice(1)));
    await this.painter.request(true);  // something to see, before the wall and anything fine
    performance.mark('first picture');
    this.#draw(false);
    this.wall.fill(Array.from({length: PEOPLE_ON_THE_WALL}, (_, i) => i + 1));
  }
}
