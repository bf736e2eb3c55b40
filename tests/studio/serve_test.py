"""The server of the studio: what it answers, what it refuses, that none starves."""

import asyncio
import base64
import dataclasses
import json
import struct
import threading
import time

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax.studio import checkpoints
from cnerf_jax.studio import drawing
from cnerf_jax.studio import messages
from cnerf_jax.studio import turns as turns_lib

pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
pytest.importorskip('httpx', reason="no httpx; pip install '.[test]'")
websockets_client = pytest.importorskip('websockets.asyncio.client', reason="no websockets; pip install '.[test]'")

from starlette import testclient  # noqa: E402
from starlette import websockets  # noqa: E402
import uvicorn  # noqa: E402
from websockets import exceptions as websockets_exceptions  # noqa: E402

from cnerf_jax.studio import serve  # noqa: E402

SHAPE = 3, 2, 8
SHAPES = messages.Shapes(SHAPE, 4)
STYLES = base64.b64encode(np.arange(48, dtype='<f4').tobytes()).decode()
LABELS = base64.b64encode(bytes([255, 0, 1, 2] * 4)).decode()
DRAW = {'kind': 'draw', 'id': 1, 'styles': STYLES, 'view': {'azimuth': 0.1, 'elevation': 0, 'zoom': 1}, 'size': 'coarse', 'priority': 2}
PAINT = {'kind': 'paint', 'id': 1, 'styles': STYLES, 'view': DRAW['view'], 'labels': LABELS}
INVERT = {'kind': 'invert', 'id': 1, 'photograph': 'a' * 22, 'labels': None}
LOCAL = {'base_url': 'http://127.0.0.1', 'headers': {'host': '127.0.0.1'}}

pytestmark = pytest.mark.usefixtures('quick_compilation')


class FakeDrawer:
  """Answers at once, or when it may."""

  shapes, described, step = SHAPES, b'{"server": true}', 7

  def __init__(self, newer=()):
    self.may_answer, self._newer, self.num_answers = threading.Event(), list(newer), 0
    self.may_answer.set()

  def answer(self, request):
    self.may_answer.wait()
    if request.seed == 13:
      raise RuntimeError('unlucky')
    if request.step == 666:
      raise checkpoints.NotHeld(666)
    self.num_answers += 1
    return drawing.packed({'id': request.number})

  def load(self, request):
    if request.step == 13:
      raise ValueError('no checkpoint of step 13; saved steps are 7')
    return drawing.packed({'id': request.number, 'step': request.step})

  def follow(self):
    if not self._newer:
      return False
    self.step = self._newer.pop(0)
    return True


@pytest.fixture
def client():
  with testclient.TestClient(serve.make_app(FakeDrawer()), **LOCAL) as opened:
    yield opened


def number_in(answer):
  length, = struct.unpack_from('<I', answer)
  return json.loads(answer[4:4 + length])['id']


def test_requests_are_read_as_they_are():
  """Protects the protocol: what a page says is what is drawn."""
  request = messages.parse(json.dumps(DRAW), SHAPES)
  np.testing.assert_array_equal(request.styles.reshape(-1), np.arange(48))
  assert (request.kind, request.number, request.view, request.size, request.priority) == ('draw', 1, (0.1, 0.0, 1.0), 'coarse', 2)
  assert messages.parse('{"kind": "person", "id": 2, "seed": 9}', SHAPES).seed == 9
  assert request.step is None and messages.parse(json.dumps(DRAW | {'step': 300}), SHAPES).step == 300
  assert messages.parse('{"kind": "checkpoint", "id": 2, "step": 0}', SHAPES).step == 0
  painted = messages.parse(json.dumps(PAINT), SHAPES)
  np.testing.assert_array_equal(painted.labels, [[-1, 0, 1, 2]] * 4)
  assert painted.view == (0.1, 0.0, 1.0)
  asked = messages.parse(json.dumps(INVERT | {'labels': 'b' * 22}), SHAPES)
  assert (asked.photograph, asked.label_map) == ('a' * 22, 'b' * 22)
  assert messages.parse(json.dumps(PAINT | {'kind': 'mesh'}), SHAPES).styles.shape == SHAPE


