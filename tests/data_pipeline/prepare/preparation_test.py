"""A folder goes through whole: each fault costs one picture and one line, a killed run goes on, and the input is never touched."""

import hashlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import faces
import numpy as np
import pytest

from data_pipeline import stored_records
from data_pipeline.prepare import __main__ as command_line
from data_pipeline.prepare import journal
from data_pipeline.prepare import label_orders
from data_pipeline.prepare import plan
from data_pipeline.prepare import preparation

ROOT = pathlib.Path(__file__).parents[3]
PEOPLE = {f'p{i:02d}': faces.face(i, 48) for i in range(12)}


@pytest.fixture
def folder(tmp_path):
  """A dozen people as images/ and labels/."""
  faces.write_folder(tmp_path / 'in', PEOPLE)
  return tmp_path / 'in'


def prepare(folder, output, *options, order='celebamask-hq'):
  """The command line's exit code, in this process."""
  return command_line.main([
      str(folder / 'images'), str(output), '--labels', str(folder / 'labels'), '--label-order', order, '--workers', '1',
      *(() if '--viewpoints' in options else ('--viewpoints', 'none')), *options])


def report(output):
  return json.loads((output / 'report' / 'report.json').read_text())


def records(output, size=64):
  """(image, label) by name."""
  found = {}
  for split in ('train', 'validation'):
    try:
      stored = stored_records.StoredRecords(output / 'real_portraits' / f'size{size}' / '1.0.0', split, with_all=True)
    except ValueError:
      continue
    found |= {stored[i]['name'].decode(): (stored[i]['image'], stored[i]['label']) for i in range(len(stored))}
  return found


def digests(output):
  """SHA-256 of every file of the data sets."""
  root = output / 'real_portraits'
  return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.rglob('*')) if path.is_file()}


def test_pictures_come_back_as_they_are(folder, tmp_path, capsys):
  """Protects the plain case: PNG of the records' own size is stored exactly, at several sizes, and the next command is printed."""
  assert prepare(folder, tmp_path / 'out', '--sizes', '48', '16', '160') == 0
  stored = records(tmp_path / 'out', 48)
  assert stored.keys() == PEOPLE.keys()
  for name, (image, labels) in PEOPLE.items():
    np.testing.assert_array_equal(stored[name][0], image)
    np.testing.assert_array_equal(stored[name][1], labels)
  assert records(tmp_path / 'out', 16)['p00'][0].shape == (16, 16, 3)
  assert records(tmp_path / 'out', 160)['p00'][0].shape == (160, 160, 3)
  told = capsys.readouterr().out
  assert 'kept 12' in told and '--config.data.dir=' in told and '--config.data.record_size=160' in told


def test_each_fault_has_its_line_and_the_rest_is_kept(folder, tmp_path, capsys):
  """Protects long preparations: a dozen faults in one folder refuse as many pictures, by name, and the others are there."""
  images, labels = folder / 'images', folder / 'labels'
  good = set(PEOPLE)
  (images / 'p00.png').write_bytes(b'')
  (images / 'p01.png').write_bytes((images / 'p01.png').read_bytes()[:-200])
  (labels / 'p02.png').unlink()
  faces.save(labels / 'p03.png', PEOPLE['p03'][1][:, :30])
  faces.save(labels / 'p04.png', np.where(PEOPLE['p04'][1] == 2, np.uint8(99), PEOPLE['p04'][1]))
  shutil.copy(images / 'p05.png', images / 'p06.png')
  (labels / 'p07.png').write_bytes(b'no picture')
  np.save(labels / 'p08.npy', np.array([{}], object), allow_pickle=True)
  (labels / 'p08.png').unlink()
  faces.save(labels / 'extra.png', PEOPLE['p00'][1])
  (images / 'notes.txt').write_text('hello')
  odd = 'snow\u2603 "quoted" <b>'
  faces.save(images / f'{odd}.png', faces.face(90, 48)[0])
  faces.save(labels / f'{odd}.png', faces.face(90, 48)[1])
  broken = os.fsdecode(b'bytes\xff')
  faces.save(images / f'{broken}.png', faces.face(91, 48)[0])
  faces.save(labels / f'{broken}.png', faces.face(91, 48)[1])
  assert prepare(folder, tmp_path / 'out') == 0
  faults = {one['file']: one['fault'] for one in report(tmp_path / 'out')['refused']}
  assert faults == {
      'images/p00.png': 'empty', 'images/p01.png': 'truncated', 'images/p02.png': 'no_label', 'images/p03.png': 'label_size',
      'images/p04.png': 'label_range', 'images/p06.png': 'duplicate', 'images/p07.png': 'not_an_image', 'images/p08.png': 'pickled',
      'labels/extra.png': 'no_image', 'images/notes.txt': 'not_an_image'}
  refused = {f'p0{i}' for i in (0, 1, 2, 3, 4, 6, 7, 8)}
  assert records(tmp_path / 'out').keys() == good - refused | {odd, 'bytes\\udcff'}
  told = [line for line in capsys.readouterr().out.splitlines() if line.startswith('refused: ')]
  assert len(told) == len(faults) and all('; ' in line for line in told)


