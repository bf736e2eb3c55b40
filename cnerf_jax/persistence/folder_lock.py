"""One process at a time in a folder: an advisory lock on a file in it, which the end of the process gives back, however it ends."""

from __future__ import annotations

import fcntl
import os


class InUse(Exception):
  """Another process holds the lock."""


def acquire(path: str | os.PathLike) -> int:
  """Locks the file at `path`, made if it is not there. Where the file system knows no locks, goes without.

  Returns:
    What `release` takes.

  Raises:
    InUse: if another process, or an earlier call in this one, has the lock.
    OSError: if the file can't be opened for writing.
  """
  descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    os.close(descriptor)
    raise InUse(f'{path} is locked by another process') from None
  except OSError:
    pass
  return descriptor


def release(lock: int) -> None:
  """Lets another process have the lock."""
  os.close(lock)
