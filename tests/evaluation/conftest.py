import dataclasses
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import discs`, whatever pytest's import mode

import discs  # pylint: disable=wrong-import-position

from cnerf_jax.evaluation import oracle as oracle_lib  # pylint: disable=wrong-import-position

SETTINGS = oracle_lib.OracleSettings(channels=(12, 16, 24), steps=150, batch_size=32)


@pytest.fixture(scope='session')
def real():
  """Real examples that the oracle of the tests was not trained on."""
  return discs.examples(600, seed=1)


@pytest.fixture(scope='session')
def oracle_of_discs(real):
  """An oracle that can read the toy world, trained once for all tests."""
  oracle = oracle_lib.train(discs.examples(1000, seed=2), discs.CLASS_SET, SETTINGS)
  return dataclasses.replace(oracle, accuracy={
      'validation': oracle_lib.measure_accuracy(oracle, real, discs.CLASS_SET)})
