import json
import logging as python_logging
import errno
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import flax.struct
import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest

from cnerf_jax.persistence import checkpoints

ROOT = pathlib.Path(__file__).parents[2]
OPTIMIZER = optax.chain(optax.clip(1.0), optax.adam(1e-2))


@flax.struct.dataclass
class State:
  step: Any
  key: Any
  ema_params: Any
  optimizer: Any


def make_state(seed: int) -> State:
  params = {'field': {'kernel': jax.random.normal(jax.random.key(seed), (64, 32)), 'bias': jnp.ones(4, jnp.bfloat16)}}
  return State(jnp.int32(seed), jax.random.key(seed), params, OPTIMIZER.init(params))


def make_iterator():
  return iter(grain.MapDataset.source(list(range(10))).shuffle(3).repeat().batch(4).to_iter_dataset())


def abstract():
  return jax.eval_shape(lambda: make_state(0))


def assert_same(left, right):
  jax.tree.map(lambda a, b: np.testing.assert_array_equal(plain(a), plain(b)), left, right)


def plain(leaf):
  return np.asarray(jax.random.key_data(leaf) if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)


def largest_data_file(workdir, step):
  files = [path for path in (workdir / 'checkpoints' / str(step) / 'state').rglob('*') if path.is_file()]
  return max(files, key=lambda path: path.stat().st_size)


