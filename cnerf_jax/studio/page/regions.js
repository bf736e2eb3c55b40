/** The list of regions, and the sliders of the one that is selected. */

import {LARGEST_COEFFICIENT, PARTS, noEdit} from './person.js';
import {PERSON_TYPE} from './stage.js';

/** The regions as buttons. @param {object} studio with `model`, `chooseRegion(region)` and `takeRegion(region, seed)` */
export function fillList(list, studio) {
  const {classes, palette} = studio.model;
  list.replaceChildren(...classes.map((name, region) => {
    const button = document.createElement('button');
    button.append(swatch(palette[region]), name);
    button.setAttribute('aria-pressed', 'false');
    button.addEventListener('click', () => studio.chooseRegion(region));
    button.addEventListener('dragover', (event) => {
      if (event.dataTransfer.types.includes(PERSON_TYPE)) {
        event.preventDefault();
        button.classList.add('target');
      }
    });
    button.addEventListener('dragleave', () => button.classList.remove('target'));
    button.addEventListener('drop', (event) => {
      event.preventDefault();
      button.classList.remove('target');
      studio.takeRegion(region, Number(event.dataTransfer.getData(PERSON_TYPE)));
    });
    return button;
  }));
}

/** Says which region is selected and which are edited. */
export function markList(list, selected, recipe) {
  [...list.children].forEach((button, region) => {
    button.setAttribute('aria-pressed', String(region === selected));
    button.classList.toggle('edited', region in recipe.edits);
  });
}

/**
 * The sliders of a region, made anew.
 * @param {HTMLElement} sliders
 * @param {object} studio with `model`, `recipe` and `change(region, edit, moving)`
 */
export function fillSliders(sliders, region, studio) {
  const current = () => studio.recipe.edits[region] ?? noEdit(studio.model.directions[region][0].length);
  sliders.replaceChildren(...PARTS.map((part, row) => {
    const group = document.createElement('fieldset');
    const legend = document.createElement('legend');
    legend.textContent = part[0].toUpperCase() + part.slice(1);
    group.append(legend, ...studio.model.directions[region][row].map(({name}, i) => slider(name, (value, moving) => {
      const coefficients = current()[part].with(i, value);
      studio.change(region, {...current(), [part]: coefficients}, moving);
    })));
    return group;
  }));
}

/** Puts the sliders where a recipe has them. */
export function setSliders(sliders, region, recipe) {
  const edit = recipe.edits[region];
  PARTS.forEach((part, row) => {
    sliders.children[row].querySelectorAll('input').forEach((input, i) => setSlider(input, edit?.[part][i] ?? 0));
  });
}

export function setSlider(input, value) {
  input.value = value;
  input.nextElementSibling.textContent = Number(value).toFixed(2);
}

export function swatch(color) {
  const circle = document.createElement('span');
  circle.className = 'swatch';
  circle.style.setProperty('--swatch', `rgb(${color.join(' ')})`);
  return circle;
}

function slider(name, change) {
  const label = document.createElement('label');
  label.className = 'slider';
  const text = document.createElement('span');
  text.textContent = name;
  const input = Object.assign(document.createElement('input'), {
    type: 'range', min: -LARGEST_COEFFICIENT, max: LARGEST_COEFFICIENT, step: 0.05, value: 0});
  label.append(text, input, document.createElement('output'));
  label.title = 'Standard deviations; a double click sets 0';
  setSlider(input, 0);
  const tell = (moving) => {
    setSlider(input, input.value);
    change(Number(input.value), moving);
  };
  input.addEventListener('input', () => tell(true));
  input.addEventListener('change', () => tell(false));
  label.addEventListener('dblclick', () => {
    input.value = 0;
    tell(false);
  });
  return label;
}
