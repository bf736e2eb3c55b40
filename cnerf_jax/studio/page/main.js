/** Starts the studio: the model, what draws it, the page. */

import {Renderer} from './renderer.js';
import {ServerRenderer} from './server_renderer.js';
import {Studio} from './studio.js';

try {
  const response = await fetch('model.json');
  if (!response.ok) {
    throw new Error(`model.json is missing (${response.status}); build the page again`);
  }
  const model = await response.json();
  const renderer = model.server ? new ServerRenderer(model) : new Renderer(model);
  await renderer.start(new URLSearchParams(location.search).get('backend'));
  window.studio = new Studio(model, renderer);  // for scripts, and for the curious
  await window.studio.start();
} catch (error) {
  const loading = document.getElementById('loading');
  loading.textContent = `This page can't draw here: ${error.message}`;
  loading.hidden = false;
  console.error(error);
}
