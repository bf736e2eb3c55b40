"""The studio's server under load: many pages at once, some of which talk nonsense or never read.

  python -m benchmarks.studio_server [--model pretrained/portraits32.npz] [--clients 100] [--seconds 60] [--output server.json]

Starts `python -m cnerf_jax.studio serve` on 127.0.0.1. Of ten clients eight turn a person as the page does: they ask for the next coarse
picture when they have the last one, at most ten times a second. One sends what is no request, ten times a second, and wants a refusal of each;
one asks ten times a second and never reads. With --painters N, N more each have a person painted, again and again. Prints one JSON object.

  frames_a_second       of all clients
  latency_*             seconds from asking to having, of all answers; worst client: the largest median
  fairness              frames of the client with the fewest over the frames of the one with the most, of those that turn
  refusals              answers to nonsense; `unanswered` is how many got none
  closed_by_server      connections that the server ended: of clients that never read it hears no pong
  server_mib            resident memory before, at most, and after
  jobs                  paintings that were finished, and how often painters were told how far it is
  processor_seconds     of the server
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import dataclasses
import functools
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import time
import urllib.request

import jax
import jax.numpy as jnp
import numpy as np
from websockets import exceptions
from websockets.asyncio import client as websockets_client

from benchmarks import machine
from cnerf_jax import pretrained
from cnerf_jax.studio import drawing

INTERVAL = 0.1  # seconds: a client asks no more often
NONSENSE = (
    '', '{', '[]', '{"kind": "draw"}', '{"id": 1}', '{"kind": "delete", "id": 1}', '{"kind": "draw", "id": -1}', '[' * 5000, '\x00',
    '{"kind": "person", "id": 1, "seed": 1e99}', '{"kind": "draw", "id": 1, "size": "huge"}', '"' + 'x' * 10_000 + '"')
TURNING, NONSENSICAL, DEAF, PAINTING = 'turning', 'nonsensical', 'deaf', 'painting'


@dataclasses.dataclass
class Client:
  """What one client has seen.

  Attributes:
    kind: one of TURNING, NONSENSICAL, DEAF, PAINTING.
    sent: messages.
    latencies: seconds, of each answer.
    refusals: answers that say why there is none.
    closed: whether the server ended the connection.
    told: how often it was told how far a painting is.
  """

  kind: str
  sent: int = 0
  latencies: list[float] = dataclasses.field(default_factory=list)
  refusals: list[str] = dataclasses.field(default_factory=list)
  closed: bool = False
  told: int = 0


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--model', default='pretrained/portraits32.npz')
  parser.add_argument('--clients', type=int, default=100)
  parser.add_argument('--seconds', type=float, default=60)
  parser.add_argument('--painters', type=int, default=0, help='besides the clients; they want 12 classes')
  parser.add_argument('--output', help='file that a line of JSON is appended to')
  parser.add_argument('--batches', action='store_true', help='instead: milliseconds of a picture drawn alone, and in batches')
  given = parser.parse_args()
  if given.batches:
    print(json.dumps(batches(pretrained.load(given.model)), indent=1))
    return
  row = measure(given.model, clients=given.clients, seconds=given.seconds, painters=given.painters)
  print(json.dumps(row, indent=1))
  machine.append(row, given.output)


def batches(model: pretrained.Model, *, repeats: int = 6) -> dict[str, object]:
  """Milliseconds that each of eight pictures of training's size takes, in batches of 1, 4 and 8: of the clock and of the processor."""
  styles = model.draw_styles(jax.random.key(0), 8)
  many = jax.jit(jax.vmap(lambda one: drawing._draw(
      model.generator, model.image_size, model.num_samples, model.params, one, *map(jnp.float32, (0.1, 0.0, 1.0)))))
  sizes = {'imageSize': model.image_size, 'numSamples': model.num_samples}
  ways = {1: lambda: [drawing.picture(model, one, (0.1, 0.0, 1.0), **sizes) for one in styles]}
  ways |= {n: lambda n=n: [jax.tree.map(np.asarray, many(styles[i:i + n])) for i in range(0, 8, n)] for n in (4, 8)}
  taken = {n: [] for n in ways}
  for repeat in range(repeats + 1):
    for n, draw in ways.items():
      clock, processor = time.perf_counter(), time.process_time()
      draw()
      if repeat:  # the first compiles
        taken[n].append((time.perf_counter() - clock, time.process_time() - processor))
  median = {n: 1000 / 8 * np.median(seconds, axis=0) for n, seconds in taken.items()}
  return {
      'clock_milliseconds': {n: float(both[0]) for n, both in median.items()},
      'processor_milliseconds': {n: float(both[1]) for n, both in median.items()}, 'load_average': os.getloadavg()[0]}


