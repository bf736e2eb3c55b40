"""Jobs of the studio's server: their queue, that they and drawing take turns, what they find, and what may be uploaded for them."""

import asyncio
import base64
import dataclasses
import io
import json
import struct
import threading

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
import tiny

from cnerf_jax import pretrained
from cnerf_jax.studio import checkpoints
from cnerf_jax.studio import drawing
from cnerf_jax.studio import messages

pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
pytest.importorskip('httpx', reason="no httpx; pip install '.[test]'")

from starlette import testclient  # noqa: E402

from cnerf_jax.studio import job_queue  # noqa: E402
from cnerf_jax.studio import jobs as jobs_lib  # noqa: E402
from cnerf_jax.studio import pages  # noqa: E402
from cnerf_jax.studio import serve  # noqa: E402
from cnerf_jax.studio import uploads  # noqa: E402

LOCAL = {'base_url': 'http://127.0.0.1', 'headers': {'host': '127.0.0.1'}}

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(scope='module')
def model():
  """Twelve classes at 8x8 pixels."""
  generator = tiny.make_generator(
      num_classes=12, color_gain=60.0, base='sphere', mask_fusion='softmax', residual_from_zero=False)
  return pretrained.Model(
      generator=generator, params=tiny.make_params(generator), image_size=8, num_samples=4, w_mean=jnp.zeros(8), class_set='ffhq12')


@pytest.fixture(scope='module')
def drawer(model, tmp_path_factory):
  path = tmp_path_factory.mktemp('parameters') / 'model.npz'
  pretrained.save(path, model)
  return drawing.Drawer(path, num_directions=1)


class FakePage(pages.Page):
  """Keeps what it is sent."""

  def __init__(self):
    super().__init__(None)
    self.seen = []

  def send(self, data):
    self.seen.append(header_of(data) if isinstance(data, bytes) else data)

  def kinds(self):
    return [one.get('kind', 'error' if 'error' in one else 'answer') for one in self.seen]


class FakeWork:
  """Work that always may go on, up to a step."""

  def __init__(self, stop_after=10**9):
    self.told, self._stop_after = [], stop_after

  def device(self):
    return threading.Lock()

  def tell(self, fraction, doing, header=None, *arrays):
    if len(self.told) >= self._stop_after:
      raise job_queue.Cancelled
    self.told.append((fraction, header))


def header_of(answer):
  length, = struct.unpack_from('<I', answer)
  return json.loads(answer[4:4 + length])


def make_job(number):
  return messages.Request('mesh', number)


async def until(condition):
  for _ in range(1000):
    if condition():
      return
    await asyncio.sleep(0.005)
  raise AssertionError('never')


def test_jobs_wait_their_turn():
  """Protects everyone's patience: one at a time, in order, places told, one a page, a bounded queue, cancelled where it stands."""
  may_end = threading.Semaphore(0)
  running = []

  def run(request, work):
    running.append(request.number)
    while not may_end.acquire(timeout=0.01):
      work.check()
    return {'done': True}, []

  async def check():
    jobs = job_queue.Jobs(run, asyncio.Lock(), most_waiting=3)
    working = asyncio.create_task(jobs.keep_working())
    first, second, third, fourth, fifth = clients = [FakePage() for _ in range(5)]
    jobs.add(first, make_job(1))
    await until(lambda: running == [1])
    for number, page in ((2, second), (3, third), (4, fourth)):
      jobs.add(page, make_job(number))
    with pytest.raises(ValueError, match='this page has a job already'):
      jobs.add(second, make_job(9))
    with pytest.raises(ValueError, match='3 jobs wait already'):
      jobs.add(fifth, make_job(5))
    assert fourth.seen[-1] == {'id': 4, 'kind': 'place', 'place': 3}
    jobs.cancel(third, 3)
    assert third.seen[-1] == {'id': 3, 'error': 'dropped'} and fourth.seen[-1]['place'] == 2
    jobs.cancel(fourth, 99)  # not its job
    may_end.release()
    await until(lambda: running == [1, 2])
    assert first.seen[-1] == {'id': 1, 'done': True} and fourth.seen[-1]['place'] == 1
    jobs.cancel(second)
    await until(lambda: running == [1, 2, 4])
    assert second.seen[-1] == {'id': 2, 'error': 'dropped'}
    may_end.release()
    await until(lambda: fourth.kinds()[-1] == 'answer')
    assert all('error' not in one for page in (first, fourth) for one in page.seen)
    jobs.add(first, make_job(6))
    may_end.release()
    await until(lambda: running[-1] == 6 and first.seen[-1] == {'id': 6, 'done': True})
    working.cancel()
    del clients

  asyncio.run(asyncio.wait_for(check(), 30))