def flip_byte(path):
  content = bytearray(path.read_bytes())
  content[len(content) // 2] ^= 1
  path.write_bytes(content)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  """A workdir with steps 10, 20, 30, copied for the tests that damage it."""
  workdir = tmp_path_factory.mktemp('run')
  iterator = make_iterator()
  with checkpoints.Checkpoints(workdir) as steps:
    for step in (10, 20, 30):
      next(iterator)
      steps.save(step, make_state(step), iterator, {'note': step, 'seen': np.int64(step)})
  return workdir


@pytest.fixture
def run(saved, tmp_path):
  return pathlib.Path(shutil.copytree(saved, tmp_path / 'run'))


def warnings(caplog):
  # Ours alone: asyncio tells of tasks that orbax abandoned on a damaged step, whenever they are collected.
  return [record.getMessage() for record in caplog.records if record.name == 'absl' and record.levelno >= python_logging.WARNING]


def test_roundtrip(saved):
  """Protects what a run goes on from: every array, the typed key, the dtypes, the position and meta come back."""
  iterator = make_iterator()
  state, meta = checkpoints.Checkpoints(saved).restore(abstract(), iterator)
  assert_same(state, make_state(30))
  assert state.key.dtype == make_state(0).key.dtype
  assert state.ema_params['field']['bias'].dtype == jnp.bfloat16
  assert meta == {'note': 30, 'seen': 30, 'step': 30}
  expected = make_iterator()
  for _ in range(3):
    next(expected)
  np.testing.assert_array_equal(next(iterator), next(expected))


def test_stop_and_resume_is_never_stopping(tmp_path):
  """Protects a resumed run from being another run: six steps equal three, a restart, and three, bit by bit."""

  @jax.jit
  def train_step(state, batch):
    noise = jax.random.uniform(jax.random.fold_in(state.key, state.step))
    gradient = jax.tree.map(lambda p: (noise * (batch.sum() - 18) * p).astype(p.dtype), state.ema_params)
    updates, optimizer = OPTIMIZER.update(gradient, state.optimizer, state.ema_params)
    return state.replace(step=state.step + 1, ema_params=optax.apply_updates(state.ema_params, updates),
                         optimizer=optimizer)

  def train(state, iterator, steps):
    for _ in range(steps):
      state = train_step(state, jnp.asarray(next(iterator), jnp.float32))
    return state

  straight = train(make_state(1), make_iterator(), 6)
  iterator = make_iterator()
  halfway = train(make_state(1), iterator, 3)
  checkpoints.Checkpoints(tmp_path).save(3, halfway, iterator)
  iterator = make_iterator()
  state, _ = checkpoints.Checkpoints(tmp_path).restore(abstract(), iterator)
  assert_same(train(state, iterator, 3), straight)


def test_flipped_byte_is_detected(run, caplog):
  """Protects from silently wrong values: a bit flips in the newest step, the one before is used, in one line."""
  flip_byte(largest_data_file(run, 30))
  state, meta = checkpoints.Checkpoints(run).restore(abstract())
  assert meta['step'] == 20
  assert_same(state, make_state(20))
  (line,) = warnings(caplog)
  assert 'step 30 is damaged' in line and 'going on from step 20' in line and '\n' not in line


@pytest.mark.parametrize(
    'damage', ['truncated data', 'no data folder', 'empty meta', 'edited meta', 'no meta', 'no metadata'])
def test_damaged_newest_step_gives_way(run, damage, caplog):
  """Protects a run from ending because its newest checkpoint is broken, however it is broken."""
  step = run / 'checkpoints' / '30'
  meta = step / 'meta' / 'metadata'
  if damage == 'truncated data':
    path = largest_data_file(run, 30)
    path.write_bytes(path.read_bytes()[:100])
  elif damage == 'no data folder':
    shutil.rmtree(step / 'state' / 'ocdbt.process_0')
    shutil.rmtree(step / 'state' / 'd')
  elif damage == 'empty meta':
    meta.write_text('')
  elif damage == 'edited meta':
    text = meta.read_text()
    assert '"seen": 30' in text
    meta.write_text(text.replace('"seen": 30', '"seen": 31'))
  elif damage == 'no meta':
    shutil.rmtree(step / 'meta')
  else:
    (step / 'state' / '_METADATA').unlink()
  state, restored = checkpoints.Checkpoints(run).restore(abstract())
  assert restored['step'] == 20
  assert_same(state, make_state(20))
  assert len(warnings(caplog)) == 1


def test_no_sound_step(run):
  """Protects the message when all is lost: one line with the folder and the remedy."""
  for step in (10, 20, 30):
    flip_byte(largest_data_file(run, step))
  with pytest.raises(ValueError, match='no sound checkpoint') as error:
    checkpoints.Checkpoints(run).restore(abstract())
  message = str(error.value)
  assert str(run / 'checkpoints') in message and 'new workdir' in message and '\n' not in message


def test_nothing_saved(tmp_path):
  """Protects a reader that was given the wrong folder: a FileNotFoundError, and no folder made."""
  steps = checkpoints.Checkpoints(tmp_path / 'none')
  assert steps.list_steps() == []
  with pytest.raises(FileNotFoundError, match='no checkpoint in'):
    steps.restore(abstract())
  assert not (tmp_path / 'none').exists()


def test_asked_step(run):
  """Protects a named step: it is restored, a missing one lists the saved ones, a damaged one never becomes another."""
  steps = checkpoints.Checkpoints(run)
  assert steps.restore(abstract(), step=10)[1]['step'] == 10
  with pytest.raises(ValueError, match='saved steps are 10, 20, 30'):
    steps.restore(abstract(), step=15)
  flip_byte(largest_data_file(run, 10))
  with pytest.raises(ValueError, match='ask for another step'):
    steps.restore(abstract(), step=10)


def test_other_model_is_not_damage(saved):
  """Protects from hiding a wrong config: another shape is an error, never a fall back to an older step."""
  other = abstract()
  other = other.replace(ema_params={'field': {'kernel': jax.ShapeDtypeStruct((64, 16), jnp.float32),
                                              'bias': jax.ShapeDtypeStruct((4,), jnp.bfloat16)}})
  with pytest.raises(ValueError, match=r'of another model: it has ema_params/field/kernel of float32\[64, 32\]'):
    checkpoints.Checkpoints(saved).restore(other)


def test_part_of_the_state(run):
  """Protects sampling from a run: the averaged parameters alone, as NumPy, checked, with fall back."""
  parts, meta = checkpoints.Checkpoints(run).restore_part(('ema_params',))
  assert list(parts) == ['ema_params'] and meta['step'] == 30
  assert isinstance(parts['ema_params']['field']['kernel'], np.ndarray)
  assert_same(parts['ema_params'], make_state(30).ema_params)
  with pytest.raises(ValueError, match='it holds ema_params, key, optimizer, step'):
    checkpoints.Checkpoints(run).restore_part(('params',))
  flip_byte(largest_data_file(run, 30))
  parts, meta = checkpoints.Checkpoints(run).restore_part()
  assert meta['step'] == 20
  assert_same(parts['ema_params'], make_state(20).ema_params)


@pytest.mark.parametrize('step, max_to_keep, left', [(25, 1, [25]), (30, 2, [20, 30]), (40, 2, [20, 40])],
                         ids=['before the damaged step', 'the damaged step', 'after the damaged step'])
def test_saving_after_a_fall_back(run, step, max_to_keep, left):
  """Protects sound steps: a damaged one must not take their place in what is kept, nor be lost itself."""
  flip_byte(largest_data_file(run, 30))
  steps = checkpoints.Checkpoints(run, max_to_keep=max_to_keep)
  steps.restore(abstract())
  assert steps.save(step, make_state(step))
  assert steps.list_steps() == left
  assert (run / 'checkpoints_set_aside' / '30').is_dir()
  assert steps.restore(abstract())[1]['step'] == step


def test_saving_the_state_of_a_damaged_step(run):
  """Protects a step that training reached again: its files are written anew, although its record already fits."""
  flip_byte(largest_data_file(run, 30))
  steps = checkpoints.Checkpoints(run)
  steps.restore(abstract())
  assert steps.save(30, make_state(30))
  assert_same(steps.restore(abstract())[0], make_state(30))


def test_saving_an_existing_step(run, caplog):
  """Protects both states of one step: the same is not written again, another one is written and the old one kept."""
  steps = checkpoints.Checkpoints(run)
  assert not steps.save(30, make_state(30))
  assert steps.save(30, make_state(31))
  assert (run / 'checkpoints_set_aside' / '30').is_dir()
  assert_same(steps.restore(abstract())[0], make_state(31))
  assert len(warnings(caplog)) == 1


def test_what_is_kept(tmp_path):
  """Protects the best step and the newest: neither is deleted for the other, also over a restart."""
  steps = checkpoints.Checkpoints(tmp_path, max_to_keep=2)
  for step, score in ((1, 0.5), (2, 0.1), (3, None), (4, float('nan'))):
    steps.save(step, make_state(step), score=score)
  assert steps.list_steps() == [2, 3, 4]
  steps = checkpoints.Checkpoints(tmp_path, max_to_keep=2)
  steps.save(5, make_state(5), score=0.05)
  steps.save(6, make_state(6), score=0.3)
  assert steps.list_steps() == [5, 6]


def test_leftovers_of_a_kill(run):
  """Protects from half a step counting as a step, and from such halves filling the disk."""
  leftover = run / 'checkpoints' / '35.orbax-checkpoint-tmp'
  (leftover / 'state').mkdir(parents=True)
  steps = checkpoints.Checkpoints(run)
  assert steps.list_steps() == [10, 20, 30]
  assert steps.restore(abstract())[1]['step'] == 30
  steps.save(40, make_state(40))
  assert not leftover.exists()
  assert steps.list_steps() == [20, 30, 40]


@pytest.mark.parametrize('moment', ['before', 'during'])
def test_full_disk(run, monkeypatch, moment):
  """Protects earlier steps when the disk is full: one line, no half step, and saving works again afterwards."""
  steps = checkpoints.Checkpoints(run)
  with monkeypatch.context() as patch:
    if moment == 'before':
      patch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(100, 90, 10))
    else:
      def fail(self, step, **kwargs):
        (run / 'checkpoints' / f'{step}.orbax-checkpoint-tmp').mkdir()
        raise ValueError('RESOURCE_EXHAUSTED: Error writing "a/0.0" in OCDBT database: No space left on device')
      patch.setattr(ocp.CheckpointManager, 'save', fail)
    with pytest.raises(OSError, match='no space left on the disk; free some space') as error:
      steps.save(40, make_state(40))
    assert '\n' not in str(error.value)
  assert sorted(os.listdir(run / 'checkpoints')) == ['10', '20', '30']
  assert steps.save(40, make_state(40))
  assert steps.restore(abstract())[1]['step'] == 40