@pytest.mark.parametrize('change', [
    {'kind': 'delete'}, {'id': -1}, {'id': True}, {'id': 1.5}, {'id': None}, {'size': 'huge'}, {'size': ['coarse']}, {'priority': 9},
    {'view': None}, {'view': {'azimuth': 1}}, {'view': {'azimuth': '1', 'elevation': 0, 'zoom': 1}},
    {'view': {'azimuth': 9, 'elevation': 0, 'zoom': 1}}, {'view': {'azimuth': float('nan'), 'elevation': 0, 'zoom': 1}},
    {'view': {'azimuth': 0, 'elevation': 0, 'zoom': 0}}, {'styles': STYLES[:-4]}, {'styles': '!' * len(STYLES)},
    {'styles': 'é' * 10}, {'styles': STYLES * 100}, {'styles': [1, 2]},
    {'view': {'azimuth': 10**400, 'elevation': 0, 'zoom': 1}}, {'step': -1}, {'step': 0.5}, {'step': '7'}, {'step': True},
    {'kind': 'checkpoint'}, {'kind': 'paint'}, PAINT | {'labels': LABELS[:-4]}, PAINT | {'labels': [0]}, PAINT | {'view': 3},
    PAINT | {'labels': base64.b64encode(bytes(15) + b'\x03').decode()}, PAINT | {'styles': LABELS}, {'kind': 'mesh', 'styles': None},
    INVERT | {'photograph': None}, INVERT | {'photograph': '../../etc/passwd'}, INVERT | {'labels': 5}, INVERT | {'photograph': 'a' * 65},
    {'styles': base64.b64encode(np.full(48, np.nan, '<f4').tobytes()).decode()},
    {'styles': base64.b64encode(np.full(48, 1e9, '<f4').tobytes()).decode()}])
def test_wrong_values_are_refused(change):
  """Protects the drawer: what is no number in range never reaches it."""
  with pytest.raises(ValueError, match='must'):
    messages.parse(json.dumps(DRAW | change), SHAPES)


VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text()
    | strategies.sampled_from([STYLES, LABELS, 'a' * 22, 1e308, 10**400, DRAW['view']]),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.sampled_from([*DRAW, *PAINT, 'seed', 'x']), inner), max_leaves=5)
# messages of every kind in which some fields are something else, and texts that were cut or overwritten somewhere
CHANGED = strategies.tuples(
    strategies.sampled_from([DRAW, PAINT, INVERT, DRAW | {'kind': 'person', 'seed': 1}, DRAW | {'kind': 'checkpoint', 'step': 1},
                             PAINT | {'kind': 'mesh'}, {'kind': 'cancel', 'id': 1}]),
    strategies.dictionaries(strategies.sampled_from([*DRAW, *PAINT, *INVERT, 'seed', 'step']), VALUES, max_size=2)).map(
        lambda pair: json.dumps(pair[0] | pair[1]))
CUT = strategies.tuples(CHANGED, strategies.integers(0, 400), strategies.integers(0, 400), strategies.text(max_size=3)).map(
    lambda four: four[0][:four[1]] + four[3] + four[0][four[1] + four[2]:])


@settings(max_examples=100, deadline=None)
@given(strategies.one_of(strategies.text(), VALUES.map(json.dumps), CHANGED, CUT))
def test_any_text_is_a_request_or_refused_in_one_line(text):
  """Protects the server from fuzz: nothing but a request that fits or a line comes out, whatever the kind."""
  try:
    request = messages.parse(text, SHAPES)
  except ValueError as error:
    assert 0 < len(str(error)) < 200 and '\n' not in str(error)
    return
  assert request.kind in messages.KINDS and 0 <= request.number <= messages.LARGEST_ID
  assert request.styles is None or request.styles.shape == SHAPE and np.isfinite(request.styles).all()
  assert request.labels is None or request.labels.shape == (4, 4) and request.labels.max() < 3


