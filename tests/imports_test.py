"""The levels of the packages, read from the sources: imports point inward, in levels, without circles."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ('cnerf_jax', 'data_pipeline')

# What each part may import of ours, besides itself. Everything that is not listed may import nothing.
LEVELS = {
    'cnerf_jax.semantics': (),
    'cnerf_jax.camera': (),
    'cnerf_jax.latents': (),
    'cnerf_jax.rays': ('cnerf_jax.camera',),
    'cnerf_jax.losses': ('cnerf_jax.models.base_sdf',),  # the sphere loss is of the base that is defined there
    'cnerf_jax.rendering': ('cnerf_jax.rays', 'cnerf_jax.camera'),
    'cnerf_jax.models': ('cnerf_jax.rendering', 'cnerf_jax.camera', 'cnerf_jax.latents', 'cnerf_jax.rays', 'cnerf_jax.semantics'),
    'cnerf_jax.sampler': (
        'cnerf_jax.models', 'cnerf_jax.rendering', 'cnerf_jax.camera', 'cnerf_jax.rays', 'cnerf_jax.latents',
        'cnerf_jax.semantics'),
    'cnerf_jax.persistence': (),
    'cnerf_jax.published': ('cnerf_jax.models', 'cnerf_jax.published_discriminators'),
    'cnerf_jax.published_discriminators': ('cnerf_jax.models',),
    'cnerf_jax.pretrained_model': (
        'cnerf_jax.sampler', 'cnerf_jax.models', 'cnerf_jax.camera', 'cnerf_jax.latents', 'cnerf_jax.semantics'),
    'cnerf_jax.pretrained_encoder': ('cnerf_jax.models', 'cnerf_jax.semantics', 'cnerf_jax.persistence'),
    'cnerf_jax.pretrained': (
        'cnerf_jax.pretrained_model', 'cnerf_jax.pretrained_encoder', 'cnerf_jax.published', 'cnerf_jax.models', 'cnerf_jax.persistence',
        'cnerf_jax.version'),
    'cnerf_jax.export': (
        'cnerf_jax.pretrained', 'cnerf_jax.sampler', 'cnerf_jax.models', 'cnerf_jax.rendering', 'cnerf_jax.camera', 'cnerf_jax.rays',
        'cnerf_jax.latents', 'cnerf_jax.semantics', 'cnerf_jax.persistence', 'cnerf_jax.version'),
    'cnerf_jax.studio': (
        'cnerf_jax.export', 'cnerf_jax.pretrained', 'cnerf_jax.camera', 'cnerf_jax.latents', 'cnerf_jax.semantics', 'cnerf_jax.persistence',
        'cnerf_jax.models.regional_mapping', 'cnerf_jax.version', 'cnerf_jax.editing', 'cnerf_jax.meshing', 'cnerf_jax.draw.photograph'),
    # the command line puts the page together; the readers of photographs are trained where photographs and people are
    'cnerf_jax.studio.__main__': ('cnerf_jax.studio', 'cnerf_jax.pretrained', 'cnerf_jax.draw.models', 'data_pipeline.photograph_reading'),
    'cnerf_jax.evaluation': (
        'cnerf_jax.sampler', 'cnerf_jax.models', 'cnerf_jax.rendering', 'cnerf_jax.camera', 'cnerf_jax.rays',
        'cnerf_jax.latents', 'cnerf_jax.semantics', 'cnerf_jax.persistence'),
    'cnerf_jax.editing': (
        'cnerf_jax.pretrained', 'cnerf_jax.sampler', 'cnerf_jax.models.local_generator', 'cnerf_jax.rendering', 'cnerf_jax.camera',
        'cnerf_jax.rays', 'cnerf_jax.latents', 'cnerf_jax.semantics', 'cnerf_jax.losses.reconstruction', 'cnerf_jax.evaluation.agreement',
        'cnerf_jax.evaluation.label_map', 'cnerf_jax.evaluation.locality',
        'cnerf_jax.persistence.atomic_files'),
    'cnerf_jax.reporting': ('cnerf_jax.sampler', 'cnerf_jax.models', 'cnerf_jax.camera', 'cnerf_jax.semantics', 'cnerf_jax.persistence'),
    'cnerf_jax.draw': (
        'cnerf_jax.meshing', 'cnerf_jax.pretrained', 'cnerf_jax.sampler', 'cnerf_jax.rendering', 'cnerf_jax.camera', 'cnerf_jax.rays',
        'cnerf_jax.latents',
        'cnerf_jax.semantics', 'cnerf_jax.reporting', 'cnerf_jax.persistence', 'cnerf_jax.version', 'cnerf_jax.editing', 'cnerf_jax.export'),
    'cnerf_jax.training': (
        'cnerf_jax.sampler', 'cnerf_jax.models', 'cnerf_jax.losses', 'cnerf_jax.rendering', 'cnerf_jax.camera', 'cnerf_jax.rays',
        'cnerf_jax.latents', 'cnerf_jax.semantics', 'cnerf_jax.persistence.checkpoints'),
    'cnerf_jax.run': (
        'cnerf_jax.training', 'cnerf_jax.evaluation', 'cnerf_jax.reporting', 'cnerf_jax.persistence', 'cnerf_jax.pretrained',
        'cnerf_jax.sampler', 'cnerf_jax.models', 'cnerf_jax.camera', 'cnerf_jax.semantics', 'cnerf_jax.losses.reconstruction'),
    'cnerf_jax': (),
    'data_pipeline': (
        'cnerf_jax.semantics', 'cnerf_jax.camera', 'cnerf_jax.rays', 'cnerf_jax.persistence.atomic_files',
        'cnerf_jax.persistence.folder_lock', 'cnerf_jax.persistence.viewpoints_file'),
}
# Parts of the package that are allowed to know of training.
HIGH = ('cnerf_jax.training', 'cnerf_jax.run', 'cnerf_jax.editing', 'cnerf_jax.studio')


def is_within(module: str, part: str) -> bool:
  return module == part or module.startswith(f'{part}.')


def read_imports():
  """{module: (line, imported module of ours) ...} of every source file."""
  files = {}
  for package in PACKAGES:
    for path in (ROOT / package).rglob('*.py'):
      parts = path.relative_to(ROOT).with_suffix('').parts
      files['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
  imports = {}
  for module, path in files.items():
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Import):
        found |= {(node.lineno, alias.name) for alias in node.names}
      elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f'{path}:{node.lineno}: a relative import'
        for alias in node.names:
          whole = f'{node.module}.{alias.name}'
          found.add((node.lineno, whole if whole in files else node.module))
    imports[module] = sorted((line, name) for line, name in found if name.split('.')[0] in PACKAGES + ('configs', 'main', 'tests'))
  return imports


IMPORTS = read_imports()


def part_of(module: str) -> str:
  """The entry of LEVELS that holds for a module: the longest that it lies within."""
  return max((part for part in LEVELS if is_within(module, part)), key=len)


@pytest.mark.parametrize('module', sorted(IMPORTS))
def test_imports_point_inward(module):
  """Protects the levels: each part imports only what lies below it."""
  part = part_of(module)
  allowed = (part,) + LEVELS[part]
  for line, name in IMPORTS[module]:
    assert any(is_within(name, one) for one in allowed), f'{module}, line {line}: {part} must not import {name}'


def test_only_high_parts_know_of_training():
  """Protects inference from training's libraries: nothing below imports cnerf_jax.training."""
  for module, imports in IMPORTS.items():
    if not any(is_within(module, part) for part in HIGH):
      for line, name in imports:
        assert not is_within(name, 'cnerf_jax.training'), f'{module}, line {line}'