def measure(model: str, *, clients: int, seconds: float, painters: int = 0) -> dict[str, object]:
  """Starts a server, loads it, stops it; the figures of the module's docstring."""
  port = _free_port()
  command = [sys.executable, '-m', 'cnerf_jax.studio', 'serve', model, '--port', str(port), '--directions', '1']
  process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
  try:
    said = json.loads(_when_it_answers(f'http://127.0.0.1:{port}/model.json', process))
    return {'model': model, 'clients': clients, 'painters': painters, 'seconds': seconds} | asyncio.run(
        load(port, said, clients=clients, seconds=seconds, painters=painters, process=process.pid))
  finally:
    process.terminate()
    process.wait(30)


def _free_port() -> int:
  with socket.socket() as one:
    one.bind(('127.0.0.1', 0))
    return one.getsockname()[1]


def _when_it_answers(address: str, process: subprocess.Popen, seconds: float = 300) -> bytes:
  begin = time.monotonic()
  while time.monotonic() - begin < seconds and process.poll() is None:
    try:
      return urllib.request.urlopen(address, timeout=10).read()
    except OSError:
      time.sleep(0.2)
  raise SystemExit('the server did not start; what it said is above')


async def load(port: int, model: dict, *, clients: int, seconds: float, process: int, painters: int = 0) -> dict[str, object]:
  """The figures of a server that runs."""
  styles = base64.b64encode(np.float32(model['meanStyles']).tobytes()).decode()
  kinds = [{8: NONSENSICAL, 9: DEAF}.get(i % 10, TURNING) for i in range(clients)] + [PAINTING] * painters
  all_clients = [Client(kind) for kind in kinds]
  sockets = []
  for _ in kinds:
    sockets.append(await websockets_client.connect(f'ws://127.0.0.1:{port}/draw', open_timeout=60, max_queue=2, max_size=None))
  await _turn(Client(TURNING), sockets[0], styles, time.monotonic() + 1)  # compiles
  resident, used_before = [machine.resident_bytes(process)], _processor_seconds(process)
  watching = asyncio.create_task(_watch(process, resident))
  begin = time.monotonic()
  do = {TURNING: _turn, NONSENSICAL: _talk_nonsense, DEAF: _never_read, PAINTING: functools.partial(_paint, model.get('imageSize'))}
  await asyncio.gather(*(_until_closed(do[one.kind], one, its, styles, begin + seconds) for one, its in zip(all_clients, sockets)))
  took = time.monotonic() - begin
  used = _processor_seconds(process) - used_before
  watching.cancel()
  await asyncio.gather(*(asyncio.wait_for(its.close(), 30) for its in sockets), return_exceptions=True)
  await asyncio.sleep(2)
  memory = {'before': resident[0], 'most': max(resident), 'after': machine.resident_bytes(process)}
  return figures(all_clients, took) | {
      'server_mib': {name: round(x / 2**20) for name, x in memory.items()}, 'processor_seconds': used, 'load_average': os.getloadavg()[0]}


