/** Files of the page, compressed: graphs, and the runtime that runs them, compiled while it arrives. */

function missing(address, response) {
  return new Error(`${address} is missing (${response.status}); build the page again`);
}

/** What is in a compressed file, as it arrives, whether or not the server has uncompressed it on the way. @returns {Promise<ReadableStream>} */
async function open(address) {
  const response = await fetch(address);
  if (!response.ok) {
    throw missing(address, response);
  }
  const reader = response.body.getReader();
  const {value: first = new Uint8Array()} = await reader.read();
  const stream = new ReadableStream({
    start: (controller) => controller.enqueue(first),
    pull: async (controller) => {
      const {done, value} = await reader.read();
      if (done) {
        controller.close();
      } else {
        controller.enqueue(value);
      }
    },
    cancel: (reason) => reader.cancel(reason)});
  const isCompressed = first[0] === 0x1f && first[1] === 0x8b;
  return isCompressed ? stream.pipeThrough(new DecompressionStream('gzip')) : stream;
}

/** Bytes of a compressed file. */
export async function fetchBytes(address) {
  return new Uint8Array(await new Response(await open(address)).arrayBuffer());
}

/** WebAssembly of a compressed file, compiled once, for all workers. */
export async function compile(address) {
  return WebAssembly.compileStreaming(new Response(await open(address), {headers: {'Content-Type': 'application/wasm'}}));
}
