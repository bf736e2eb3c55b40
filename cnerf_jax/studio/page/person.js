/**
 * A person is a recipe: a seed, a truncation, and edits of regions. Recipes are plain objects that are never changed, so that a history can
 * keep them; an address holds one.
 *
 * recipe = {seed, truncation, edits}; edits maps the number of a class to
 *   {shapeFrom, textureFrom}: the seed of the person that the style is taken from, the code of a region drawn anew (redrawing.js), or null for
 *   one's own;
 *   {shape, texture}: a coefficient for each named direction, standard deviations;
 *   {given}: where styles come from no seed, such as painted ones, {shape, texture} as text (rows.js), which no truncation changes.
 * {base}, as text, stands for the person of the seed: somebody of a photograph.
 */

import {LARGEST_SEED} from './random.js';
import {isCode} from './redrawing.js';
import * as rows from './rows.js';

/** The order of the parts in styles [classes, 2, styleDim]. */
export const PARTS = ['shape', 'texture'];
export const LARGEST_COEFFICIENT = 3;
const HUNDREDTHS = 100;
/** In an address: texture from where shape is from. */
const SAME = '*';

/** The edit of a region that has none. */
export function noEdit(numDirections) {
  const zeros = Array(numDirections).fill(0);
  return {shapeFrom: null, textureFrom: null, shape: zeros, texture: zeros};
}

/** Whether an edit changes nothing. */
export function isNoEdit(edit) {
  return edit.shapeFrom === null && edit.textureFrom === null && !edit.given && PARTS.every((part) => edit[part].every((x) => x === 0));
}

/** The recipe with another edit of one region. */
export function withEdit(recipe, region, edit) {
  const {given = {}, ...rest} = edit;
  const left = Object.fromEntries(Object.entries(given).filter(([part, text]) => text && edit[`${part}From`] === null));
  const edits = {...recipe.edits, [region]: Object.keys(left).length ? {...rest, given: left} : rest};
  if (isNoEdit(edits[region])) {
    delete edits[region];
  }
  return {...recipe, edits};
}

/** The recipe of another seed's person, without edits. */
export function withSeed({truncation}, seed) {
  return {seed, truncation, edits: {}};
}

/** The recipe of a person of given styles, [classes, 2, styleDim], without edits. */
export function withBase({seed}, styles, {styleDim}) {
  return {seed, truncation: 1, edits: {}, base: rows.encode(styles, styleDim)};
}

/** The recipe with the styles of `after` where they differ from those of `before`, which are its own. */
export function withStyles(recipe, before, after, {styleDim, directions}) {
  for (let row = 0; row < after.length / styleDim; row++) {
    const [own, other] = [before, after].map((styles) => styles.subarray(row * styleDim, (row + 1) * styleDim));
    if (other.some((x, i) => x !== own[i])) {
      const [region, part] = [row >> 1, PARTS[row & 1]];
      const none = noEdit(directions[region][0].length);
      const edit = recipe.edits[region] ?? none;
      recipe = withEdit(recipe, region, {
        ...edit, [`${part}From`]: null, [part]: none[part], given: {...edit.given, [part]: rows.encode(other, styleDim)}});
    }
  }
  return recipe;
}

/** A name for what a region's style is taken from: a seed is the same for all regions, a code is of one. */
const sourceOf = (from, region) => (typeof from === 'string' ? `${region} ${from}` : from);

/** What a recipe takes styles from, once each: {key, from, region}; the first is its own person. */
export function sourcesOf(recipe) {
  const others = Object.entries(recipe.edits).flatMap(([region, edit]) => [edit.shapeFrom, edit.textureFrom]
    .filter((from) => from !== null).map((from) => ({key: sourceOf(from, region), from, region: Number(region)})));
  const all = [{key: recipe.seed, from: recipe.seed, region: null}, ...others];
  return [...new Map(all.map((source) => [source.key, source])).values()];
}

/**
 * Styles [classes, 2, styleDim] of a recipe.
 * @param {object} recipe
 * @param {Map<number|string, Float32Array>} people styles by the keys of `sourcesOf`, not truncated
 * @param {object} model as model.json says
 */