def test_full_disk_moves_nothing(run, monkeypatch):
  """Protects the steps of an abandoned continuation when the disk is full: they stay where they are until there is room."""
  steps = checkpoints.Checkpoints(run)
  with monkeypatch.context() as patch:
    patch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(OSError, match='no space left on the disk'):
      steps.save(20, make_state(77))
  assert sorted(os.listdir(run / 'checkpoints')) == ['10', '20', '30'] and not (run / 'checkpoints_set_aside').exists()


def test_failing_disk_is_no_damage(run, monkeypatch):
  """Protects sound steps on a file system with a bad moment: the error is told, no older step is taken in their place."""
  steps = checkpoints.Checkpoints(run)
  with monkeypatch.context() as patch:
    def fail(self, *args, **kwargs):
      raise OSError(errno.EIO, 'Input/output error')
    patch.setattr(ocp.Checkpointer, 'restore', fail)
    with pytest.raises(OSError, match='could not read checkpoint .*30: Input/output error'):
      steps.restore(abstract())
  assert steps.restore(abstract())[1]['step'] == 30


def test_home_folder(tmp_path, monkeypatch):
  """Protects paths with ~ that no shell has expanded: saving and reading mean the same folder."""
  monkeypatch.setenv('HOME', str(tmp_path))
  assert checkpoints.Checkpoints('~/run').directory == tmp_path / 'run' / 'checkpoints'