def test_deep_nesting_is_refused():
  """Protects the stack."""
  with pytest.raises(ValueError):
    messages.parse('[' * 100_000, SHAPES)


def make_request(number, priority=2):
  return messages.Request('draw', number, priority=priority)


def test_who_is_not_ready_is_passed_over():
  """Protects the device: nothing is drawn for a page that does not take it, until it does."""
  async def run():
    ready = {'deaf': False, 'modest': True}
    turns = turns_lib.Turns(is_ready=ready.get)
    turns.add('deaf', make_request(1))
    turns.add('modest', make_request(2))
    assert (await turns.next())[0] == 'modest'
    waiting = asyncio.create_task(turns.next())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    ready['deaf'] = True
    turns.look_again()
    assert (await waiting)[0] == 'deaf'

  asyncio.run(asyncio.wait_for(run(), 10))


def test_turns_go_round():
  """Protects fairness: one with many requests waits as long as one with a single one; the urgent first, then the oldest."""
  async def run():
    turns = turns_lib.Turns(most_waiting=4)
    for number, priority in ((1, 0), (2, 2), (3, 2), (4, 1)):
      assert turns.add('greedy', make_request(number, priority)) is None
    turns.add('modest', make_request(9, 0))
    order = [await turns.next() for _ in range(3)]
    assert [(client, request.number) for client, request in order] == [('greedy', 2), ('modest', 9), ('greedy', 3)]
    turns.cancel('greedy', 4)
    assert (await turns.next())[1].number == 1
    waiting = asyncio.create_task(turns.next())
    await asyncio.sleep(0)
    turns.add('modest', make_request(10))
    assert (await waiting)[1].number == 10
    for number, priority in ((1, 1), (2, 0), (3, 0), (4, 1)):
      turns.add('greedy', make_request(number, priority))
    assert turns.add('greedy', make_request(5, 2)).number == 2, 'the oldest of the least urgent goes'
    turns.forget('greedy')
    turns.add('modest', make_request(11))
    assert (await turns.next())[0] == 'modest'

  asyncio.run(asyncio.wait_for(run(), 10))


def test_files(client):
  """Protects the machine's files: the page's own are served by name, nothing else is."""
  assert '<title>' in client.get('/').text and client.get('/main.js').headers['content-type'].startswith('text/javascript')
  assert client.get('/model.json').json() == {'server': True}
  for path in ('/none.js', '/../build.py', '/%2e%2e/build.py', '/..%2fbuild.py', '//etc/passwd', '/page/main.js', '/\\..\\build.py'):
    assert client.get(path, follow_redirects=False).status_code in (404, 307), path
  assert client.post('/').status_code == 405


def test_socket(client):
  """Protects drawing: answers carry their number; refusals and failures are told and don't end the connection."""
  with client.websocket_connect('/draw') as socket:
    socket.send_text(json.dumps(DRAW | {'id': 5}))
    assert number_in(socket.receive_bytes()) == 5
    socket.send_text(json.dumps(DRAW | {'id': 6, 'size': 'huge'}))
    assert socket.receive_json() == {'error': 'size must be one of coarse, plain, middle, fine', 'id': 6}
    socket.send_text('nonsense')
    assert socket.receive_json()['id'] is None
    socket.send_text('{"kind": "person", "id": 7, "seed": 13}')
    assert socket.receive_json() == {'id': 7, 'error': 'unlucky'}
    socket.send_text('{"kind": "person", "id": 8, "seed": 1}')
    assert number_in(socket.receive_bytes()) == 8
    socket.send_bytes(b'bytes')
    assert socket.receive_json() == {'error': 'a message must be text', 'id': None}
    socket.send_text(json.dumps(DRAW | {'id': 9, 'step': 666}))
    assert socket.receive_json() == {'id': 9, 'error': 'step 666 is not in memory; ask for its checkpoint', 'missing': 666}
    socket.send_text('{"kind": "checkpoint", "id": 10, "step": 7}')
    assert number_in(socket.receive_bytes()) == 10
    socket.send_text('{"kind": "checkpoint", "id": 11, "step": 13}')
    assert socket.receive_json() == {'id': 11, 'error': 'no checkpoint of step 13; saved steps are 7'}


