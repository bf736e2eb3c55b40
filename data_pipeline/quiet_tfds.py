"""TFDS without its talk of downloads and custom configurations, and without its progress bars: ours count images."""

import contextlib
import io

from absl import logging
import tensorflow_datasets as tfds


@contextlib.contextmanager
def quiet():
  """Within it TFDS says nothing but errors."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)
  tfds.disable_progress_bar()
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    logging.set_verbosity(verbosity)
    tfds.enable_progress_bar()
