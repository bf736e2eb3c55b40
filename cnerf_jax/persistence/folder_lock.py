"""One process at a time in a folder: an advisory lock on a file in it, which the end of the process gives back, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import fcntl
import os

from cnerf_jax.persistence import atomic_files


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


@contextlib.contextmanager
def held(path: str | os.PathLike, refusal: str) -> Iterator[None]:
  """Holds the lock on the file at `path`; ValueError with the words of `refusal` if another process has it, OSError in one line."""
  try:
    lock = acquire(path)
  except InUse:
    raise ValueError(refusal) from None
  except OSError as error:
    raise atomic_files.explained(error, 'write to', os.path.dirname(path)) from error
  try:
    yield
  finally:
    release(lock)