def test_failures_are_told_and_the_next_goes_on():
  """Protects the queue: a job that is refused, fails or lacks a package says so in one line, and the next is done."""
  def run(request, work):
    if request.number == 1:
      raise ValueError('nothing is painted')
    if request.number == 2:
      raise RuntimeError('out of\nmemory')
    if request.number == 3:
      raise ModuleNotFoundError('No module', name='optax')
    return {}, [b'file']

  async def check():
    jobs = job_queue.Jobs(run, asyncio.Lock())
    working = asyncio.create_task(jobs.keep_working())
    page = FakePage()
    for number in (1, 2, 3, 4):
      jobs.add(page, make_job(number))
      await until(lambda: page.seen and page.seen[-1]['id'] == number)
    working.cancel()
    return [one.get('error') for one in page.seen]

  assert asyncio.run(asyncio.wait_for(check(), 30)) == [
      'nothing is painted', 'out of memory', 'this needs optax, which is not installed here; pip install optax', None]


def test_a_job_and_drawing_take_turns():
  """Protects both: who draws all the time gets the device after every step of the job, and the job after every picture."""
  order = []

  def run(request, work):
    for _ in range(5):
      with work.device():
        order.append('job')
    return {}, []

  async def check():
    device = asyncio.Lock()
    jobs = job_queue.Jobs(run, device)
    working = asyncio.create_task(jobs.keep_working())
    page = FakePage()
    await device.acquire()
    jobs.add(page, make_job(1))
    await asyncio.sleep(0.05)
    assert order == [], 'the device is taken'
    device.release()
    while not page.seen:
      async with device:
        order.append('picture')
        await asyncio.sleep(0.02)  # long enough for the job to ask again
    assert not device.locked()
    working.cancel()

  asyncio.run(asyncio.wait_for(check(), 30))
  between = ''.join(word[0] for word in order).strip('p')
  assert between.count('j') == 5 and 'jj' not in between and 'pppp' not in between, order


def test_closing_ends_a_job_that_waits_for_the_device():
  """Protects the server's end: no thread stays behind."""
  async def check():
    device = asyncio.Lock()
    await device.acquire()
    entered = threading.Event()

    def run(request, work):
      entered.set()
      with work.device():
        raise AssertionError('the device was never free')

    jobs = job_queue.Jobs(run, device)
    working = asyncio.create_task(jobs.keep_working())
    page = FakePage()
    jobs.add(page, make_job(1))
    await until(entered.is_set)
    jobs.close()
    await until(lambda: page.seen)
    working.cancel()
    return page.seen

  assert asyncio.run(asyncio.wait_for(check(), 30)) == [{'id': 1, 'error': 'dropped'}]


