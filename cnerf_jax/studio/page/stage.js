/** The stage under hands: turning, zooming, pointing at regions, dropping people on them. */

import {rounded} from './camera.js';

const RADIANS_PER_PIXEL = 0.008;
const RADIANS_PER_KEY = 0.1;
const ZOOM_PER_KEY = 1.15;
const ZOOM_PER_WHEEL_PIXEL = 1.0015;
/** A press that moves less than so many pixels is a click. */
const CLICK_PIXELS = 5;
export const PERSON_TYPE = 'application/x-cnerf-person';

/**
 * @param {HTMLElement} stage
 * @param {object} studio what the hands do: `view`; `look(view, moving)`; `point(position|null)`; `select(position)`; `drop(position, seed)`;
 *   positions are [x, y] in [0, 1] of the stage
 */
export function listen(stage, studio) {
  const position = (event) => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  turnByPointer(stage, studio, position);
  turnByKeys(stage, studio);
  let wheelEnd;
  stage.addEventListener('wheel', (event) => {
    event.preventDefault();
    const {view} = studio;
    studio.look(rounded({...view, zoom: view.zoom * ZOOM_PER_WHEEL_PIXEL ** -event.deltaY}), true);
    clearTimeout(wheelEnd);
    wheelEnd = setTimeout(() => studio.look(studio.view, false), 200);
  }, {passive: false});
  stage.addEventListener('dragover', (event) => {
    if (event.dataTransfer.types.includes(PERSON_TYPE)) {
      event.preventDefault();
      studio.point(position(event));
    }
  });
  stage.addEventListener('dragleave', () => studio.point(null));
  stage.addEventListener('drop', (event) => {
    const seed = event.dataTransfer.getData(PERSON_TYPE);
    if (seed !== '') {
      event.preventDefault();
      studio.drop(position(event), Number(seed));
      studio.point(null);
    }
  });
}

function turnByPointer(stage, studio, position) {
  const pointers = new Map();
  let moved = 0;
  const distance = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  stage.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) {
      return;
    }
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    moved = pointers.size > 1 ? Infinity : 0;
  });
  stage.addEventListener('pointermove', (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      studio.point(position(event));
      return;
    }
    const here = [event.clientX, event.clientY];
    const [right, down] = [here[0] - before[0], here[1] - before[1]];
    moved += Math.hypot(right, down);
    if (moved < CLICK_PIXELS) {
      return;
    }
    stage.classList.add('turning');
    studio.point(null);
    const {view} = studio;
    if (pointers.size === 2) {
      const apart = distance();
      pointers.set(event.pointerId, here);
      studio.look(rounded({...view, zoom: view.zoom * distance() / Math.max(apart, 1)}), true);
    } else {
      pointers.set(event.pointerId, here);
      const perPixel = RADIANS_PER_PIXEL / Math.max(1, view.zoom);
      studio.look(rounded({...view, azimuth: view.azimuth - right * perPixel, elevation: view.elevation + down * perPixel}), true);
    }
  });
  const end = (event) => {
    if (!pointers.delete(event.pointerId) || pointers.size) {
      return;
    }
    stage.classList.remove('turning');
    if (moved >= CLICK_PIXELS) {
      studio.look(studio.view, false);
    } else if (event.type === 'pointerup') {
      studio.select(position(event));
    }
  };
  stage.addEventListener('pointerup', end);
  stage.addEventListener('pointercancel', end);
  stage.addEventListener('pointerleave', () => studio.point(null));
}

function turnByKeys(stage, studio) {
  const turns = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
  const zooms = {'+': ZOOM_PER_KEY, '=': ZOOM_PER_KEY, '-': 1 / ZOOM_PER_KEY};
  stage.addEventListener('keydown', (event) => {
    const {view} = studio;
    const moving = event.repeat;
    if (turns[event.key]) {
      const [right, up] = turns[event.key].map((x) => x * RADIANS_PER_KEY);
      studio.look(rounded({...view, azimuth: view.azimuth + right, elevation: view.elevation + up}), moving);
    } else if (zooms[event.key]) {
      studio.look(rounded({...view, zoom: view.zoom * zooms[event.key]}), moving);
    } else if (event.key === '0') {
      studio.look({azimuth: 0, elevation: 0, zoom: 1}, moving);
    } else {
      return;
    }
    event.preventDefault();
  });
  stage.addEventListener('keyup', (event) => {
    if (turns[event.key] || zooms[event.key]) {
      studio.look(studio.view, false);
    }
  });
}
