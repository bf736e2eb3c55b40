"""The data sets that are drawn on first use instead of being brought: which there are, and what the loader needs to know of each.

Each has a module with `data_set_config(record_size, num_train, ...)`, whose name tells all that sets its contents; `check_installed()`;
`fetch()`, which gets what drawing needs; and `make(data_dir, config)`.
"""

import dataclasses
import pathlib
import types
from typing import Any

import tensorflow_datasets as tfds

from cnerf_jax.persistence import atomic_files
from data_pipeline import quiet_tfds
from data_pipeline import vocabularies
from data_pipeline.people import builder as people_builder
from data_pipeline.portraits import builder as portraits_builder


@dataclasses.dataclass(frozen=True)
class ProceduralSet:
  """A data set that can be drawn.

  Attributes:
    name: as configs and folders carry it.
    vocabulary: of its labels.
    builder: the module that draws it.
  """

  name: str
  vocabulary: vocabularies.Vocabulary
  builder: types.ModuleType

  def config(self, data_config: Any) -> tfds.core.BuilderConfig:
    """What the `data` section of a config asks for; ValueError in one line if it can't be."""
    optional = {name: data_config[name] for name in ('num_validation', 'num_test_identities') if name in data_config}
    return self.builder.data_set_config(data_config.record_size, data_config.num_train, **optional)

  def make(self, data_dir: pathlib.Path, config: tfds.core.BuilderConfig) -> None:
    """Draws it; shows a progress bar.

    Raises:
      ValueError, OSError: in one line, if something that it needs can't be had, or `data_dir` can't be written.
    """
    self.builder.fetch()
    try:
      data_dir.mkdir(parents=True, exist_ok=True)
      with quiet_tfds.quiet():
        self.builder.make(str(data_dir), config)
    except ChildProcessError:  # an OSError, but not of the folder
      raise
    except OSError as error:
      raise OSError(f'cannot write {self.name} to data.dir {data_dir} ({error.strerror or atomic_files.one_line(error)}); '
                    'set --config.data.dir to a folder you may write to, with free space') from error


SETS = {one.name: one for one in (
    ProceduralSet('portraits', vocabularies.vocabulary('ffhq12'), portraits_builder),
    ProceduralSet('people', vocabularies.CELEBAMASK_HQ, people_builder))}
