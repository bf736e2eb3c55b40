import io
import math

from cnerf_jax.reporting import progress as progress_lib


def test_progress_without_a_terminal():
  """Protects logs of batch jobs: whole lines with rate, time left and losses, few of them, and a last one."""
  stream = io.StringIO()
  with progress_lib.Progress(100, initial=50, every_seconds=1000., stream=stream) as progress:
    for step in range(51, 61):
      progress.update(step, {'G': 1.2345, 'D': math.nan})
    progress.note('saved')
  lines = stream.getvalue().splitlines()
  assert len(lines) == 3 and '\r' not in stream.getvalue()
  assert lines[0].startswith('train 51/100 (51%)') and lines[1] == 'saved'
  assert 'train 60/100 (60%)' in lines[2] and 'left' in lines[2] and 'G 1.23 D nan' in lines[2]


def test_progress_on_a_terminal():
  """Protects the bar: it counts from where the run goes on, and shows the losses."""
  stream = io.StringIO()
  stream.isatty = lambda: True
  progress = progress_lib.Progress(100, initial=50, stream=stream)
  for step in range(51, 101):
    progress.update(step, {'G': 0.5})
  progress.close()
  assert '50/100' in stream.getvalue() and '100/100' in stream.getvalue() and 'G 0.5' in stream.getvalue()
