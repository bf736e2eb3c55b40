"""Prepares real portraits for training: `python -m data_pipeline.prepare --help`."""

import argparse
from collections.abc import Mapping
import sys

from data_pipeline.prepare import decoding
from data_pipeline.prepare import label_orders
from data_pipeline.prepare import layouts
from data_pipeline.prepare import parser as parser_lib
from data_pipeline.prepare import preparation
from data_pipeline.prepare import report

_DESCRIPTION = """\
Turns portraits and their label maps into records to train on, and tells what is wrong with them.

  CelebAMask-HQ as downloaded:
    python -m data_pipeline.prepare CelebAMask-HQ DATA

  FFHQ as downloaded, with label maps of a BiSeNet face parser (00000.png and so on):
    python -m data_pipeline.prepare ffhq-dataset DATA --labels ffhq-labels --label-order bisenet

  A folder of photographs and a folder of label maps with the same names, cropped as FFHQ is:
    python -m data_pipeline.prepare photos DATA --labels labels --align

  Photographs alone; label maps are read off them by the shipped face parser, which looks for faces, or by one of your own:
    python -m data_pipeline.prepare photos DATA --parser people --align
    python -m data_pipeline.prepare photos DATA --parser bisenet.onnx --label-order bisenet

Then look at DATA/report/index.html (needs: pip install -e .[report]), and train:

    python main.py --config=configs/photographs32.py --workdir=runs/mine --config.data.dir=DATA

Cameras are read off the label maps, where those show faces; DATA/viewpoints.json has them, and the report shows how the heads turn.
Nothing is ever written to the input. What is wrong with a file is one line in the report, and the rest is kept. The same command again
goes on where a run was stopped, and makes the same files byte for byte. docs/data.md has the rest.
"""
_EXIT = """\
exit codes: 0 the records are there (refused files are in the report); 1 it could not be done, or --strict found a fault, or no picture
was kept; 2 the command line is wrong, or anatomy contradicts the label order.
"""

# of configs/photographs32.py, and of the scores (cnerf_jax/evaluation/real_sets.py)
_IMAGE_SIZE, _NUM_COMPARED, _ENOUGH_VALIDATION, _LEAST_TRAIN = 32, 400, 64, 4


