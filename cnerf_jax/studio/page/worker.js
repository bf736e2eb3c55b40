/**
 * Runs the model's graphs, apart from the page, so that the page never waits.
 *
 * Messages in: {kind: 'start', ...} first; {kind: 'graph', name, bytes}, of which a session is made when it is first asked for; {kind: 'map',
 * id, z}, {kind: 'march', id, ...} and {kind: 'run', id, graph, inputs}; out: {kind: 'ready'}, {id, ...results}, or {id, error}.
 */

import {use} from './compiled_runtime.js';

const KEPT_FIELDS = 4;

let ort, backend, classCount;
const graphs = new Map();
const sessions = new Map();
/** Conditioned networks by the number of the styles that they are of, the last used last. */
const fields = new Map();

async function start(given) {
  ({backend, classes: classCount} = given);
  use(given.module, `${given.runtime}/loader.js`);
  ort = await import(`${given.runtime}/ort.js`);
  Object.assign(ort.env.wasm, {numThreads: 1, wasmPaths: {mjs: new URL('compiled_runtime.js', self.location).href}});
  ort.env.logLevel = 'error';
  await Promise.all(given.needed.map(session));
}

function session(name) {
  if (!sessions.has(name)) {
    sessions.set(name, ort.InferenceSession.create(graphs.get(name), {executionProviders: [backend], graphOptimizationLevel: 'all'}));
  }
  return sessions.get(name);
}

const tensor = (data, shape) => new ort.Tensor('float32', data, shape);

/** What a graph makes of arrays {data, shape}; arrays. */
async function run({graph, inputs}) {
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, {data, shape}]) => [name, tensor(data, shape)]));
  const results = await (await session(graph)).run(feeds);
  return Object.fromEntries(Object.entries(results).map(([name, {data}]) => [name, data]));
}

async function fieldOf(stylesId, styles) {
  const field = fields.get(stylesId)
    ?? await (await session('field')).run({styles: tensor(styles, [classCount, 2, styles.length / classCount / 2])});
  fields.delete(stylesId);
  fields.set(stylesId, field);
  if (fields.size > KEPT_FIELDS) {
    fields.delete(fields.keys().next().value);
  }
  return field;
}

async function march({graph, stylesId, styles, classWeights, origin, directions}) {
  const field = await fieldOf(stylesId, styles);
  const results = await (await session(graph)).run({
    ...field, class_weights: tensor(classWeights, [classCount]), origin: tensor(origin, [3]),
    directions: tensor(directions, [directions.length / 3, 3])});
  return {rgb: results.rgb.data, mask: results.semantic_mask.data, depth: results.depth.data};
}

const ANSWERS = {march, run};

async function answer({data}) {
  try {
    if (data.kind === 'graph') {
      graphs.set(data.name, data.bytes);
    } else if (data.kind === 'start') {
      await start(data);
      self.postMessage({kind: 'ready'});
    } else {
      self.postMessage({id: data.id, ...await ANSWERS[data.kind](data)});
    }
  } catch (error) {
    self.postMessage({id: data.id, error: String(error?.message ?? error)});
  }
}

// one after another: a session runs one thing at a time
let last = Promise.resolve();
self.onmessage = (message) => {
  last = last.then(() => answer(message));
};
