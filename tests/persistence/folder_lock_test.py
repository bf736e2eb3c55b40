"""One process at a time has the lock of a folder, and its end gives it back."""

import os
import subprocess
import sys

import pytest

from cnerf_jax.persistence import folder_lock


def test_one_at_a_time(tmp_path):
  """Protects from two writers: a second one is refused until the first has released."""
  lock = folder_lock.acquire(tmp_path / 'lock')
  with pytest.raises(folder_lock.InUse, match='locked by another process'):
    folder_lock.acquire(tmp_path / 'lock')
  folder_lock.release(lock)
  folder_lock.release(folder_lock.acquire(tmp_path / 'lock'))


def test_a_killed_process_leaves_no_lock(tmp_path):
  """Protects from folders that stay locked: the lock ends with its process, however that ends."""
  program = 'import sys, os; from cnerf_jax.persistence import folder_lock; folder_lock.acquire(sys.argv[1]); os.kill(os.getpid(), 9)'
  subprocess.run([sys.executable, '-c', program, str(tmp_path / 'lock')], check=False, cwd=os.getcwd())
  assert (tmp_path / 'lock').exists()
  folder_lock.release(folder_lock.acquire(tmp_path / 'lock'))


def test_file_systems_without_locks_go_without(tmp_path, monkeypatch):
  """Protects network disks: no lock is better than no run."""
  def no_locks(*_):
    raise OSError(38, 'Function not implemented')
  monkeypatch.setattr(folder_lock.fcntl, 'flock', no_locks)
  folder_lock.release(folder_lock.acquire(tmp_path / 'lock'))


def test_a_missing_folder_is_an_os_error(tmp_path):
  """Protects callers: only another process's lock is InUse."""
  with pytest.raises(FileNotFoundError):
    folder_lock.acquire(tmp_path / 'nowhere' / 'lock')
