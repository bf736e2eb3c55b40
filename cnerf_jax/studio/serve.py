"""The studio's page on a run of one's own: a server that draws with JAX and follows the newest checkpoint.

It answers one page after another (`turns`), checks what it is asked (`messages`), drops what is late, and does what takes long one at a time
beside drawing (`job_queue`). It listens on this machine alone unless told otherwise, and then asks for a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import secrets
import urllib.parse

from starlette import applications
from starlette import requests as starlette_requests
from starlette import responses
from starlette import routing
from starlette import websockets
import uvicorn

from cnerf_jax import pretrained
from cnerf_jax.persistence import atomic_files
from cnerf_jax.studio import checkpoints
from cnerf_jax.studio import description
from cnerf_jax.studio import drawing
from cnerf_jax.studio import job_queue
from cnerf_jax.studio import jobs as jobs_lib
from cnerf_jax.studio import messages
from cnerf_jax.studio import pages as pages_lib
from cnerf_jax.studio import turns as turns_lib
from cnerf_jax.studio import uploads as uploads_lib

MOST_PAGES = 128
LARGEST_MESSAGE = 2**18  # bytes, besides what a label map takes
SECONDS_BETWEEN_LOOKS = 5.0
COOKIE = 'cnerf_jax_studio'
_TYPES = {'html': 'text/html', 'css': 'text/css', 'js': 'text/javascript'}
_LATE = job_queue.CANCELLED  # the error of what was not drawn because newer things came


class Studio:
  """The server's state: who is connected, and whose turn it is."""

  def __init__(self, drawer: drawing.Drawer, token: str | None, encoder: pretrained.Encoder | None = None):
    self.drawer = drawer
    self.pages: set[pages_lib.Page] = set()
    is_ready = lambda page: page.has_room
    self.turns = turns_lib.Turns(is_ready=is_ready)
    self._loading = turns_lib.Turns(most_waiting=1, is_ready=is_ready)  # checkpoints: of each page the one asked for last
    self._device = asyncio.Lock()  # whoever computes holds it; those who wait get it in the order in which they came
    self._uploads = uploads_lib.Uploads()
    self.doer = jobs_lib.Doer(drawer, self._uploads, encoder)
    self.jobs = job_queue.Jobs(self.doer.run, self._device)
    self._token = token
    self._sources = description.sources()

  # what may come in

  def _is_refused(self, connection: starlette_requests.HTTPConnection) -> str | None:
    """Why a connection is refused; None if it is not."""
    host = connection.headers.get('host', '')
    if self._token is None and not _is_this_machine(urllib.parse.urlsplit(f'//{host}').hostname or ''):
      return 'this server is for this machine alone'  # a name that points here from elsewhere, say
    origin = connection.headers.get('origin')
    if origin is not None and urllib.parse.urlsplit(origin).netloc != host:
      return 'another origin'
    if self._token is not None:
      said = connection.query_params.get('token') or connection.cookies.get(COOKIE) or ''
      if not hmac.compare_digest(said.encode(), self._token.encode()):
        return 'a token is needed: use the address that the server printed'
    return None

  async def file(self, request: starlette_requests.Request) -> responses.Response:
    """The page's own files and its model.json, by exact name: no path reaches anything else."""
    refused = self._is_refused(request)
    if refused:
      return responses.PlainTextResponse(refused, status_code=403)
    name = request.path_params.get('name') or 'index.html'
    if name == 'model.json':
      response = responses.Response(self.drawer.described, media_type='application/json')
    elif name in self._sources:
      response = responses.Response(self._sources[name], media_type=_TYPES[name.rpartition('.')[2]])
    else:
      return responses.PlainTextResponse('no such file', status_code=404)
    response.headers.update({'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer'})
    if request.query_params.get('token'):
      response.set_cookie(COOKIE, self._token or '', httponly=True, samesite='strict')
    return response

  async def upload(self, request: starlette_requests.Request) -> responses.Response:
    """Takes a photograph or a label map; says its key, or why not."""
    refused = self._is_refused(request)
    if refused:
      return responses.PlainTextResponse(refused, status_code=403)
    try:
      return responses.JSONResponse({'key': await self._uploads.take(request, self.drawer.models.newest)})
    except ValueError as error:
      return responses.PlainTextResponse(atomic_files.one_line(error, 400), status_code=400)
    except ImportError as error:
      return responses.PlainTextResponse(f'this needs {error.name}, which is not installed here; pip install {error.name}', status_code=400)
    except uploads_lib.Busy as error:
      return responses.PlainTextResponse(str(error), status_code=503)

  async def connect(self, socket: websockets.WebSocket) -> None:
    """A page's socket, as long as it lasts."""
    if self._is_refused(socket):
      await socket.close(code=1008)
      return
    if len(self.pages) >= MOST_PAGES:
      await socket.close(code=1013)
      return
    await socket.accept()
    page = pages_lib.Page(socket, self._look_again)
    self.pages.add(page)
    tasks = [asyncio.create_task(task) for task in (page.keep_sending(), self._listen(page))]
    for task in tasks:
      task.add_done_callback(_log_failure)
    try:
      await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
      self.pages.discard(page)
      for turns in (self.turns, self._loading):
        turns.forget(page)
      self.jobs.cancel(page)
      for task in tasks:
        task.cancel()

  def _look_again(self) -> None:
    for turns in (self.turns, self._loading):
      turns.look_again()

  async def _listen(self, page: pages_lib.Page) -> None:
    while True:
      await page.wait_for_room()
      message = await page.socket.receive()
      if message['type'] == 'websocket.disconnect':
        return
      text = message.get('text')
      if text is None:
        page.send({'error': 'a message must be text', 'id': None})
        continue
      try:
        self._take(page, messages.parse(text, self.drawer.shapes))
      except ValueError as error:
        page.send({'error': str(error), 'id': messages.number_of(text)})

  def _take(self, page: pages_lib.Page, request: messages.Request) -> None:
    """Lets a request wait where it belongs; ValueError if it may not."""
    if request.kind == 'cancel':
      self.turns.cancel(page, request.number)
      self.jobs.cancel(page, request.number)
    elif request.kind in messages.JOBS:
      self.jobs.add(page, request)
    else:
      turns = self._loading if request.kind == 'checkpoint' else self.turns
      dropped = turns.add(page, request)
      if dropped is not None:
        page.send({'id': dropped.number, 'error': _LATE})

  # what goes on

  async def keep_drawing(self) -> None:
    """Answers people and pictures, one after another."""
    while True:
      page, request = await self.turns.next()
      async with self._device:
        await self._answer(page, request, self.drawer.answer)

  async def keep_loading(self) -> None:
    """Answers checkpoints: beside drawing, since most of it is reading."""
    while True:
      page, request = await self._loading.next()
      await self._answer(page, request, self.drawer.load)

  async def _answer(self, page: pages_lib.Page, request: messages.Request, answer) -> None:
    try:
      page.send(await asyncio.to_thread(answer, request))
    except checkpoints.NotHeld as error:
      page.send({'id': request.number, 'error': str(error), 'missing': error.step})
    except ValueError as error:
      page.send({'id': request.number, 'error': atomic_files.one_line(error, 400)})
    except Exception as error:  # pylint: disable=broad-except
      logging.exception('could not draw')
      page.send({'id': request.number, 'error': atomic_files.one_line(error)})

  async def keep_following(self) -> None:
    while True:
      await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
      try:
        if await asyncio.to_thread(self.drawer.follow):
          for page in self.pages:
            page.send({'kind': 'model', 'step': self.drawer.step})
      except Exception as error:  # pylint: disable=broad-except
        logging.warning('the newest checkpoint could not be read: %s', atomic_files.one_line(error))


