/** One coloured mesh as a binary glTF 2.0 file (GLB): positions, normals, colours in proportion to light, a matt material. */

const MAGIC = 0x46546c67;
const [JSON_CHUNK, BINARY_CHUNK] = [0x4e4f534a, 0x004e4942];
const [UNSIGNED_SHORT, UNSIGNED_INT, FLOAT] = [5123, 5125, 5126];
const [ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER] = [34962, 34963];
const MATERIAL = {name: 'matt', pbrMetallicRoughness: {metallicFactor: 0, roughnessFactor: 1}, doubleSided: true};

/** Light in proportion, of a displayed (sRGB) value; both in [0, 1]. */
function linear(x) {
  return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
}

function bounds(positions) {
  const [min, max] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  positions.forEach((x, i) => {
    min[i % 3] = Math.min(min[i % 3], x);
    max[i % 3] = Math.max(max[i % 3], x);
  });
  return {min, max};
}

/**
 * @param {{vertices: Float32Array, normals: Float32Array, colors: Float32Array, faces: Uint32Array}} mesh y up, colours as displayed, in [0, 1]
 * @param {object} extras said in the file's asset
 * @returns {ArrayBuffer}
 */
export function glb({vertices, normals, colors, faces}, extras) {
  const count = vertices.length / 3;
  const light = new Uint16Array(4 * count).fill(65535);  // four numbers a vertex: aligned, opaque
  colors.forEach((x, i) => {
    light[4 * Math.floor(i / 3) + i % 3] = Math.round(65535 * linear(Math.min(Math.max(x, 0), 1)));
  });
  const arrays = [
    {array: vertices, target: ARRAY_BUFFER, componentType: FLOAT, type: 'VEC3', count, ...bounds(vertices)},
    {array: normals, target: ARRAY_BUFFER, componentType: FLOAT, type: 'VEC3', count},
    {array: light, target: ARRAY_BUFFER, componentType: UNSIGNED_SHORT, normalized: true, type: 'VEC4', count},
    {array: faces, target: ELEMENT_ARRAY_BUFFER, componentType: UNSIGNED_INT, type: 'SCALAR', count: faces.length}];
  let length = 0;
  const bufferViews = arrays.map(({array: {byteLength}, target}) => {
    length += byteLength;
    return {buffer: 0, byteOffset: length - byteLength, byteLength, target};
  });
  const accessors = arrays.map((one, bufferView) => ({...one, array: undefined, target: undefined, bufferView}));  // JSON leaves those out
  const text = JSON.stringify({
    asset: {version: '2.0', generator: 'cnerf_jax studio', extras}, scene: 0, scenes: [{nodes: [0]}], nodes: [{mesh: 0, name: 'head'}],
    meshes: [{name: 'head', primitives: [{attributes: {POSITION: 0, NORMAL: 1, COLOR_0: 2}, indices: 3, material: 0}]}],
    materials: [MATERIAL], buffers: [{byteLength: length}], bufferViews, accessors});
  return packed(new TextEncoder().encode(text), arrays.map(({array}) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)), length);
}

function packed(json, arrays, length) {
  const padded = Math.ceil(json.length / 4) * 4;
  const bytes = new Uint8Array(12 + 8 + padded + 8 + length);
  const view = new DataView(bytes.buffer);
  [MAGIC, 2, bytes.length, padded, JSON_CHUNK].forEach((x, i) => view.setUint32(4 * i, x, true));
  bytes.fill(0x20, 20, 20 + padded).set(json, 20);
  view.setUint32(20 + padded, length, true);
  view.setUint32(24 + padded, BINARY_CHUNK, true);
  let place = 28 + padded;
  for (const array of arrays) {
    bytes.set(array, place);
    place += array.length;
  }
  return bytes.buffer;
}
