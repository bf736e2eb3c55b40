"""A page that is connected: its socket, and the answers that wait for it to take them.

What a page has not taken is bounded in bytes. While there is no room, nothing more is read from its socket and nothing more is drawn for it,
so that one that never reads costs the others nothing.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
import json

from starlette import websockets

MOST_UNSENT = 2**17  # bytes that a page has not taken; the answer that reaches it may be larger


class Page:
  """A page and what is to be sent to it."""

  def __init__(self, socket: websockets.WebSocket, on_room: Callable[[], None] = lambda: None):
    """Keeps the socket; `on_room` is called whenever there is room again."""
    self.socket = socket
    self._on_room = on_room
    self._unsent: collections.deque[bytes | str] = collections.deque()
    self._num_bytes = 0
    self._some, self._room = asyncio.Event(), asyncio.Event()
    self._room.set()

  @property
  def has_room(self) -> bool:
    """Whether it takes what it is sent."""
    return self._num_bytes < MOST_UNSENT

  def send(self, data: bytes | dict) -> None:
    """Lets an answer wait to be sent."""
    data = data if isinstance(data, bytes) else json.dumps(data)
    self._unsent.append(data)
    self._num_bytes += len(data)
    self._some.set()
    if not self.has_room:
      self._room.clear()

  async def wait_for_room(self) -> None:
    await self._room.wait()

  async def keep_sending(self) -> None:
    while True:
      while not self._unsent:
        self._some.clear()
        await self._some.wait()
      data = self._unsent.popleft()
      await (self.socket.send_bytes(data) if isinstance(data, bytes) else self.socket.send_text(data))
      self._num_bytes -= len(data)
      if self.has_room and not self._room.is_set():
        self._room.set()
        self._on_room()
