"""The semantic classes of a portrait: their order, names, colours and sizes.

A portrait is the sum of one local radiance field per class. The order of the classes is part of the checkpoint format:
class k is channel k of every mask and row k of every bank of parameters.
"""

import dataclasses
import enum

PRESENT = 0.3  # a class is present in a portrait whose mask of it exceeds this in one pixel


class SemanticClass(enum.IntEnum):
  """The twelve classes of `ffhq12`, in checkpoint order. `NECK` includes cloth and necklace."""

  BACKGROUND = 0
  SKIN = 1
  NOSE = 2
  GLASSES = 3
  EYES = 4
  BROWS = 5
  EARS = 6
  MOUTH = 7
  HAIR = 8
  HAT = 9
  EARRINGS = 10
  NECK = 11


@dataclasses.dataclass(frozen=True)
class ClassSet:
  """An ordered set of semantic classes.

  Attributes:
    name: the name that configs and checkpoints carry.
    classes: class names in channel order.
    palette: one 8-bit RGB colour per class, for coloured masks.
    celebamask_hq: for each of the 19 CelebAMask-HQ labels, the channel it merges into.
    thin_classes: names of the classes whose masks are dilated before training, because they vanish at training resolution.
  """

  name: str
  classes: tuple[str, ...]
  palette: tuple[tuple[int, int, int], ...]
  celebamask_hq: tuple[int, ...]
  thin_classes: tuple[str, ...]

  @property
  def num_classes(self) -> int:
    return len(self.classes)

  def index(self, name: str) -> int:
    """Channel of the class called `name`; ValueError that lists the right names otherwise."""
    if name not in self.classes:
      raise ValueError(f'no semantic class {name!r} in {self.name}; use one of {", ".join(self.classes)}')
    return self.classes.index(name)


FFHQ12 = ClassSet(
    name='ffhq12',
    classes=tuple(semantic_class.name.lower() for semantic_class in SemanticClass),
    palette=(
        (38, 38, 46), (240, 190, 160), (226, 120, 92), (40, 200, 220), (60, 110, 230), (120, 72, 30),
        (250, 214, 90), (214, 40, 60), (96, 60, 120), (46, 160, 70), (255, 120, 210), (150, 150, 160),
    ),
    celebamask_hq=(0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 9, 10, 11, 11, 11),
    thin_classes=('nose', 'eyes', 'brows', 'ears', 'mouth', 'earrings'),
)

# The paper's nine classes in the order the authors' data code really uses; their class list swaps brow and mouth.
FFHQ9 = ClassSet(
    name='ffhq9',
    classes=('background', 'face', 'eye', 'mouth', 'brow', 'nose', 'ear', 'hair', 'neck'),
    palette=(
        (38, 38, 46), (240, 190, 160), (60, 110, 230), (214, 40, 60), (120, 72, 30),
        (226, 120, 92), (250, 214, 90), (96, 60, 120), (150, 150, 160),
    ),
    celebamask_hq=(0, 1, 5, 2, 2, 2, 4, 4, 6, 6, 3, 3, 3, 7, 7, 6, 8, 8, 8),
    thin_classes=('eye', 'mouth', 'brow', 'nose', 'ear'),
)

CLASS_SETS = {class_set.name: class_set for class_set in (FFHQ12, FFHQ9)}


def class_set(name: str) -> ClassSet:
  """The class set called `name`; ValueError that lists the known ones otherwise."""
  if name not in CLASS_SETS:
    raise ValueError(f'unknown class set {name!r}; use one of {", ".join(CLASS_SETS)}')
  return CLASS_SETS[name]
