/**
 * Runs the model's graphs, apart from the page, so that the page never waits.
 *
 * Messages in: {kind: 'graph', name, bytes}, of which a session is made when it is first asked for; {kind: 'start', ...} once; {kind: 'run', id,
 * graph, inputs, person}, where the person, if there is one, is {stylesId, styles}, and the graph takes their field too. Out: {kind: 'ready'},
 * {id, results}, or {id, error}.
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

async function fieldOf({stylesId, styles}) {
  const field = fields.get(stylesId) ?? {
    ...await (await session('field')).run({styles: tensor(styles, [classCount, 2, styles.length / classCount / 2])}),
    class_weights: tensor(new Float32Array(classCount).fill(1), [classCount])};
  fields.delete(stylesId);
  fields.set(stylesId, field);
  if (fields.size > KEPT_FIELDS) {
    fields.delete(fields.keys().next().value);
  }
  return field;
}

/** What a graph makes of arrays {data, shape}, and of a person's field if one is given: arrays. */
async function run({graph, inputs, person}) {
  const field = person && await fieldOf(person);
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, {data, shape}]) => [name, tensor(data, shape)]));
  const results = await (await session(graph)).run({...field, ...feeds});
  return Object.fromEntries(Object.entries(results).map(([name, {data}]) => [name, data]));
}

async function answer({data}) {
  try {
    if (data.kind === 'graph') {
      graphs.set(data.name, data.bytes);
    } else if (data.kind === 'start') {
      await start(data);
      self.postMessage({kind: 'ready'});
    } else {
      self.postMessage({id: data.id, results: await run(data)});
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