export function stylesOf(recipe, people, model) {
  const {styleDim, meanStyles, directions} = model;
  const styles = new Float32Array(meanStyles.length);
  const own = recipe.base ? rows.decode(recipe.base, styleDim, meanStyles.length / styleDim) : people.get(recipe.seed);
  for (let start = 0, row = 0; start < styles.length; start += styleDim, row++) {
    const [region, part] = [row >> 1, PARTS[row & 1]];
    const edit = recipe.edits[region];
    const from = edit?.[`${part}From`] ?? null;
    const source = from === null ? own : people.get(sourceOf(from, region));
    const given = from === null && edit?.given?.[part] ? rows.decode(edit.given[part], styleDim) : null;
    for (let i = start; i < start + styleDim; i++) {
      styles[i] = given ? given[i - start] : meanStyles[i] + recipe.truncation * (source[i] - meanStyles[i]);
    }
    edit?.[part].forEach((coefficient, number) => {
      const {vector} = directions[region][row & 1][number];
      vector.forEach((x, i) => {
        styles[start + i] += coefficient * x;
      });
    });
  }
  return styles;
}

/** The address of a recipe and a view: what follows the #. */
export function toAddress(recipe, view) {
  const words = [`seed=${recipe.seed}`, `truncation=${recipe.truncation}`, `view=${view.azimuth},${view.elevation},${view.zoom}`];
  for (const [region, edit] of Object.entries(recipe.edits)) {
    const isOneCode = typeof edit.shapeFrom === 'string' && edit.textureFrom === edit.shapeFrom;
    const from = `${edit.shapeFrom ?? ''},${isOneCode ? SAME : edit.textureFrom ?? ''}`;
    const parts = PARTS.map((part) => edit[part].map((x) => Math.round(x * HUNDREDTHS)).join(','));
    words.push(`edit${region}=${[from, ...parts].join(';')}`);
    if (edit.given) {
      words.push(`given${region}=${PARTS.map((part) => edit.given[part] ?? '').join(',')}`);
    }
  }
  if (recipe.base) {
    words.push(`base=${recipe.base}`);
  }
  return words.join('&');
}

/**
 * The recipe and the view of an address; what it does not say, or says wrongly, is as in `defaults`.
 * @param {string} address what follows the #
 * @param {{recipe: object, view: object}} defaults
 * @param {object} model as model.json says
 */
export function fromAddress(address, defaults, model) {
  const said = new URLSearchParams(address);
  const number = (text, fallback, low, high) => {
    const value = text === null || text === undefined || text.trim() === '' ? NaN : Number(text);
    return Number.isFinite(value) && value >= low && value <= high ? value : fallback;
  };
  const seed = (text, fallback) => {
    const value = number(text, fallback, 0, LARGEST_SEED);
    return Number.isInteger(value) ? value : fallback;
  };
  const [azimuth, elevation, zoom] = (said.get('view') ?? '').split(',');
  const view = {
    azimuth: number(azimuth, defaults.view.azimuth, -2, 2), elevation: number(elevation, defaults.view.elevation, -2, 2),
    zoom: number(zoom, defaults.view.zoom, 0, 100)};
  let recipe = {
    seed: seed(said.get('seed'), defaults.recipe.seed), truncation: number(said.get('truncation'), defaults.recipe.truncation, 0, 1), edits: {}};
  model.classes.forEach((_, region) => {
    const [from, ...parts] = (said.get(`edit${region}`) ?? '').split(';');
    const [shapeText, textureText] = from.split(',');
    const [shapeFrom, textureFrom] = [shapeText, textureText === SAME ? shapeText : textureText]
      .map((text) => (text && isCode(text, model) ? text : seed(text, null)));
    const coefficients = PARTS.map((_, row) => {
      const values = (parts[row] ?? '').split(',');
      return model.directions[region][row].map((_, i) => {
        const bound = LARGEST_COEFFICIENT * HUNDREDTHS;
        return number(values[i], 0, -bound, bound) / HUNDREDTHS;
      });
    });
    const texts = (said.get(`given${region}`) ?? '').split(',');
    const given = Object.fromEntries(PARTS.map((part, i) => [part, texts[i]]).filter(([, text]) => rows.decode(text, model.styleDim)));
    recipe = withEdit(recipe, region, {
      shapeFrom: shapeFrom ?? null, textureFrom: textureFrom ?? null, shape: coefficients[0], texture: coefficients[1], given});
  });
  if (rows.decode(said.get('base'), model.styleDim, model.meanStyles.length / model.styleDim)) {
    recipe.base = said.get('base');
  }
  return {recipe, view};
}
