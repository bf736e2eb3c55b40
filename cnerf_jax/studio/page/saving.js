/** What a person can be saved as: a picture, a recipe with its styles, a film, a mesh. */

import {film, recordable} from './film.js';
import {glb} from './glb.js';
import {Making} from './making.js';
import {PersonMesh} from './person_mesh.js';
import * as pictures from './picture.js';
import {PRIORITY} from './renderer.js';

export class Saving {
  #studio;
  #making;

  /** @param {Studio} studio with `model`, `renderer`, `recipe`, `view`, `frame`, `display`, `jobs`, `person(recipe)`, `say(message)` */
  constructor(studio) {
    this.#studio = studio;
    this.#making = new Making((message) => studio.say(message));
    document.getElementById('save-glb').hidden = !studio.renderer.run;  // a server runs no graphs for the page
  }

  get #name() {
    return `person-${this.#studio.recipe.seed}`;
  }

  async png() {
    const canvas = document.createElement('canvas');
    pictures.show(canvas, pictures.picture(this.#studio.frame));
    save(`${this.#name}.png`, await new Promise((resolve) => canvas.toBlob(resolve, 'image/png')));
  }

  async json() {
    const {model: {classes, styleDim, version, provenance, seedsAreKeys}, recipe, view} = this.#studio;
    const {styles} = await this.#studio.person(recipe);
    const row = (i) => Array.from(styles.subarray(i * styleDim, (i + 1) * styleDim));
    const said = {
      format: 'cnerf_jax studio 1', version, model: provenance, seedsAreKeys, ...recipe,
      edits: Object.fromEntries(Object.entries(recipe.edits).map(([region, edit]) => [classes[region], edit])),
      view, address: location.hash, styles: classes.map((_, region) => [row(2 * region), row(2 * region + 1)])};
    save(`${this.#name}.json`, new Blob([JSON.stringify(said)], {type: 'application/json'}));
  }

  /** A film of what is on the stage, as it is shown. */
  film() {
    const {model: {sizes, camera}, renderer, recipe, view} = this.#studio;
    if (!recordable()) {
      this.#studio.say('This browser cannot record films; Chrome, Edge, Firefox and Safari 14.1 can');
      return undefined;
    }
    const size = renderer.fixedSizes ? sizes.middle : {imageSize: sizes.middle.imageSize, numSamples: sizes.plain.numSamples};
    const name = this.#name;
    return this.#making.run('Film', async (how) => {
      const [now, before] = await Promise.all([this.#studio.person(recipe), this.#studio.person({...recipe, edits: {}})]);
      const canvas = document.createElement('canvas');
      const draw = async (turned) => {
        const drawn = (person) => renderer.draw({...person, view: turned, size}, {priority: PRIORITY.middle, signal: how.signal});
        const frames = await Promise.all([drawn(now), this.#studio.display.needsBefore && drawn(before)]);
        this.#studio.display.paint(canvas, ...frames);
        return canvas;
      };
      const {blob, ending} = await film(draw, view, camera.azimuthStd, getComputedStyle(document.getElementById('stage')).backgroundColor, how);
      save(`${name}.${ending}`, blob);
    });
  }

  /** The person as a mesh. */
  glb() {
    const {model, renderer, recipe} = this.#studio;
    const name = this.#name;
    return this.#making.run('Mesh', async (how) => {
      const mesh = await new PersonMesh(model, renderer, await this.#studio.person(recipe), how).make();
      how.signal.throwIfAborted();
      save(`${name}.glb`, new Blob([glb(mesh, {address: location.hash})], {type: 'model/gltf-binary'}));
    });
  }

  /** The person as a finer mesh, which the server makes. */
  async glbOfServer() {
    const {jobs, recipe} = this.#studio;
    const {styles} = await this.#studio.person(recipe);
    const found = await jobs.run('Making the mesh', {kind: 'mesh', styles});
    if (found !== null) {
      save(`${this.#name}.glb`, new Blob([found.bytes], {type: 'model/gltf-binary'}));
    }
  }
}

function save(name, blob) {
  const link = Object.assign(document.createElement('a'), {href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
