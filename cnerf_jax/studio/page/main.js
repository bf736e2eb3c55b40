/** Starts the studio: the model, what draws it, the page. */

import {Renderer, chooseBackend} from './renderer.js';
import {ServerRenderer} from './server_renderer.js';
import {Studio} from './studio.js';

async function fetchModel() {
  const response = await fetch('model.json');
  if (!response.ok) {
    throw new Error(`model.json is missing (${response.status}); build the page again`);
  }
  return response.json();
}

try {
  const wanted = new URLSearchParams(location.search).get('backend');
  const [model, backend] = await Promise.all([fetchModel(), chooseBackend(wanted)]);
  performance.mark('model here');
  const renderer = model.server ? new ServerRenderer(model) : new Renderer(model, {backend, isWanted: wanted !== null});
  await renderer.start();
  window.studio = new Studio(model, renderer);  // for scripts, and for the curious
  await window.studio.start();
} catch (error) {
  const loading = document.getElementById('loading');
  loading.textContent = `This page can't draw here: ${error.message}`;
  loading.hidden = false;
  console.error(error);
}