def figures(clients: list[Client], seconds: float) -> dict[str, object]:
  """What clients saw, in numbers."""
  turning = [one for one in clients if one.kind == TURNING]
  nonsense = [one for one in clients if one.kind == NONSENSICAL]
  latencies = [x for one in turning for x in one.latencies]
  counts = [len(one.latencies) for one in turning]
  return {
      'frames_a_second': len(latencies) / seconds, 'latency_median': float(np.median(latencies)),
      'latency_95_percent': float(np.percentile(latencies, 95)),
      'latency_worst_client': max(float(np.median(one.latencies)) if one.latencies else seconds for one in turning),
      'fairness': min(counts) / max(counts), 'fewest_frames': min(counts), 'most_frames': max(counts),
      'refusals': sum(len(one.refusals) for one in nonsense),
      'unanswered': sum(one.sent - len(one.refusals) for one in nonsense),
      'longest_refusal': max((len(x) for one in nonsense for x in one.refusals), default=0),
      'closed_by_server': {kind: sum(one.closed for one in clients if one.kind == kind) for kind in (TURNING, NONSENSICAL, DEAF)},
      'jobs': {'finished': sum(len(one.latencies) for one in clients if one.kind == PAINTING), 'told': sum(one.told for one in clients)}}


async def _until_closed(do, one: Client, its, styles: str, end: float) -> None:
  try:
    await do(one, its, styles, end)
  except exceptions.ConnectionClosed:
    one.closed = True
  except TimeoutError:
    pass  # a painting goes on beyond the end


def _request(number: int, styles: str) -> str:
  view = {'azimuth': 0.4 * np.sin(0.1 * number), 'elevation': 0.05, 'zoom': 1}
  return json.dumps({'kind': 'draw', 'id': number, 'styles': styles, 'view': view, 'size': 'coarse', 'priority': 3})


async def _turn(one: Client, its, styles: str, end: float) -> None:
  while (begin := time.monotonic()) < end:
    one.sent += 1
    await its.send(_request(one.sent, styles))
    answer = await its.recv()
    if isinstance(answer, bytes):
      one.latencies.append(time.monotonic() - begin)
    await asyncio.sleep(max(0, begin + INTERVAL - time.monotonic()))


async def _talk_nonsense(one: Client, its, styles: str, end: float) -> None:
  draw = random.Random(0)
  while (begin := time.monotonic()) < end:
    one.sent += 1
    text = draw.choice(NONSENSE + (_request(1, styles)[:draw.randrange(200)], _request(1, styles[4:])))
    await its.send(text)
    one.refusals.append(json.loads(await its.recv())['error'])
    await asyncio.sleep(max(0, begin + INTERVAL - time.monotonic()))


async def _paint(size: int, one: Client, its, styles: str, end: float) -> None:
  labels = np.full((size, size), 255, np.uint8)
  labels[size // 8:size // 3, size // 3:2 * size // 3] = 9  # a hat
  view = {'azimuth': 0, 'elevation': 0, 'zoom': 1}
  while (begin := time.monotonic()) < end:
    one.sent += 1
    labels_text = base64.b64encode(labels.tobytes()).decode()
    await its.send(json.dumps({'kind': 'paint', 'id': one.sent, 'styles': styles, 'view': view, 'labels': labels_text}))
    while True:
      answer = await asyncio.wait_for(its.recv(), max(0.1, end + 5 - time.monotonic()))
      if isinstance(answer, str):
        one.refusals.append(json.loads(answer)['error'])
        break
      length, = struct.unpack_from('<I', answer)
      if 'kind' not in json.loads(answer[4:4 + length]):
        one.latencies.append(time.monotonic() - begin)
        break
      one.told += 1


async def _never_read(one: Client, its, styles: str, end: float) -> None:
  while time.monotonic() < end:
    one.sent += 1
    try:
      await asyncio.wait_for(its.send(_request(one.sent, styles)), max(0.01, end - time.monotonic()))
    except TimeoutError:
      return  # the server reads no more of it either
    await asyncio.sleep(INTERVAL)


async def _watch(process: int, seen: list[int]) -> None:
  while True:
    seen.append(machine.resident_bytes(process))
    await asyncio.sleep(1)


def _processor_seconds(process: int) -> float:
  fields = pathlib.Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
  return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


if __name__ == '__main__':
  main()
