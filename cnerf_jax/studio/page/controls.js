/** Buttons, fields and keys, and what they do to a studio. */

import {withSeed} from './person.js';
import * as regions from './regions.js';
import {LARGEST_SEED} from './random.js';
import * as stage from './stage.js';

const element = (id) => document.getElementById(id);

/** Makes everything on the page do something. @param {Studio} studio */
export function listen(studio) {
  const clicks = {
    'new-person': () => studio.newPerson(), resample: () => studio.resample(), reset: () => studio.reset(), take: () => studio.toggleTaking(),
    undo: () => studio.step('undo'), redo: () => studio.step('redo'), 'more-people': () => studio.otherPeople(),
    'save-png': () => studio.saving.png(), 'save-json': () => studio.saving.json(), 'save-film': () => studio.saving.film(),
    'save-glb': () => studio.saving.glb(), 'save-glb-server': () => studio.saving.glbOfServer(), 'copy-link': () => copyLink(studio)};
  for (const [id, action] of Object.entries(clicks)) {
    element(id).addEventListener('click', action);
  }
  listenToFields(studio);
  listenToCompare(studio);
  listenToKeys(studio);
  addEventListener('hashchange', () => studio.readAddress());
  stage.listen(element('stage'), studio);
}

function copyLink(studio) {
  navigator.clipboard.writeText(location.href).then(
    () => studio.say('The link is in the clipboard'), () => studio.say('The link is in the address bar'));
}

function listenToFields(studio) {
  element('seed').addEventListener('change', ({target}) => {
    if (target.value !== '' && target.validity.valid && Number(target.value) <= LARGEST_SEED) {
      studio.become(withSeed(studio.recipe, Number(target.value)), false);
    } else {
      studio.say(`A seed is a whole number from 0 to ${LARGEST_SEED}`);
      target.value = studio.recipe.seed;
    }
  });
  const truncation = element('truncation');
  const truncate = (moving) => {
    regions.setSlider(truncation, truncation.value);
    studio.become({...studio.recipe, truncation: Number(truncation.value)}, moving);
  };
  truncation.addEventListener('input', () => truncate(true));
  truncation.addEventListener('change', () => truncate(false));
  element('apart').addEventListener('input', ({target}) => studio.setApart(Number(target.value)));
  element('displays').addEventListener('change', ({target}) => studio.setDisplay(target.value));
}

/** The person without edits, for as long as the button or the key is held. */
function listenToCompare(studio) {
  const button = element('compare');
  const held = (event) => event.key === ' ' || event.key === 'Enter';
  button.addEventListener('pointerdown', () => studio.compare(true));
  button.addEventListener('keydown', (event) => held(event) && studio.compare(true));
  button.addEventListener('keyup', (event) => held(event) && studio.compare(false));
  for (const end of ['pointerup', 'pointerleave', 'pointercancel', 'blur']) {
    button.addEventListener(end, () => studio.compare(false));
  }
}

function listenToKeys(studio) {
  const actions = {
    n: () => studio.newPerson(), r: () => studio.resample(), z: () => studio.step('undo'), y: () => studio.step('redo')};
  const isOthers = (event) => event.target.matches('input[type="number"]') || event.altKey
    || (event.ctrlKey || event.metaKey) && !'zyZY'.includes(event.key);
  addEventListener('keydown', (event) => {
    const key = event.key.toLowerCase();
    if (isOthers(event)) {
      return;
    }
    if (key === 'z' && event.shiftKey) {
      studio.step('redo');
    } else if (key === 'c') {
      studio.compare(true);
    } else if (key === 'escape' && studio.selected !== null) {
      studio.chooseRegion(studio.selected);
    } else if (actions[key] && !(event.repeat && key === 'n')) {
      actions[key]();
      event.preventDefault();
    }
  });
  addEventListener('keyup', (event) => event.key.toLowerCase() === 'c' && studio.compare(false));
}
