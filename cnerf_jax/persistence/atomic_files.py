"""Files that appear whole or not at all, and file errors that a person can act on.

A file is written under a temporary name beside its place and renamed onto it, so that a reader, or a run killed at any
moment, sees the old file or the new one, never half of one.
"""

from __future__ import annotations

import errno
import os
import pathlib

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SPACE_WORDS = ('no space left', 'disk quota exceeded', 'file too large')


def is_no_space(error: BaseException | None) -> bool:
  """Whether `error`, or what caused it, says that the disk is full."""
  while error is not None:
    if getattr(error, 'errno', None) in NO_SPACE or any(words in str(error).lower() for words in _NO_SPACE_WORDS):
      return True
    error = error.__cause__ or error.__context__
  return False


def one_line(error: BaseException, limit: int = 160) -> str:
  """The first words of an error, on one line."""
  words = ' '.join(str(error).split()) or type(error).__name__
  return words if len(words) <= limit else words[:limit - 3] + '...'


def explained(error: OSError, action: str, path: str | os.PathLike) -> OSError:
  """`error` retold in one line: what could not be done, to which path, why, and the remedy; same type and errno."""
  if is_no_space(error):
    message = f'could not {action} {path}: no space left on the disk; free some space and run the same command again'
  else:
    reason = error.strerror or one_line(error)
    message = f'could not {action} {path}: {reason}; check the path and its permissions, or choose another folder'
  retold = type(error)(message)
  retold.errno = error.errno
  return retold


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
  """Writes `data` to `path` atomically, making parent folders; OSError in one line if that fails."""
  path = pathlib.Path(path)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(temporary, 'wb') as file:
      file.write(data)
      file.flush()
      os.fsync(file.fileno())
    os.replace(temporary, path)
  except OSError as error:
    try:
      temporary.unlink(missing_ok=True)
    except OSError:
      pass  # the first error is the one to tell
    raise explained(error, 'write', path) from error


def write_text(path: str | os.PathLike, text: str) -> None:
  """Writes `text` to `path` as UTF-8, atomically; OSError in one line if that fails."""
  write_bytes(path, text.encode())