def test_there_are_no_circles():
  """Protects reading order: modules can be sorted so that each imports only earlier ones."""
  left = {module: {name for _, name in imports if name in IMPORTS and name != module} for module, imports in IMPORTS.items()}
  while left:
    free = [module for module, names in left.items() if not names & left.keys()]
    assert free, f'circle among {sorted(left)}'
    for module in free:
      del left[module]


@pytest.mark.parametrize('module', ['cnerf_jax.sampler', 'cnerf_jax.pretrained', 'cnerf_jax.published'])
def test_inference_loads_no_training_libraries(module):
  """Protects small installs and quick starts: importing it in a fresh process loads jax, flax and numpy, not the trainer's world."""
  heavy = ('optax', 'orbax', 'clu', 'grain', 'tensorflow', 'tensorflow_datasets', 'ml_collections', 'matplotlib', 'PIL')
  code = f'import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])'
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
  assert done.stdout.strip() == '[]'


def test_the_package_names_its_public_modules():
  """Protects `import cnerf_jax; cnerf_jax.sampler`: public modules come when first used, the import alone loads nothing heavy."""
  code = """
import sys, cnerf_jax
assert not {'jax', 'flax', 'numpy'} & set(sys.modules), 'heavy'
assert set(cnerf_jax.__all__) <= set(dir(cnerf_jax))
assert cnerf_jax.semantics.FFHQ12.num_classes == 12 and 'jax' not in sys.modules
for name in cnerf_jax.__all__:
  assert getattr(cnerf_jax, name).__name__ == f'cnerf_jax.{name}' and f'  {name} ' in cnerf_jax.__doc__, name
assert callable(cnerf_jax.sampler.render)
try:
  cnerf_jax.smapler
except AttributeError as error:
  print(error)
"""
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
  assert done.stdout == "cnerf_jax has no 'smapler'; its public modules are camera, latents, pretrained, sampler, semantics\n"
