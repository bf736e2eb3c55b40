"""Hair styles: how long hair is where, how it is combed, and who wears it.

Lengths and volumes are decimetres. A style's numbers are those of `hair_growth.FIELDS` that aren't zero.
"""

import dataclasses

import numpy as np

from data_pipeline.people import traits as traits_lib


@dataclasses.dataclass(frozen=True)
class Style:
  """One style.

  Attributes:
    top, side, back: lengths on the crown, above the ears and at the back, (least, most).
    comb: numbers of `hair_growth.FIELDS`, but for the volume.
    volume: how far the outermost strands stand off, (least, most).
    parted: whether the parting may lie aside.
    wave, curl: amplitudes, (least, most).
    wavelength: (least, most).
    locks: how many locks strands bundle into.
    clump: how closely they do, (least, most).
    points: of a strand.
    number: of strands, in thousands at 256 pixels.
    width: of a strand, in units of what its number asks for.
    covers_ears: whether strands are kept outside of the ears.
    hem: model y (neutral head) where it is cut straight, (least, most), or nothing.
    extra: 'ponytail', 'bun', 'top bun' or ''.
    rope: whether each strand is a braid or dreadlock.
    women, men: how common it is, in percent.
    ancestry: factors of that by ancestry (`traits.ANCESTRIES`).
    old: factor of that at 75 years, of that at 25.
  """

  top: tuple[float, float]
  side: tuple[float, float]
  back: tuple[float, float]
  comb: dict[str, float]
  volume: tuple[float, float]
  women: float
  men: float
  parted: bool = False
  wave: tuple[float, float] = (0.0, 0.02)
  curl: tuple[float, float] = (0.0, 0.0)
  wavelength: tuple[float, float] = (0.6, 1.2)
  locks: int = 220
  clump: tuple[float, float] = (0.4, 0.75)
  points: int = 12
  number: float = 6.0
  width: float = 1.0
  covers_ears: bool = False
  hem: tuple[float, float] | None = None
  extra: str = ''
  rope: bool = False
  ancestry: tuple[float, float, float] = (1.0, 1.0, 1.0)
  old: float = 1.0


