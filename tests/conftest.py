import os
import pathlib
import sys

import jax
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import tiny`, whatever pytest's import mode
import quick  # noqa: E402

# read when the first program is compiled
os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {quick.FLAGS}'.strip()


@pytest.fixture(scope='module')
def quick_compilation():
  """For modules whose time is XLA's: compiles without the costly optimisations. Ask for it before anything that compiles."""
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)
  jax.clear_caches()  # compiled steps are large, and no other module wants them