def make_parser() -> argparse.ArgumentParser:
  """The command line."""
  parser = argparse.ArgumentParser(
      prog='python -m data_pipeline.prepare', description=_DESCRIPTION, epilog=_EXIT, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('input', metavar='INPUT', help='folder of images, or the folder of a download')
  parser.add_argument('output', metavar='DATA', help='folder of the results: give it to training as --config.data.dir')

  what = parser.add_argument_group('what there is')
  what.add_argument('--layout', choices=('auto', *layouts.LAYOUTS), default='auto', help='how INPUT is laid out (default: by its folders)')
  what.add_argument('--labels', metavar='FOLDER', help='label maps, PNG or NPY, one integer a pixel, named as the images')
  what.add_argument('--label-order', metavar='ORDER', default='celebamask-hq',
                    help=f'what the integers mean: {", ".join(label_orders.KNOWN)}, or a .json table {{"0": "background", "1": "skin", ...}} '
                         'of CelebAMask-HQ names (default: celebamask-hq)')
  what.add_argument('--viewpoints', metavar='SOURCE', default=preparation.READ,
                    help='cameras: `read` off the label maps; FILE.json of {"name": [azimuth, elevation], ...} in radians, where they are '
                         'known; or `none` (default: read)')

  result = parser.add_argument_group('what to make')
  result.add_argument('--sizes', metavar='PIXELS', type=int, nargs='+', default=[64],
                      help='sides of the records: 64 for stage 1, 256 or 512 for stage 2; several at once are fine (default: 64)')
  result.add_argument('--align', action='store_true', help='crop by eyes and mouth of the label map, as FFHQ is cropped')
  result.add_argument('--validation', metavar='FRACTION', type=float, default=0.05, help='of the images, kept out of training (default: 0.05)')

  parse = parser.add_argument_group('a face parser instead of label maps')
  parse.add_argument('--parser', metavar='PARSER', help=f'{parser_lib.SHIPPED}: the shipped one, trained on synthetic people; or MODEL.onnx, '
                     '512 x 512 RGB in, 19 logits a pixel out, which needs: pip install onnxruntime')
  parse.add_argument('--no-face-search', action='store_true',
                     help=f'with --parser {parser_lib.SHIPPED}: take every photograph for framed as a portrait, as it is')
  parse.add_argument('--parser-mean', metavar='C', type=float, nargs=3, default=parser_lib.IMAGENET_MEAN,
                     help='subtracted from colours in 0..1 (default: ImageNet\'s)')
  parse.add_argument('--parser-std', metavar='C', type=float, nargs=3, default=parser_lib.IMAGENET_STD, help='divided by, likewise')
  parse.add_argument('--parser-batch', metavar='N', type=int, default=8, help='images at once (default: 8)')

  how = parser.add_argument_group('how')
  how.add_argument('--strict', action='store_true', help='stop at the first fault')
  how.add_argument('--no-order-check', action='store_true', help='go on even where anatomy contradicts the label order')
  how.add_argument('--max-pixels', metavar='N', type=int, default=decoding.MAX_PIXELS,
                   help=f'larger images are refused undecoded (default: {decoding.MAX_PIXELS})')
  how.add_argument('--workers', metavar='N', type=int, default=2, help='processes (default: 2)')
  return parser


def settings_from(arguments: argparse.Namespace) -> preparation.Settings:
  """What the command line asks for; ValueError in one line for numbers that can't be."""
  for name in ('max_pixels', 'workers', 'parser_batch'):
    if getattr(arguments, name) < 1:
      raise ValueError(f'--{name.replace("_", "-")} {getattr(arguments, name)} must be at least 1')
  if min(arguments.parser_std) <= 0:
    raise ValueError(f'--parser-std {arguments.parser_std} must be above 0')
  options = None
  if arguments.parser is not None:
    options = parser_lib.ParserOptions(
        arguments.parser, tuple(arguments.parser_mean), tuple(arguments.parser_std), arguments.parser_batch,
        search=not arguments.no_face_search)
  return preparation.Settings(
      input=arguments.input, output=arguments.output, labels=arguments.labels, layout=arguments.layout, label_order=arguments.label_order,
      sizes=tuple(arguments.sizes), parser=options, align=arguments.align,
      viewpoints=None if arguments.viewpoints == preparation.NONE else arguments.viewpoints,
      validation_fraction=arguments.validation, max_pixels=arguments.max_pixels, check_order=not arguments.no_order_check,
      strict=arguments.strict, workers=arguments.workers)


def say(summary: report.Summary, output: str) -> None:
  """The end of a preparation, on the terminal."""
  shown = 20
  for one in summary.refused[:shown]:
    print(f'refused: {one.line()}')
  if len(summary.refused) > shown:
    print(f'refused: {len(summary.refused) - shown} more, in the report')
  for line in summary.warnings:
    print(f'warning: {line}')
  kept = ', '.join(f'{count} {split}' for split, count in summary.kept.items() if count)
  reframed = len(summary.report['noted'].get('reframed', {}).get('files', ()))
  if reframed:
    print(f'cropped {reframed} photographs to the faces that were found in them')
  print(f'kept {sum(summary.kept.values())} ({kept}), refused {len(summary.refused)}')
  if summary.report_html is None:
    print('the HTML report is left out, for want of jinja2; get it with `pip install -e .[report]` and run the same command again')
  else:
    print(f'look at {summary.report_html}')
  for size in summary.folders:
    options = _train_options(size, summary.kept)
    if options is not None:
      print(f'train: python main.py --config=configs/photographs32.py --workdir=runs/mine --config.data.dir={output}{options}')


def _train_options(size: int, kept: Mapping[str, int]) -> str | None:
  """What `configs/photographs32.py` must be told of records of a size, as options; None where it can't be trained on them."""
  num_train, num_validation = kept.get('train', 0), kept.get('validation', 0)
  if size % _IMAGE_SIZE or num_train < _LEAST_TRAIN:
    return None
  options = '' if size == 64 else f' --config.data.record_size={size}'
  if num_validation < _ENOUGH_VALIDATION and num_train < 2 * _NUM_COMPARED:  # scores compare with two sets of training people
    options += f' --config.evaluation.num_images={num_train // 2}'
  return options


def main(arguments: list[str] | None = None) -> int:
  """Runs the command line; returns the exit code."""
  parsed = make_parser().parse_args(arguments)
  try:
    summary = preparation.run(settings_from(parsed))
  except preparation.WrongOrder as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  except (ValueError, OSError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('interrupted; the same command goes on from here', file=sys.stderr)
    return 130
  say(summary, parsed.output)
  if not summary.folders:
    print('error: no picture was kept; the lines above say why', file=sys.stderr)
    return 1
  return 0


if __name__ == '__main__':
  preparation.read_on_processor()
  sys.exit(main())