def test_of_two_equal_images_the_sound_one_is_kept(folder, tmp_path):
  """Protects a picture whose copy has the good label map: duplicates are decided after faults."""
  shutil.copy(folder / 'images' / 'p05.png', folder / 'images' / 'p06.png')
  (folder / 'labels' / 'p05.png').write_bytes(b'')
  assert prepare(folder, tmp_path / 'out') == 0
  assert 'p06' in records(tmp_path / 'out')
  assert [one['file'] for one in report(tmp_path / 'out')['refused']] == ['images/p05.png']


def test_strict_stops_at_the_first_fault(folder, tmp_path, capsys):
  """Protects those who want all or nothing, also when the fault is known from an earlier run."""
  (folder / 'images' / 'p03.png').write_bytes(b'')
  for _ in range(2):
    assert prepare(folder, tmp_path / 'out', '--strict') == 1
    assert 'error: images/p03.png: has zero bytes; download it again' in capsys.readouterr().err
  assert not (tmp_path / 'out' / 'real_portraits').exists()


def test_wrong_label_order_stops_and_names_the_one_that_fits(folder, tmp_path, capsys):
  """Protects from the mistake that trains without an error."""
  assert prepare(folder, tmp_path / 'out', order='bisenet') == 2
  assert 'use --label-order celebamask-hq' in capsys.readouterr().err
  assert not (tmp_path / 'out' / 'real_portraits').exists()
  assert prepare(folder, tmp_path / 'out', '--no-order-check', order='bisenet') == 0
  assert any('celebamask-hq keeps 100%' in line for line in report(tmp_path / 'out')['warnings'])


def test_any_declared_order_gives_the_same_records(tmp_path):
  """Protects BiSeNet users and those with a table: labels come back as the same 19."""
  table = {str(100 + value): name for value, name in enumerate(faces.LABELS)}
  (tmp_path / 'order.json').write_text(json.dumps(table))
  stored = []
  for index, declared in enumerate(('celebamask-hq', 'bisenet', str(tmp_path / 'order.json'))):
    root = tmp_path / str(index)
    faces.write_folder(root, PEOPLE, label_orders.label_order(declared))
    assert prepare(root, root / 'out', order=declared) == 0
    stored.append(records(root / 'out'))
  for other in stored[1:]:
    for name in PEOPLE:
      np.testing.assert_array_equal(other[name][1], stored[0][name][1])


def test_nothing_in_the_input_is_written(folder, tmp_path):
  """Protects the originals: names, bytes and times stay, and an output inside the input is refused."""
  before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob('*.png')}
  assert prepare(folder, tmp_path / 'out', '--align') == 0
  assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob('*') if path.is_file()} == before
  assert prepare(folder, folder / 'images' / 'out') == 1
  assert sorted(path.name for path in (folder / 'images').iterdir()) == sorted(f'{name}.png' for name in PEOPLE)


def test_viewpoints_are_stored(folder, tmp_path, capsys):
  """Protects known cameras: they are in the records, pictures without one are named, and degrees are refused."""
  views = {name: [0.1 * i, -0.02 * i] for i, name in enumerate(PEOPLE) if name != 'p07'}
  path = tmp_path / 'views.json'
  path.write_text(json.dumps(views))
  assert prepare(folder, tmp_path / 'out', '--viewpoints', str(path), '--validation', '0') == 0
  stored = stored_records.StoredRecords(tmp_path / 'out' / 'real_portraits' / 'size64' / '1.0.0', 'train', with_all=True)
  assert stored.has_viewpoints and len(stored) == 11
  for record in (stored[i] for i in range(11)):
    np.testing.assert_allclose(record['viewpoint'], views[record['name'].decode()], rtol=1e-6)
  assert [one['fault'] for one in report(tmp_path / 'out')['refused']] == ['no_viewpoint']
  path.write_text(json.dumps({'p00': [30, 5]}))
  assert prepare(folder, tmp_path / 'out', '--viewpoints', str(path)) == 1
  assert 'in radians' in capsys.readouterr().err