def test_noise_on_the_socket(client):
  """Protects the connection: any number of broken messages of all kinds later it still draws, and each was answered in one line."""
  draw = np.random.default_rng(0)
  kinds = [json.dumps(DRAW | {'kind': kind} | more) for kind in messages.KINDS for more in (PAINT, INVERT, {'step': 1, 'seed': 2})]
  with client.websocket_connect('/draw') as socket:
    for _ in range(300):
      text = list(draw.choice(kinds))
      for _ in range(3):
        text[draw.integers(len(text))] = chr(draw.choice([0, 34, 44, 48, 93, 123, 125, 255, 0x2028, 0x1f600]))
      text = ''.join(text)[:draw.integers(1, 2 * len(text))]
      try:
        messages.parse(text, SHAPES)
        continue  # it has become another request
      except ValueError:
        pass
      socket.send_text(text)
      said = socket.receive_json()
      assert set(said) == {'error', 'id'} and 0 < len(said['error']) < 200 and '\n' not in said['error']
    socket.send_text(json.dumps(DRAW | {'id': 5}))
    assert number_in(socket.receive_bytes()) == 5


@pytest.mark.parametrize('headers', [{'host': 'evil.example'}, {'origin': 'http://evil.example'}, {'origin': 'null'}, {'host': ''}])
def test_others_are_refused(client, headers):
  """Protects from pages of other sites, and from names that are made to point at this machine."""
  assert client.get('/', headers=headers).status_code == 403
  with pytest.raises(websockets.WebSocketDisconnect):
    with client.websocket_connect('/draw', headers=headers):
      pass


def test_a_token_is_asked_for_elsewhere():
  """Protects a server that others can reach: no file and no socket without the token, by address once and by cookie after."""
  with testclient.TestClient(serve.make_app(FakeDrawer(), token='secret')) as client:
    for path in ('/', '/main.js', '/model.json', '/?token=wrong'):
      assert client.get(path).status_code == 403
    with pytest.raises(websockets.WebSocketDisconnect):
      with client.websocket_connect('/draw'):
        pass
    assert client.get('/?token=secret').status_code == 200
    assert client.get('/main.js').status_code == 200
    with client.websocket_connect('/draw') as socket:
      socket.send_text(json.dumps(DRAW))
      assert number_in(socket.receive_bytes()) == 1


def test_newer_checkpoints_are_told(monkeypatch):
  """Protects following a run: every page hears of the newest checkpoint."""
  monkeypatch.setattr(serve, 'SECONDS_BETWEEN_LOOKS', 0.01)
  with testclient.TestClient(serve.make_app(FakeDrawer(newer=[200])), **LOCAL) as client:
    with client.websocket_connect('/draw') as socket:
      assert socket.receive_json() == {'kind': 'model', 'step': 200}


def test_a_hundred_pages_at_once():
  """Protects a full house: a hundred pages that ask without waiting all get answers, in turn; a message that is too large ends its page."""
  drawer = FakeDrawer()
  drawer.may_answer.clear()
  server = uvicorn.Server(uvicorn.Config(
      serve.make_app(drawer), host='127.0.0.1', port=0, log_level='error', ws_max_size=serve.LARGEST_MESSAGE))
  thread = threading.Thread(target=server.run, daemon=True)
  thread.start()
  while not server.started:
    time.sleep(0.01)
  address = f'ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/draw'

  async def ask(socket):
    for number in range(20):
      await socket.send(json.dumps(DRAW | {'id': number}))

  async def count(socket):
    return [number_in(await asyncio.wait_for(socket.recv(), 60)) for _ in range(5)]

  async def run():
    sockets = [await websockets_client.connect(address, open_timeout=60, ping_interval=None) for _ in range(100)]
    await asyncio.gather(*map(ask, sockets))
    drawer.may_answer.set()
    answers = await asyncio.gather(*map(count, sockets))
    await sockets[0].send('x' * (serve.LARGEST_MESSAGE + 1))
    with pytest.raises(websockets_exceptions.ConnectionClosed):
      while True:
        await asyncio.wait_for(sockets[0].recv(), 60)
    await asyncio.gather(*(socket.close() for socket in sockets))
    return answers

  assert asyncio.run(run()) == [[0, 1, 2, 3, 4]] * 100
  server.should_exit = True
  thread.join(60)
  assert not thread.is_alive()