_CROP = dict(whorl=1.0, forward=0.3, gravity=0.1, stiffness=0.5, lift=0.9)
_FALL = dict(parting=1.0, gravity=1.5, stiffness=0.55, lift=0.35, curtain=1.0)
STYLES = {
    'bald': Style((0, 0), (0, 0), (0, 0), {}, (0, 0), women=0.1, men=9.0, old=2.5),
    'buzz': Style((0.04, 0.09), (0.03, 0.06), (0.03, 0.06), dict(whorl=0.6, lift=1.6, stiffness=0.3), (0.0, 0.01), women=0.3, men=10.0,
                  points=3, number=9.0, clump=(0, 0.1), ancestry=(2.5, 0.7, 0.8)),
    'rim': Style((0.2, 0.4), (0.2, 0.4), (0.25, 0.45), dict(whorl=0.4, backward=0.6, gravity=0.8, stiffness=0.5, lift=0.3),
                 (0.03, 0.1), women=0.0, men=4.0, points=7, old=7.0),
    'crop': Style((0.3, 0.55), (0.12, 0.24), (0.15, 0.3), _CROP, (0.06, 0.16), women=1.5, men=22.0, points=7, number=7.5, wave=(0, 0.03),
                  locks=420, wavelength=(0.3, 0.6)),
    'side parting': Style((0.6, 0.95), (0.18, 0.35), (0.2, 0.4), dict(
        parting=1.0, backward=0.45, gravity=0.35, stiffness=0.5, lift=0.45), (0.1, 0.2), women=1.5, men=18.0, parted=True, points=9,
                          wave=(0, 0.04), locks=260),
    'slicked back': Style((0.8, 1.2), (0.4, 0.6), (0.4, 0.7), dict(backward=1.0, gravity=0.25, stiffness=0.4, lift=0.2), (0.05, 0.14),
                          women=3.0, men=8.0, points=10, wave=(0, 0.03), locks=200),
    'quiff': Style((0.5, 0.8), (0.1, 0.22), (0.14, 0.3), dict(backward=0.55, forward=0.0, gravity=0.1, stiffness=0.72, lift=1.5),
                   (0.12, 0.24), women=0.5, men=10.0, points=9, wave=(0, 0.04), locks=300, old=0.3),
    'curly': Style((0.6, 1.0), (0.35, 0.6), (0.4, 0.7), dict(whorl=0.9, gravity=0.55, stiffness=0.5, lift=0.9, curtain=0.55), (0.16, 0.3),
                   women=2.5, men=6.0, curl=(0.035, 0.06), wavelength=(0.2, 0.32), points=20, number=4.5, locks=420, clump=(0.75, 0.95)),
    'afro': Style((0.45, 0.95), (0.4, 0.8), (0.4, 0.85), dict(whorl=0.25, gravity=0.05, stiffness=0.9, lift=3.0, curtain=0.5), (0.0, 0.02),
                  women=1.0, men=1.2, curl=(0.02, 0.035), wavelength=(0.09, 0.15), points=12, number=7.0, width=1.1,
                  clump=(0.0, 0.0), ancestry=(9.0, 0.1, 0.2), old=0.5),
    'shaggy': Style((0.9, 1.3), (0.7, 1.0), (0.8, 1.2), dict(
        parting=0.8, whorl=0.3, forward=0.1, backward=0.1, gravity=1.0, stiffness=0.5, lift=0.5, curtain=0.8), (0.14, 0.26), women=5.0,
                    men=7.0, parted=True, wave=(0.03, 0.07), wavelength=(0.4, 0.8), points=14, covers_ears=True, old=0.6),
    'fringe crop': Style((0.6, 0.85), (0.4, 0.7), (0.4, 0.6), dict(
        whorl=1.0, forward=0.9, gravity=0.9, stiffness=0.5, lift=0.4, curtain=0.9, fringe_cut=7.68), (0.08, 0.18), women=2.0, men=5.0,
                         points=10, locks=420, clump=(0.3, 0.55), ancestry=(0.3, 2.5, 0.9), old=0.4),
    'wavy bob': Style((1.7, 2.1), (1.3, 1.6), (1.2, 1.6), _FALL | dict(flare=0.2), (0.18, 0.32), women=12.0, men=1.0, parted=True,
                      wave=(0.05, 0.09), wavelength=(0.6, 1.0), points=18, number=4.6, covers_ears=True, hem=(6.1, 6.5), old=2.0),
    'fringe bob': Style((1.7, 2.1), (1.3, 1.6), (1.2, 1.6), _FALL | dict(whorl=0.4, forward=1.6, fringe_cut=7.6), (0.14, 0.26), women=7.0,
                        men=0.3, points=12, number=5.0, covers_ears=True, hem=(6.1, 6.5), ancestry=(0.7, 1.8, 1.0)),
    'long straight': Style((2.8, 3.8), (2.4, 3.2), (2.2, 3.2), _FALL, (0.12, 0.24), women=16.0, men=1.0, points=12, number=5.0,
                           covers_ears=True, ancestry=(0.7, 1.6, 1.0), old=0.35),
    'long parted': Style((2.8, 3.8), (2.4, 3.2), (2.2, 3.2), _FALL, (0.14, 0.28), women=12.0, men=1.5, parted=True, wave=(0.02, 0.05),
                         wavelength=(0.8, 1.4), points=14, number=5.0, covers_ears=True, old=0.4),
    'long wavy': Style((2.8, 3.6), (2.3, 3.0), (2.2, 3.0), _FALL | dict(lift=0.5), (0.2, 0.36), women=18.0, men=1.5, parted=True,
                       wave=(0.07, 0.12), wavelength=(0.9, 1.4), points=21, number=4.0, covers_ears=True, clump=(0.6, 0.85), old=0.5),
    'long fringe': Style((2.8, 3.6), (2.3, 3.0), (2.2, 3.0), _FALL | dict(whorl=0.4, forward=1.6, fringe_cut=7.6), (0.14, 0.26), women=6.0,
                         men=0.2, points=13, number=5.0, covers_ears=True, ancestry=(0.6, 1.7, 1.0), old=0.4),
    'long curly': Style((1.8, 2.6), (1.6, 2.2), (1.6, 2.2), _FALL | dict(lift=0.8, gravity=1.1), (0.3, 0.5), women=4.0, men=1.0,
                        parted=True, curl=(0.05, 0.08), wavelength=(0.28, 0.4), points=28, number=3.0, width=0.9, covers_ears=True,
                        clump=(0.75, 0.95), locks=320, ancestry=(3.0, 0.3, 0.9), old=0.6),
    'ponytail': Style((1.5, 1.7), (1.0, 1.2), (0.8, 1.1), dict(tail=1.2, stiffness=0.35, lift=0.1, tail_y=7.75, tail_z=-0.45), (0.03, 0.09),
                      women=6.0, men=0.6, points=12, extra='ponytail', old=0.4),
    'bun': Style((1.4, 1.6), (1.0, 1.2), (0.8, 1.1), dict(tail=1.2, stiffness=0.35, lift=0.1, tail_y=7.6, tail_z=-0.45), (0.03, 0.12),
                 women=7.0, men=0.2, points=12, extra='bun'),
    'top bun': Style((0.9, 1.1), (1.0, 1.2), (1.3, 1.5), dict(tail=1.2, stiffness=0.35, lift=0.1, tail_y=8.5, tail_z=0.05), (0.03, 0.1),
                     women=2.0, men=1.2, points=12, extra='top bun', old=0.2),
    'braids': Style((2.2, 3.2), (1.8, 2.6), (1.8, 2.6), _FALL | dict(lift=0.35), (0.12, 0.22), women=0.8, men=0.6, parted=True, points=34,
                    number=0.42, width=3.0, clump=(0, 0), covers_ears=True, rope=True, ancestry=(9.0, 0.1, 0.25), old=0.3),
}
NAMES = tuple(STYLES)


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> str:
  """The name of a style, as common as among people of that sex, age and ancestry who are photographed."""
  aged = np.clip((traits.age - 25) / 50, -0.2, 1.1)
  weights = []
  for style in STYLES.values():
    common = style.women if traits.female else style.men
    weights.append(common * float(np.dot(style.ancestry, traits.ancestry)) * style.old**aged)
  weights = np.asarray(weights)
  return NAMES[rng.choice(len(NAMES), p=weights / weights.sum())]