def test_a_page_without_room_is_waited_for():
  """Protects memory: what a page has not taken is bounded, and when it takes it, work for it goes on."""
  class Socket:
    sent, may_send = [], asyncio.Event()

    async def send_bytes(self, data):
      await self.may_send.wait()
      self.sent.append(len(data))

  async def check():
    told = []
    socket = Socket()
    page = pages.Page(socket, lambda: told.append('room'))
    sending = asyncio.create_task(page.keep_sending())
    page.send(bytes(pages.MOST_UNSENT // 2))
    assert page.has_room
    page.send(bytes(pages.MOST_UNSENT))
    assert not page.has_room
    waiting = asyncio.create_task(page.wait_for_room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    socket.may_send.set()
    await asyncio.wait_for(waiting, 5)
    assert page.has_room and told == ['room'] and len(socket.sent) == 2
    sending.cancel()

  asyncio.run(check())


# what jobs find


def test_a_painting_is_made(model, drawer):
  """Protects painting by page: the classes that give way change their shapes alone, progress has pictures, cancelling ends it."""
  styles = np.asarray(model.draw_styles(jax.random.key(1), 1)[0])
  view = (0.1, 0.0, 1.2)
  from cnerf_jax.editing import paint
  labels = np.full((8, 8), -1)
  there = paint.labels(model, styles, drawing.camera(view))
  wanted = int(np.setdiff1d(np.arange(1, 12), there)[0]) if len(np.unique(there)) < 11 else 2
  labels[2:5, 2:5] = wanted
  doer = jobs_lib.Doer(drawer, uploads.Uploads())
  request = messages.Request('paint', 1, styles=styles, view=view, labels=labels)
  work = FakeWork()
  header, (found,) = doer.run(request, work)
  changed = np.any(found != styles, axis=-1)
  assert found.shape == styles.shape and found.dtype == np.float32
  assert not changed[:, 1].any() and set(np.flatnonzero(changed[:, 0])) <= set(header['classes'])
  assert header['iouAfter'] >= header['iouBefore'] and 0 <= header['thereBefore'] <= 1
  now, painted = paint.labels(model, found, drawing.camera(view)), labels >= 0
  assert header['thereAfter'] == pytest.approx(np.mean(now[painted] == labels[painted]))
  fractions = [fraction for fraction, _ in work.told]
  assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] <= 1
  pictures = [said for _, said in work.told if said]
  assert len(pictures) > 5 and pictures[0]['size'] == 8 and pictures[0]['view']['zoom'] == 1.2
  with pytest.raises(job_queue.Cancelled):
    doer.run(request, FakeWork(stop_after=3))
  with pytest.raises(ValueError, match='paint at least one pixel'):
    doer.run(dataclasses.replace(request, labels=np.full((8, 8), -1)), FakeWork())


def test_a_photograph_is_inverted(drawer):
  """Protects photographs: what was uploaded is what is looked for; a key of nothing is told; the viewpoint comes back."""
  kept = uploads.Uploads()
  image = np.random.default_rng(0).uniform(-1, 1, (8, 8, 3)).astype(np.float32)
  kept._kept['a' * 22] = 'photograph', image
  doer = jobs_lib.Doer(drawer, kept)
  doer.inversion = {'latent_steps': 4, 'style_steps': 2}
  request = messages.Request('invert', 1, photograph='a' * 22)
  header, (found,) = doer.run(request, FakeWork())
  assert found.shape == drawer.shapes.styles and np.isfinite(found).all() and header['meanIou'] is None
  assert abs(header['azimuth']) < 1 and abs(header['elevation']) < 1 and 0 < header['psnr'] < 60
  with pytest.raises(ValueError, match='the photograph is not here any more'):
    doer.run(dataclasses.replace(request, photograph='b' * 22), FakeWork())
  with pytest.raises(ValueError, match='a photograph was given as the label map'):
    doer.run(dataclasses.replace(request, label_map='a' * 22), FakeWork())


def test_a_mesh_is_a_file(drawer, monkeypatch):
  """Protects the download: a GLB; where packages are missing, one line says which."""
  pytest.importorskip('skimage'), pytest.importorskip('trimesh')
  monkeypatch.setattr(jobs_lib, 'MESH_RESOLUTION', 16)
  doer = jobs_lib.Doer(drawer, uploads.Uploads())
  styles = np.zeros(drawer.shapes.styles, np.float32)
  from cnerf_jax.meshing import extras
  from cnerf_jax.meshing import portrait_mesh
  monkeypatch.setattr(portrait_mesh, 'mesh', lambda model, styles, *, mesh=portrait_mesh.mesh, **options: mesh(
      model, styles, background=True, **options))  # noise has no head in front of a background
  header, (data,) = doer.run(messages.Request('mesh', 1, styles=styles), FakeWork())
  assert data[:4] == b'glTF' and header['faces'] > 20

  def missing(module, package):
    raise ValueError(f'meshes need {package}')
  monkeypatch.setattr(extras, 'load', missing)
  with pytest.raises(ValueError, match='meshes need scikit-image'):
    doer.run(messages.Request('mesh', 1, styles=styles), FakeWork())


# checkpoints


def test_a_few_models_are_held(model, tmp_path, monkeypatch):
  """Protects memory: the newest and those asked for last, whoever asks; others must be asked for again, and are told of."""
  read = []

  def load(path, step=None):
    read.append(step)
    if step == 13:
      raise ValueError('no checkpoint of step 13')
    return dataclasses.replace(model, provenance={'step': 900 if step is None else step})
  monkeypatch.setattr(pretrained, 'load', load)
  models = checkpoints.Models(tmp_path)
  assert models.at(None) is models.at(900) is models.newest
  for step in (100, 200, 300):
    assert models.load(step).provenance['step'] == step
  models.at(100)
  models.load(400)
  assert models.load(100).provenance['step'] == 100 and read == [None, 100, 200, 300, 400]
  with pytest.raises(checkpoints.NotHeld, match='step 200 is not in memory'):
    models.at(200)
  assert len(models._held) == checkpoints.MOST_HELD - 1
  with pytest.raises(ValueError, match='no checkpoint of step 13'):
    models.load(13)


def test_a_file_has_no_checkpoints(drawer):
  """Protects a server of a file: it says that there are none."""
  assert drawer.models.list_steps() == []
  with pytest.raises(ValueError, match='a file of parameters has no checkpoints'):
    drawer.models.load(5)


# uploads


def encoded(image, file_format='PNG', **options):
  buffer = io.BytesIO()
  image.save(buffer, file_format, **options)
  return buffer.getvalue()


@pytest.fixture
def client(drawer):
  with testclient.TestClient(serve.make_app(drawer), **LOCAL) as opened:
    yield opened


def test_a_photograph_is_read(client):
  """Protects uploads: the square in the middle, at the model's size, as numbers; turned as its camera says; transparency and grey are read."""
  pixels = np.zeros((40, 80, 3), np.uint8)
  pixels[:, 20:60] = 200
  key = client.post('/upload?kind=photograph', content=encoded(Image.fromarray(pixels))).json()['key']
  np.testing.assert_allclose(client.app.state.studio._uploads.get(key, 'photograph'), np.full((8, 8, 3), 200 / 127.5 - 1), atol=1e-5)
  right = uploads.read_photograph(encoded(Image.fromarray(pixels)), 8, (0.75, 0.0, 1.0, 1.0))  # wider than high: the middle of it
  assert right.max() == -1
  half = np.zeros((64, 64, 3), np.uint8)
  half[:32] = 255
  exif = Image.Exif()
  exif[0x0112] = 3  # upside down
  turned = uploads.read_photograph(encoded(Image.fromarray(half), 'JPEG', exif=exif), 8)
  assert turned[0].max() < -0.9 and turned[-1].min() > 0.9
  for mode in ('L', 'LA', 'RGBA', 'P', 'I;16'):
    assert uploads.read_photograph(encoded(Image.new(mode, (9, 9))), 8).shape == (8, 8, 3)


def test_label_maps_are_read(client, model):
  """Protects label maps: numbers of classes, also where a program saved them in colours; large ones are thinned, not spread in memory."""
  labels = np.zeros((300, 300), np.uint8)
  labels[:, 150:] = 8
  for image in (Image.fromarray(labels), Image.fromarray(labels).convert('RGB')):
    masks = uploads.read_labels(encoded(image), model, 'classes')
    assert masks.shape == (8, 8, 12) and masks[:, :3, 0].min() == 1 and masks[:, 5:, 8].min() == 1
  assert uploads.read_labels(encoded(Image.fromarray(np.full((9, 9), 18, np.uint8))), model, 'celebamask_hq')[..., 11].min() == 1
  said = client.post('/upload?kind=labels', content=encoded(Image.fromarray(labels + 9)))
  assert said.status_code == 400 and 'labels 17' in said.text and said.text.count('\n') == 0
  with pytest.raises(ValueError, match='does not say what its classes are'):
    uploads.read_labels(encoded(Image.fromarray(labels)), dataclasses.replace(model, class_set=None), 'classes')


BOMB = encoded(Image.new('1', (9_000, 9_000)))  # 10 kB that would be 243 MB
NOISE = encoded(Image.effect_noise((99, 99), 99))


@pytest.mark.parametrize('path, content, status, said', [
    ('/upload?kind=photograph', b'', 400, 'no photograph that can be read'),
    ('/upload?kind=photograph', b'%PDF-1.7 nothing', 400, 'no photograph that can be read'),
    ('/upload?kind=photograph', NOISE[:3000], 400, 'no photograph that can be read'),
    ('/upload?kind=photograph', encoded(Image.new('RGB', (9, 9)), 'GIF'), 400, 'give a PNG, JPEG or WebP'),
    ('/upload?kind=photograph', BOMB, 400, '9000 x 9000 pixels, of at most 36 million'),
    ('/upload?kind=labels', BOMB, 400, '9000 x 9000 pixels, of at most 36 million'),
    ('/upload?kind=photograph', bytes(uploads.LARGEST_BYTES + 1), 400, 'at most 8 MB'),
    ('/upload?kind=photograph', iter([bytes(2**20)] * 9), 400, 'at most 8 MB'),
    ('/upload?kind=passwd', b'', 400, 'kind must be one of photograph, labels'), ('/upload', b'', 400, 'kind must be one of'),
    ('/upload?kind=photograph&crop=0,0,1', NOISE, 400, 'crop must be'), ('/upload?kind=photograph&crop=0,0,nan,1', NOISE, 400, 'crop must be'),
    ('/upload?kind=photograph&crop=0.5,0,0.5,1', NOISE, 400, 'crop must be'),
    ('/upload?kind=labels&order=x', b'', 400, 'order must be one of classes, celebamask_hq'),
    ('/upload?kind=labels', encoded(Image.effect_noise((9, 9), 99).convert('RGB').rotate(9, fillcolor=(9, 8, 7))), 400, 'in colours')])
def test_what_is_no_picture_is_refused(client, path, content, status, said):
  """Protects memory and the reader: too large, too many pixels, damaged, of another kind: one line each."""
  answer = client.post(path, content=content)
  assert (answer.status_code, said in answer.text, answer.text.count('\n')) == (status, True, 0), answer.text


def test_uploads_are_for_this_page_alone(client):
  """Protects from other sites' forms: another origin and another name are refused before anything is read; only POST uploads."""
  for headers in ({'origin': 'http://evil.example'}, {'host': 'evil.example'}, {'origin': 'null'}):
    assert client.post('/upload?kind=photograph', content=b'', headers=headers).status_code == 403
  assert client.get('/upload').status_code in (404, 405)


def test_few_uploads_at_once_and_few_kept(client, model):
  """Protects memory: more than a few at once are sent away; old ones are forgotten."""
  kept = client.app.state.studio._uploads
  kept._receiving = uploads.MOST_AT_ONCE
  assert client.post('/upload?kind=photograph', content=b'').status_code == 503
  kept._receiving = 0
  data = encoded(Image.new('RGB', (8, 8)))
  keys = [kept._keep('photograph', data, model, 'classes') for _ in range(uploads.MOST_KEPT + 1)]
  assert len(kept._kept) == uploads.MOST_KEPT and len(set(keys)) == len(keys)
  with pytest.raises(ValueError, match='not here any more'):
    kept.get(keys[0], 'photograph')


def test_a_page_paints_through_the_server(drawer, model):
  """Protects the whole way: a job is asked for by socket, drawing is answered meanwhile, the styles come, a second job is refused."""
  styles = np.asarray(model.draw_styles(jax.random.key(1), 1)[0], '<f4')
  labels = np.full((8, 8), 255, np.uint8)
  labels[2:5, 2:5] = 9
  encode = lambda array: base64.b64encode(array.tobytes()).decode()
  view = {'azimuth': 0.1, 'elevation': 0, 'zoom': 1}
  asked = {'kind': 'paint', 'id': 1, 'styles': encode(styles), 'view': view, 'labels': encode(labels)}
  with testclient.TestClient(serve.make_app(drawer), **LOCAL) as client, client.websocket_connect('/draw') as socket:
    socket.send_text(json.dumps(asked))
    socket.send_text(json.dumps(asked | {'id': 2}))
    socket.send_text(json.dumps({'kind': 'draw', 'id': 3, 'styles': encode(styles), 'view': view, 'size': 'coarse', 'priority': 2}))
    seen = []
    while not seen or seen[-1].get('id') != 1 or 'iouAfter' not in seen[-1]:
      message = socket.receive()
      seen.append(header_of(message['bytes']) if message.get('bytes') else json.loads(message['text']))
  refused = next(one for one in seen if one['id'] == 2)
  assert refused['error'] == 'this page has a job already; wait for it, or cancel it'
  assert [one['id'] for one in seen].index(3) < len(seen) - 1, 'a picture came while the job went on'
  assert sum(one.get('kind') == 'progress' for one in seen) > 5