def test_the_drawer_draws_as_jax(tmp_path):
  """Protects pictures from the server: people, bytes of colours and masks, depth, the camera of the page."""
  generator = tiny.make_generator(color_gain=60.0, base='sphere', mask_fusion='softmax', residual_from_zero=False)
  model = pretrained.Model(
      generator=generator, params=tiny.make_params(generator), image_size=4, num_samples=4, w_mean=jnp.zeros(generator.style_dim))
  pretrained.save(tmp_path / 'model.npz', model)
  drawer = drawing.Drawer(tmp_path / 'model.npz', num_directions=2)
  assert json.loads(drawer.described)['server'] and not drawer.follow()
  answer = drawer.answer(messages.Request('person', 3, seed=5))
  length, = struct.unpack_from('<I', answer)
  styles = np.frombuffer(answer[4 + length:], '<f4').reshape(drawer.shapes.styles)
  np.testing.assert_allclose(styles, model.draw_styles(jax.random.key(5), 1)[0], atol=1e-5)
  answer = drawer.answer(messages.Request('draw', 4, styles=styles, view=(0.2, -0.1, 1.5), size='middle'))
  length, = struct.unpack_from('<I', answer)
  assert json.loads(answer[4:4 + length]) == {'id': 4, 'size': 8}
  found = answer[4 + length:]
  half_field_of_view = float(jnp.arctan(jnp.tan(camera.HALF_FIELD_OF_VIEW_RADIANS) / 1.5))
  expected = model.render(styles, camera.orbit(0.2, -0.1, half_field_of_view=half_field_of_view), image_size=8, num_samples=8)
  assert np.ptp(expected.rgb) > 0.1
  np.testing.assert_allclose(
      np.frombuffer(found[:192], np.uint8), 127.5 * (np.clip(expected.rgb, -1, 1) + 1).reshape(-1) - 0.5, atol=0.6)
  masks = np.asarray(expected.semantic_mask).reshape(-1)
  np.testing.assert_allclose(np.frombuffer(found[192:384], np.uint8) / 255, masks, atol=0.5 / 255 + 1e-4)
  np.testing.assert_allclose(np.frombuffer(found[384:], '<f4'), np.asarray(expected.depth).reshape(-1), atol=1e-4)


def test_a_run_is_followed(tmp_path, monkeypatch):
  """Protects following: a step that is newer is taken, one that is not is left."""
  generator = tiny.make_generator(base='sphere', mask_fusion='softmax')
  model = pretrained.Model(
      generator=generator, params=tiny.make_params(generator), image_size=4, num_samples=4, w_mean=jnp.zeros(8), provenance={'step': 100})
  steps = [100]
  load = lambda path, step=None: dataclasses.replace(model, provenance={'step': steps[-1]})
  monkeypatch.setattr(pretrained, 'load', load)
  from cnerf_jax.persistence import checkpoints as saved
  monkeypatch.setattr(saved.Checkpoints, 'list_steps', lambda self: steps)
  drawer = drawing.Drawer(tmp_path, num_directions=1)
  assert drawer.step == 100 and json.loads(drawer.described)['steps'] == [100]
  assert drawer.step == 100 and not drawer.follow()
  steps.append(200)
  assert drawer.follow() and drawer.step == 200 and json.loads(drawer.described)['step'] == 200