@pytest.mark.parametrize('options, message', [
    (('--sizes', '4'), '--sizes 4 is not in 8..2048'), (('--sizes', '64', '64'), 'different sizes'), (('--validation', '1'), '--validation 1'),
    (('--label-order', 'bisnet'), 'use one of celebamask-hq'), (('--workers', '0'), '--workers 0'), (('--layout', 'ffhq'), 'images1024x1024'),
    (('--parser', 'x.onnx'), 'give one of them'), (('--viewpoints', 'nowhere.json'), 'is no JSON file')])
def test_impossible_options_are_one_line(folder, tmp_path, capsys, options, message):
  """Protects from typing errors: the value, the rule, the remedy."""
  assert prepare(folder, tmp_path / 'out', *options) == 1
  told = capsys.readouterr().err.strip().splitlines()
  assert len(told) == 1 and told[0].startswith('error: ') and message in told[0]


def test_a_folder_without_any_sound_picture_says_why(tmp_path, capsys):
  """Protects from empty data sets: no records, but a report."""
  (tmp_path / 'in' / 'images').mkdir(parents=True)
  (tmp_path / 'in' / 'labels').mkdir()
  (tmp_path / 'in' / 'images' / 'a.png').write_bytes(b'')
  assert prepare(tmp_path / 'in', tmp_path / 'out') == 1
  assert 'no picture was kept' in capsys.readouterr().err
  assert report(tmp_path / 'out')['num_kept'] == 0 and (tmp_path / 'out' / 'report' / 'index.html').exists()