def _log_failure(task: asyncio.Task) -> None:
  """Of a page's task that did not end because the page has gone."""
  error = None if task.cancelled() else task.exception()
  if error is not None and not isinstance(error, (websockets.WebSocketDisconnect, OSError, RuntimeError)):
    logging.error('a page ended: %s', atomic_files.one_line(error))


def _is_this_machine(host: str) -> bool:
  if host == 'localhost':
    return True
  try:
    return ipaddress.ip_address(host).is_loopback
  except ValueError:
    return False


def make_app(
    drawer: drawing.Drawer, token: str | None = None, *, encoder: pretrained.Encoder | None = None) -> applications.Starlette:
  """The server, as ASGI; without a token it answers to names of this machine alone. An encoder helps with photographs."""

  @contextlib.asynccontextmanager
  async def lifespan(app):
    studio = app.state.studio
    work = studio.keep_drawing(), studio.keep_loading(), studio.keep_following(), studio.jobs.keep_working()
    tasks = [asyncio.create_task(task) for task in work]
    yield
    studio.jobs.close()
    for task in tasks:
      task.cancel()

  app = applications.Starlette(lifespan=lifespan)
  studio = app.state.studio = Studio(drawer, token, encoder)
  app.routes.extend([
      routing.WebSocketRoute('/draw', studio.connect), routing.Route('/upload', studio.upload, methods=['POST']),
      routing.Route('/', studio.file), routing.Route('/{name}', studio.file)])
  return app


def serve(drawer: drawing.Drawer, *, host: str, port: int, encoder: pretrained.Encoder | None = None) -> None:
  """Serves until interrupted."""
  local = _is_this_machine(host)
  token = None if local else secrets.token_urlsafe(16)
  print(f'http://{host}:{port}/' + ('' if local else f'?token={token}'), flush=True)
  uvicorn.run(
      make_app(drawer, token, encoder=encoder), host=host, port=port, log_level='warning',
      ws_max_size=LARGEST_MESSAGE + 2 * drawer.shapes.image_size**2, ws_max_queue=8, limit_concurrency=2 * MOST_PAGES, access_log=False)
