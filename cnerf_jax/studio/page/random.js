/**
 * Random people by number: the z of seed n are jax.random.normal(jax.random.key(n), (1, latentDim)), so that Python draws the same person.
 */

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]];
const PARITY = 0x1BD11BDA;
/** The smallest float32 above -1: uniform numbers lie in [LOWEST, 1). */
const LOWEST = -0.99999994;
/** Polynomials of the inverse error function (Giles 2010, single precision), highest power first: near 0, and in the tails. */
const CENTRAL = [
  2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727, 1.50140941];
const TAIL = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406, 2.83297682];

/** The largest seed: seeds are 0 to this. */
export const LARGEST_SEED = 2 ** 31 - 1;

/** Threefry-2x32 with 20 rounds: two 32-bit words from a key and a counter of two words each. */
export function threefry(key, counter) {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
  let [a, b] = [(counter[0] + keys[0]) | 0, (counter[1] + keys[1]) | 0];
  for (let group = 0; group < 5; group++) {
    for (const rotation of ROTATIONS[group % 2]) {
      a = (a + b) | 0;
      b = ((b << rotation) | (b >>> (32 - rotation))) ^ a;
    }
    a = (a + keys[(group + 1) % 3]) | 0;
    b = (b + keys[(group + 2) % 3] + group + 1) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/** `count` numbers from N(0, 1) for a seed. */
export function normals(seed, count) {
  return Float32Array.from({length: count}, (_, i) => {
    const [a, b] = threefry([0, seed], [0, i]);
    const unit = ((a ^ b) >>> 9) * 2 ** -23;
    const uniform = Math.max(LOWEST, Math.fround(unit * (1 - LOWEST) + LOWEST));
    return Math.SQRT2 * inverseErrorFunction(uniform);
  });
}

function inverseErrorFunction(x) {
  const w = -Math.log1p(-x * x);
  const [polynomial, variable] = w < 5 ? [CENTRAL, w - 2.5] : [TAIL, Math.sqrt(w) - 3];
  return x * polynomial.reduce((sum, coefficient) => sum * variable + coefficient, 0);
}

/** A number from N(0, 1), given that it is above another one, for a seed; far above by Robert's way (1995), from an exponential tail. */
export function normalAbove(lowest, seed) {
  const rate = (lowest + Math.sqrt(lowest ** 2 + 4)) / 2;
  for (let i = 0; ; i++) {
    if (lowest < 0) {
      const number = normals(seed, i + 1)[i];
      if (number > lowest) {
        return number;
      }
      continue;
    }
    const [a, b] = threefry([1, seed], [0, i]).map((word) => (word + 1) * 2 ** -32);
    const number = lowest - Math.log(a) / rate;
    if (b <= Math.exp(-((number - rate) ** 2) / 2)) {
      return number;
    }
  }
}

/** A seed that nobody chose. */
export function anySeed() {
  return Math.floor(Math.random() * 1e6);
}
