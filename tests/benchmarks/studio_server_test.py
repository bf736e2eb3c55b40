"""The load test of the studio's server, made small: what it counts is what happened, and the server bears it."""

import asyncio
import os
import threading
import time

import jax.numpy as jnp
import pytest
import tiny

from cnerf_jax import pretrained
from cnerf_jax.studio import drawing

uvicorn = pytest.importorskip('uvicorn', reason="no uvicorn; pip install '.[test]'")
pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
pytest.importorskip('websockets', reason="no websockets; pip install '.[test]'")

from benchmarks import studio_server  # noqa: E402
from cnerf_jax.studio import serve  # noqa: E402

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(scope='module')
def model():
  generator = tiny.make_generator(base='sphere', mask_fusion='softmax')
  return pretrained.Model(
      generator=generator, params=tiny.make_params(generator), image_size=4, num_samples=4, w_mean=jnp.zeros(8))


def test_batches_are_timed(model):
  """Protects the reason why requests are drawn singly: every way of drawing eight pictures is timed."""
  found = studio_server.batches(model, repeats=1)
  assert set(found['clock_milliseconds']) == {1, 4, 8} and min(found['clock_milliseconds'].values()) > 0


def test_a_load_is_borne_and_counted(model, tmp_path):
  """Protects the full house: all that turn get pictures, as many as each other; nonsense is refused each time; who never reads harms none."""
  pretrained.save(tmp_path / 'model.npz', model)
  drawer = drawing.Drawer(tmp_path / 'model.npz', num_directions=1)
  server = uvicorn.Server(uvicorn.Config(serve.make_app(drawer), host='127.0.0.1', port=0, log_level='error', ws_max_queue=8))
  thread = threading.Thread(target=server.run, daemon=True)
  thread.start()
  while not server.started:
    time.sleep(0.01)
  port = server.servers[0].sockets[0].getsockname()[1]
  described = {'meanStyles': [0.0] * (3 * 2 * 8)}
  found = asyncio.run(studio_server.load(port, described, clients=20, seconds=3, process=os.getpid()))
  server.should_exit = True
  thread.join(30)
  assert not thread.is_alive()
  assert found['fewest_frames'] > 0 and found['fairness'] > 0.5
  assert found['refusals'] > 10 and found['unanswered'] == 0 and 0 < found['longest_refusal'] < 200
  assert found['closed_by_server'] == {'turning': 0, 'nonsensical': 0, 'deaf': 0}
  assert 0 < found['latency_median'] <= found['latency_95_percent'] and 0 < found['frames_a_second'] <= 16 / studio_server.INTERVAL
  assert found['server_mib']['most'] >= found['server_mib']['before'] > 0


def test_figures_are_of_what_clients_saw():
  """Protects the report: medians, percentiles, the worst client, fairness, from known clients."""
  clients = [
      studio_server.Client('turning', sent=4, latencies=[0.1, 0.2, 0.3, 0.4]), studio_server.Client('turning', sent=2, latencies=[1.0, 1.2]),
      studio_server.Client('nonsensical', sent=3, refusals=['no', 'no way'], closed=True), studio_server.Client('deaf', sent=9)]
  found = studio_server.figures(clients, 2.0)
  assert found['frames_a_second'] == 3 and found['fairness'] == 0.5 and found['latency_worst_client'] == pytest.approx(1.1)
  assert found['latency_median'] == pytest.approx(0.35) and found['unanswered'] == 1 and found['longest_refusal'] == 6
  assert found['closed_by_server'] == {'turning': 0, 'nonsensical': 1, 'deaf': 0}
