"""Whose turn it is: what pages wait for, bounded for each, one page after another, so that none starves the others."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Hashable

from cnerf_jax.studio import messages

MOST_WAITING = 64  # requests of one page: a wall of people, and some more


class Turns:
  """A queue that goes round among clients."""

  def __init__(self, most_waiting: int = MOST_WAITING, is_ready: Callable[[Hashable], bool] = lambda client: True):
    """An empty queue.

    Args:
      most_waiting: requests of one client.
      is_ready: of a client: whether it takes an answer now; others are passed over until `look_again`.
    """
    self._most_waiting, self._is_ready = most_waiting, is_ready
    self._waiting: collections.OrderedDict[Hashable, list[messages.Request]] = collections.OrderedDict()
    self._some = asyncio.Event()

  def add(self, client: Hashable, request: messages.Request) -> messages.Request | None:
    """Lets a request wait; returns the one that had to go for it, the oldest of the least urgent, if the client has too many."""
    requests = self._waiting.setdefault(client, [])
    requests.append(request)
    self._some.set()
    if len(requests) <= self._most_waiting:
      return None
    least = min(requests, key=lambda one: one.priority)
    requests.remove(least)
    return least

  def cancel(self, client: Hashable, number: int) -> None:
    """Forgets a request of the client."""
    if client in self._waiting:
      self._waiting[client] = [request for request in self._waiting[client] if request.number != number]

  def forget(self, client: Hashable) -> None:
    """Forgets a client."""
    self._waiting.pop(client, None)

  def look_again(self) -> None:
    """Says that a client that was passed over is ready."""
    self._some.set()

  async def next(self) -> tuple[Hashable, messages.Request]:
    """The next client's most urgent request, the oldest of them; waits until there is one."""
    while True:
      for client, requests in list(self._waiting.items()):
        if requests and self._is_ready(client):
          self._waiting.move_to_end(client)
          most = max(requests, key=lambda one: one.priority)
          requests.remove(most)
          return client, most
      self._some.clear()
      await self._some.wait()
