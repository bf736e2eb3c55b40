/** A turning film: pictures drawn one by one, then played to a recorder, which works in real time. */

const FRAMES_A_SECOND = 24;
/** Pictures of half a swing, from one side to the other; the film swings there and back, twice. */
const PICTURES = 25;
const SWINGS = 2;
/** How far to either side, in standard deviations of the views of training. */
const REACH = 1.6;
const SIDE = 512;
/** What a recorder may need to take the last pictures in. */
const FLUSH_MILLISECONDS = 500;
const BITS_A_SECOND = 5_000_000;
/** What a recorder may write, the quickest first: one that is late drops pictures. */
const KINDS = [
  ['video/webm;codecs=vp8', 'webm'], ['video/webm;codecs=vp9', 'webm'], ['video/webm', 'webm'], ['video/mp4', 'mp4']];

/** What this browser can record, [type, ending]; undefined if nothing. */
export function recordable() {
  return 'MediaRecorder' in globalThis && 'captureStream' in HTMLCanvasElement.prototype
    ? KINDS.find(([type]) => MediaRecorder.isTypeSupported(type)) : undefined;
}

/**
 * @param {(view: object) => Promise<CanvasImageSource>} draw a picture, at least for as long as until the next is asked for
 * @param {object} view to start from: its elevation and zoom are kept
 * @param {number} azimuthStd of the views of training, radians
 * @param {string} background the colour behind what is transparent
 * @param {{signal: AbortSignal, report: (fraction: number) => void}} how
 * @returns {Promise<{blob: Blob, ending: string}>}
 */
export async function film(draw, view, azimuthStd, background, {signal, report}) {
  const [type, ending] = recordable();
  const pictures = [];
  for (let i = 0; i < PICTURES; i++) {
    const azimuth = -REACH * azimuthStd * Math.cos(Math.PI * i / (PICTURES - 1));
    const copy = newCanvas();
    const context = copy.getContext('2d');
    context.fillStyle = background;
    context.fillRect(0, 0, SIDE, SIDE);
    context.drawImage(await draw({...view, azimuth}), 0, 0, SIDE, SIDE);
    pictures.push(copy);
    report(0.9 * (i + 1) / PICTURES);
    signal.throwIfAborted();
  }
  const thereAndBack = [...pictures, ...pictures.slice(1, -1).reverse()];
  return {blob: await record(Array(SWINGS).fill(thereAndBack).flat(), type, {signal, report}), ending};
}

function newCanvas() {
  return Object.assign(document.createElement('canvas'), {width: SIDE, height: SIDE});
}

async function record(pictures, type, {signal, report}) {
  const canvas = newCanvas();
  const context = canvas.getContext('2d');
  context.drawImage(pictures[0], 0, 0);
  const stream = canvas.captureStream(0);
  const [track] = stream.getVideoTracks();
  const recorder = new MediaRecorder(stream, {mimeType: type, videoBitsPerSecond: BITS_A_SECOND});
  const parts = [];
  recorder.ondataavailable = ({data}) => parts.push(data);
  const stopped = new Promise((resolve, reject) => {
    recorder.onstop = resolve;
    recorder.onerror = ({error}) => reject(error);
  });
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  recorder.start();
  const begin = performance.now();
  for (const [i, picture] of pictures.entries()) {
    context.drawImage(picture, 0, 0);
    track.requestFrame();
    report(0.9 + 0.1 * (i + 1) / pictures.length);
    await wait(begin + 1000 * (i + 1) / FRAMES_A_SECOND - performance.now());
    if (signal.aborted) {
      break;
    }
  }
  await wait(FLUSH_MILLISECONDS);
  recorder.stop();
  await stopped;
  track.stop();
  signal.throwIfAborted();
  return new Blob(parts, {type: type.split(';')[0]});
}
