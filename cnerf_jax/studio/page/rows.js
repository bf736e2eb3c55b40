/**
 * Styles that come from no seed, as text for addresses: each row as 16-bit numbers and a float32 that they are multiples of, in base64 of
 * letters that an address may hold. What is drawn is what the text says, so that a link draws the same.
 */

const LARGEST = 32767;

/** Text of Float32Array rows, one after another. */
export function encode(styles, styleDim) {
  const bytes = new Uint8Array(styles.length / styleDim * (4 + 2 * styleDim));
  const view = new DataView(bytes.buffer);
  for (let start = 0, at = 0; start < styles.length; start += styleDim) {
    const row = styles.subarray(start, start + styleDim);
    const unit = Math.fround(row.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-30) / LARGEST);
    view.setFloat32(at, unit, true);
    row.forEach((x, i) => view.setInt16(at + 4 + 2 * i, Math.min(Math.max(Math.round(x / unit), -LARGEST), LARGEST), true));
    at += 4 + 2 * styleDim;
  }
  let letters = '';
  bytes.forEach((byte) => {
    letters += String.fromCharCode(byte);
  });
  return btoa(letters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Float32Array of `count` rows that a text says; null if it says no such thing. */
export function decode(text, styleDim, count = 1) {
  const rowBytes = 4 + 2 * styleDim;
  if (typeof text !== 'string' || text.length !== Math.ceil(count * rowBytes * 4 / 3) || !/^[\w-]*$/.test(text)) {
    return null;
  }
  const letters = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const view = new DataView(Uint8Array.from(letters, (letter) => letter.charCodeAt(0)).buffer);
  const styles = new Float32Array(count * styleDim);
  for (let row = 0; row < count; row++) {
    const unit = view.getFloat32(row * rowBytes, true);
    if (!(unit > 0 && unit < 1e-2)) {
      return null;
    }
    for (let i = 0; i < styleDim; i++) {
      styles[row * styleDim + i] = unit * view.getInt16(row * rowBytes + 4 + 2 * i, true);
    }
  }
  return styles;
}
