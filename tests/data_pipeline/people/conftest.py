import functools
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import stand_in`, whatever pytest's import mode
import stand_in  # noqa: E402

from data_pipeline import people  # noqa: E402
from data_pipeline.people import assets  # noqa: E402
from data_pipeline.people import contact_sheet  # noqa: E402
from data_pipeline.people import export  # noqa: E402
from data_pipeline.people import imperfections  # noqa: E402
from data_pipeline.people import portrayal  # noqa: E402
from data_pipeline.people import records  # noqa: E402
from data_pipeline.people import workers  # noqa: E402


@pytest.fixture(scope='session')
def people_assets():
  """What people are made of, from the cache or the network; tests that ask for it are marked `download`."""
  try:
    return assets.load()
  except (OSError, ValueError) as error:
    pytest.fail(f"{error}; or leave out the tests that need it: -m 'not slow and not download'", pytrace=False)


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(items):
  for item in items:
    if 'people_assets' in getattr(item, 'fixturenames', ()):
      item.add_marker(pytest.mark.download)


@pytest.fixture
def ellipses(monkeypatch):
  """People of ellipses instead of the real ones, drawn in this process: nothing to download, milliseconds."""
  for module in (export, records):
    monkeypatch.setattr(module, 'person_lib', stand_in)
  monkeypatch.setattr(portrayal, 'draw', stand_in.portray)
  monkeypatch.setattr(portrayal, 'draw_edited', stand_in.portray_edited)
  monkeypatch.setattr(imperfections, 'rendering', stand_in)
  monkeypatch.setattr(imperfections, 'EXACT', imperfections.Imperfections(stand_in.Framing(), 95, (), None))
  monkeypatch.setattr(contact_sheet, 'edits', stand_in)
  monkeypatch.setattr(people, 'person', stand_in)
  monkeypatch.setattr(assets, 'load', functools.lru_cache(lambda path=None: None))

  def in_this_process(function, tasks, processes):
    del processes
    yield from map(function, tasks)

  monkeypatch.setattr(workers, 'in_order', in_this_process)
