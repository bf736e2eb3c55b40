/**
 * Runs the model's graphs, apart from the page, so that the page never waits.
 *
 * Messages in: {kind: 'start', ...} once, then {kind: 'map', id, z} and {kind: 'march', id, ...}; out: {kind: 'ready'}, {id, ...results},
 * or {id, error}.
 */

const KEPT_FIELDS = 4;

let ort, sessions, classCount;
/** Conditioned networks by the number of the styles that they are of, the last used last. */
const fields = new Map();

async function start({backend, runtime, binary, graphs, classes}) {
  ort = await import(`${runtime}/ort.js`);
  Object.assign(ort.env.wasm, {numThreads: 1, wasmPaths: {mjs: `${runtime}/loader.js`}, wasmBinary: binary});
  ort.env.logLevel = 'error';
  classCount = classes;
  sessions = {};
  for (const [name, bytes] of Object.entries(graphs)) {
    sessions[name] = await ort.InferenceSession.create(bytes, {executionProviders: [backend], graphOptimizationLevel: 'all'});
  }
}

const tensor = (data, shape) => new ort.Tensor('float32', data, shape);

async function map({z}) {
  const {styles} = await sessions.mapping.run({z: tensor(z, [1, z.length])});
  return {styles: styles.data};
}

async function march({graph, stylesId, styles, classWeights, origin, directions}) {
  const field = fields.get(stylesId) ?? await sessions.field.run({styles: tensor(styles, [classCount, 2, styles.length / classCount / 2])});
  fields.delete(stylesId);
  fields.set(stylesId, field);
  if (fields.size > KEPT_FIELDS) {
    fields.delete(fields.keys().next().value);
  }
  const results = await sessions[graph].run({
    ...field, class_weights: tensor(classWeights, [classCount]), origin: tensor(origin, [3]),
    directions: tensor(directions, [directions.length / 3, 3])});
  return {rgb: results.rgb.data, mask: results.semantic_mask.data, depth: results.depth.data};
}

async function answer({data}) {
  try {
    if (data.kind === 'start') {
      await start(data);
      self.postMessage({kind: 'ready'});
    } else {
      self.postMessage({id: data.id, ...await (data.kind === 'map' ? map : march)(data)});
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