def test_position_in_the_data(run, tmp_path):
  """Protects the order of examples: a position of another number of shards, or none at all, is refused in words."""
  with pytest.raises(ValueError, match='written with 1 data shards, this run has 2'):
    checkpoints.Checkpoints(run, shard_count=2).restore(abstract(), make_iterator())
  steps = checkpoints.Checkpoints(tmp_path / 'other')
  steps.save(1, make_state(1))
  with pytest.raises(ValueError, match='holds no position in the data'):
    steps.restore(abstract(), make_iterator())


def test_bytes_position(tmp_path):
  """Protects grain's DataLoader, whose position is bytes."""

  class Loader:
    state = b'{"last": \xff}'

    def get_state(self):
      return self.state

    def set_state(self, state):
      self.state = state

  checkpoints.Checkpoints(tmp_path).save(1, make_state(1), Loader())
  loader = Loader()
  loader.state = b''
  checkpoints.Checkpoints(tmp_path).restore(abstract(), loader)
  assert loader.state == Loader.state


def test_one_device_to_eight(saved):
  """Protects moving a run to another machine: saved on one device, restored bit by bit on eight, replicated or cut."""
  program = '''
import json, sys
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
sys.path[:0] = sys.argv[2:]
import checkpoints_test as base
from cnerf_jax.persistence import checkpoints
mesh = jax.make_mesh((8,), ('batch',), axis_types=(AxisType.Auto,))
def sharded(leaf):
  cut = leaf.ndim and leaf.shape[0] % 8 == 0
  spec = PartitionSpec('batch') if cut else PartitionSpec()
  return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec))
def replicated(leaf):
  return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, PartitionSpec()))
for place in (sharded, replicated):
  state, meta = checkpoints.Checkpoints(sys.argv[1]).restore(jax.tree.map(place, base.abstract()))
  base.assert_same(state, base.make_state(30))
  kernel = state.ema_params['field']['kernel']
  print(json.dumps([len(kernel.sharding.device_set), kernel.addressable_shards[0].data.shape[0], meta['step']]))
'''
  environment = {**os.environ, 'XLA_FLAGS': '--xla_force_host_platform_device_count=8', 'JAX_PLATFORMS': 'cpu'}
  result = subprocess.run([sys.executable, '-c', program, str(saved), str(ROOT), str(ROOT / 'tests' / 'persistence')],
                          env=environment, capture_output=True, text=True, timeout=120, check=False)
  assert result.returncode == 0, result.stderr[-2000:]
  assert [json.loads(line) for line in result.stdout.splitlines()] == [[8, 8, 30], [8, 64, 30]]


def test_a_player_without_parameters_is_saved_and_restored(tmp_path):
  """Protects runs whose semantic discriminator sits out: its empty parameters are neither lost nor taken for damage."""
  state = make_state(3).replace(ema_params={}, optimizer=OPTIMIZER.init({}))
  with checkpoints.Checkpoints(tmp_path) as steps:
    steps.save(1, state, make_iterator(), {})
  with checkpoints.Checkpoints(tmp_path) as steps:
    restored, _ = steps.restore(jax.eval_shape(lambda: state), make_iterator())
  assert restored.ema_params == {} and jax.tree.structure(restored) == jax.tree.structure(state)
  assert_same(restored, state)
