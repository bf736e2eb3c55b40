/** Files of the page: graphs, and the runtime that runs them, compiled while it arrives. */

function missing(address, response) {
  return new Error(`${address} is missing (${response.status}); build the page again`);
}

/** Bytes of a file. */
export async function fetchBytes(address) {
  const response = await fetch(address);
  if (!response.ok) {
    throw missing(address, response);
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** WebAssembly of a compressed file, compiled once, for all workers; whether or not the server has uncompressed it on the way. */
export async function compile(address) {
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
  const code = isCompressed ? stream.pipeThrough(new DecompressionStream('gzip')) : stream;
  return WebAssembly.compileStreaming(new Response(code, {headers: {'Content-Type': 'application/wasm'}}));
}
