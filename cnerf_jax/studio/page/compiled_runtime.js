/** What onnxruntime-web takes for its loader: the loader, told that its WebAssembly is compiled already. Runs in a worker. */

let compiled, loader;

/** @param {WebAssembly.Module} module of the runtime @param {string} address of its loader */
export function use(module, address) {
  [compiled, loader] = [module, address];
}

export default async function instantiate(config) {
  const {default: load} = await import(loader);
  return load({...config, instantiateWasm: (imports, done) => {
    WebAssembly.instantiate(compiled, imports).then((instance) => done(instance, compiled));
    return {};
  }});
}