def write_many(root, count=60):
  faces.write_folder(root, {f'p{i:03d}': faces.face(i, 24) for i in range(count)})
  (root / 'images' / 'p007.png').write_bytes(b'')
  return root


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path, monkeypatch):
  """Protects hours of work: kill -9 in the middle, then the same command: finished shards are used, and every byte is as if nothing was."""
  folder = write_many(tmp_path / 'in')
  program = """
import sys
from data_pipeline.prepare import __main__ as command_line
from data_pipeline.prepare import plan
plan._SHARD_SIZE = 4
sys.exit(command_line.main(sys.argv[1:]))
"""
  command = lambda output: [sys.executable, '-c', program, str(folder / 'images'), str(output), '--labels', str(folder / 'labels'),
                            '--workers', '1', '--sizes', '16', '24']
  run = lambda output: subprocess.run(command(output), cwd=ROOT, check=False, capture_output=True, text=True)
  assert run(tmp_path / 'whole').returncode == 0
  process = subprocess.Popen(command(tmp_path / 'killed'), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
  shards = tmp_path / 'killed' / '.prepare' / 'shards'
  deadline = time.monotonic() + 60
  while len(list(shards.glob('*.json'))) < 3 and time.monotonic() < deadline:
    time.sleep(0.002)
  process.send_signal(signal.SIGKILL)
  process.wait()
  assert not (tmp_path / 'killed' / 'real_portraits').exists()
  finished = {path: path.stat().st_mtime_ns for path in shards.glob('*.json')}
  assert 3 <= len(finished) < 12
  again = run(tmp_path / 'killed')
  assert again.returncode == 0 and f'{len(finished)} of ' in again.stdout, again.stdout + again.stderr
  assert {path: path.stat().st_mtime_ns for path in finished} == finished
  assert digests(tmp_path / 'killed') == digests(tmp_path / 'whole')
  assert report(tmp_path / 'killed') == report(tmp_path / 'whole')
  assert not list(shards.glob('*.tmp'))


def test_workers_change_no_byte_and_only_changed_shards_are_made_again(tmp_path, monkeypatch):
  """Protects determinism: one process or two, and a picture that is put right costs its own shard alone."""
  monkeypatch.setattr(plan, '_SHARD_SIZE', 8)
  folder = write_many(tmp_path / 'in')
  settings = lambda name, workers: preparation.Settings(
      input=str(folder / 'images'), output=str(tmp_path / name), labels=str(folder / 'labels'), sizes=(16,), viewpoints=None,
      workers=workers)
  first = preparation.run(settings('one', 1), note=lambda line: None)
  preparation.run(settings('two', 2), note=lambda line: None)
  assert digests(tmp_path / 'one') == digests(tmp_path / 'two')
  assert first.kept['train'] + first.kept['validation'] == 59 and len(first.refused) == 1
  shards = tmp_path / 'one' / '.prepare' / 'shards'
  before = {path.name for path in shards.glob('*.json')}
  faces.save(folder / 'images' / 'p007.png', faces.face(7, 24)[0])
  second = preparation.run(settings('one', 1), note=lambda line: None)
  after = {path.name for path in shards.glob('*.json')}
  assert len(before) == len(after) and len(before - after) == 1
  assert sum(second.kept.values()) == 60 and not second.refused
  assert 'p007' in records(tmp_path / 'one', 16)


@pytest.mark.parametrize('without', ['', '.prepare', 'link'])
def test_preparing_again_makes_damaged_shards_anew(folder, tmp_path, without):
  """Protects the remedy that damaged records come with: the same command puts them right, with or without what is left in .prepare."""
  output = tmp_path / 'out'
  assert prepare(folder, output) == 0
  whole = digests(output)
  shard = next(output.glob('real_portraits/size64/1.0.0/*-train*'))
  data = bytearray(shard.read_bytes())
  data[20_000] ^= 1
  if without == 'link':
    shard.unlink()  # so that only the data set's file is damaged
  shard.write_bytes(data)
  if without == '.prepare':
    shutil.rmtree(output / '.prepare')
  assert digests(output) != whole
  assert prepare(folder, output) == 0
  assert digests(output) == whole


def test_manifests_of_earlier_versions_are_read(tmp_path):
  """Protects finished work: what earlier versions wrote about a shard is still understood."""
  (tmp_path / 'k-size64.array_record').write_bytes(b'records')
  kept = dict(file='a.png', name='a', notes=['GREY'], shares=[0.25] * 19, fit=1.0, offset=None)
  refused = dict(file='b.png', fault='EMPTY', detail='')
  written = dict(split='train', index=3, kept=[kept], refused=[refused], files={'64': [7, hashlib.sha256(b'records').hexdigest()]})
  (tmp_path / 'k.json').write_text(json.dumps(written))
  shards = journal.Journal(tmp_path)
  manifest = shards.read('k')
  assert manifest.index == 3 and manifest.kept[0].label_fractions == (0.25,) * 19 and manifest.refused[0].file == 'b.png'
  shards.write('k', manifest)
  assert json.loads((tmp_path / 'k.json').read_text()) == written
  (tmp_path / 'k-size64.array_record').write_bytes(b'record\0')
  assert shards.read('k') is None


def test_full_disk_is_one_line_and_the_next_run_goes_on(folder, tmp_path):
  """Protects from a full disk: no traceback, no file that looks whole; with space again the same command ends well."""
  program = 'import sys; from data_pipeline.prepare import __main__ as m; sys.exit(m.main(sys.argv[1:]))'
  command = [sys.executable, '-c', program, str(folder / 'images'), str(tmp_path / 'out'), '--labels', str(folder / 'labels'),
             '--workers', '1', '--sizes', '256']

  def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

  full = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, preexec_fn=small_files)
  assert full.returncode == 1 and 'Traceback' not in full.stderr, full.stderr
  errors = [line for line in full.stderr.splitlines() if line.startswith('error: ')]
  assert len(errors) == 1 and 'no space left' in errors[0], full.stderr
  assert not (tmp_path / 'out' / 'real_portraits').exists()
  assert subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0
  assert len(records(tmp_path / 'out', 256)) == 12


def test_two_at_once_are_kept_apart(folder, tmp_path):
  """Protects from two preparations that write to one output."""
  work = tmp_path / 'out' / '.prepare'
  work.mkdir(parents=True)
  with preparation._alone(work):
    with pytest.raises(ValueError, match='another preparation is writing to'):
      with preparation._alone(work):
        pass


def test_help_reads_like_a_page(capsys):
  """Protects newcomers: every layout has its example, every option its line."""
  with pytest.raises(SystemExit) as end:
    command_line.main(['--help'])
  told = capsys.readouterr().out
  assert end.value.code == 0
  for words in ('CelebAMask-HQ as downloaded', 'FFHQ as downloaded', '--parser', '--align', '--strict', 'exit codes',
                'main.py --config=configs/photographs32.py'):
    assert words in told
