"""What jobs do: paint a person, find the person of a photograph, make a mesh; watched, and stopped at any step."""

from __future__ import annotations

from collections.abc import Callable
import contextlib

import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.studio import drawing
from cnerf_jax.studio import job_queue
from cnerf_jax.studio import messages
from cnerf_jax.studio import uploads as uploads_lib

MESH_RESOLUTION = 128
_PICTURE_EVERY = 8  # steps
_STEPS_AT_A_TIME = {'paint': 2, 'invert': 1}  # between which others draw


class Doer:
  """Does jobs with the models of a server.

  Attributes:
    inversion: settings of `editing.invert` that are not its own.
  """

  def __init__(self, drawer: drawing.Drawer, uploads: uploads_lib.Uploads, encoder: pretrained.Encoder | None = None):
    """Keeps them; an encoder is that of the run, for photographs with a label map."""
    self._drawer, self._uploads, self._encoder = drawer, uploads, encoder
    self.inversion: dict[str, float] = {}

  def run(self, request: messages.Request, work: job_queue.Work) -> tuple[dict, list]:
    """(header, parts) of the answer.

    Raises:
      ValueError: in one line, if it can't be done; job_queue.Cancelled: if nobody wants it any more.
    """
    model = self._drawer.models.at(request.step)
    return {'paint': self._paint, 'invert': self._invert, 'mesh': self._mesh}[request.kind](model, request, work)

  def _paint(self, model: pretrained.Model, request: messages.Request, work: job_queue.Work):
    from cnerf_jax.editing import paint  # pylint: disable=g-import-not-at-top
    from cnerf_jax.editing import watched  # pylint: disable=g-import-not-at-top
    work.tell(0.0, 'painting')
    camera = drawing.camera(request.view)
    session = watched.Painting(model, request.styles, camera, request.labels)
    self._watch(model, session, work, 'paint', lambda: request.view)
    found = session.finish()
    painted = request.labels >= 0
    there = [
        float(np.mean(paint.labels(model, styles, camera)[painted] == request.labels[painted])) for styles in (request.styles, found.styles)]
    numbers = {
        'iouBefore': found.iou_before, 'iouAfter': found.iou_after, 'classes': list(found.classes), 'thereBefore': there[0],
        'thereAfter': there[1]}
    return numbers, [np.asarray(found.styles, np.float32)]

  def _invert(self, model: pretrained.Model, request: messages.Request, work: job_queue.Work):
    from cnerf_jax.editing import invert  # pylint: disable=g-import-not-at-top
    from cnerf_jax.editing import watched  # pylint: disable=g-import-not-at-top
    image = self._uploads.get(request.photograph, 'photograph')
    masks = None if request.label_map is None else self._uploads.get(request.label_map, 'label map')
    work.tell(0.0, 'looking for the person')
    session = watched.Inversion(
        model, image, label_map=masks, encoder=None if masks is None else self._encoder, settings=invert.Settings(**self.inversion))
    self._watch(model, session, work, 'invert', lambda: (*map(float, session.viewpoint), 1.0))
    found = session.finish()
    azimuth, elevation = map(float, found.viewpoint)
    numbers = {'azimuth': azimuth, 'elevation': elevation, 'psnr': found.psnr, 'meanIou': found.mean_iou}
    return numbers, [np.asarray(found.styles, np.float32)]

  def _watch(self, model: pretrained.Model, session, work: job_queue.Work, kind: str, view: Callable[[], tuple]) -> None:
    """Takes a session to its end, with a picture every few steps."""
    sizes = {'imageSize': model.image_size, 'numSamples': model.num_samples}
    doing = {'paint': 'painting', 'invert': 'looking for the person'}[kind]
    next_picture, compiled = 0, set()
    while session.step < session.num_steps:
      phase = session.phase
      # what compiles does so beside drawing, which it would keep waiting for long
      with work.device() if phase in compiled else contextlib.nullcontext():
        session.advance(_STEPS_AT_A_TIME[kind])
        styles = np.asarray(session.styles, np.float32)
      compiled.add(phase)
      fraction = session.step / session.num_steps
      if session.step < next_picture:
        work.tell(fraction, doing)
        continue
      next_picture = session.step + _PICTURE_EVERY
      with work.device():
        drawn = drawing.picture(model, styles, view(), **sizes)
      azimuth, elevation, zoom = view()
      work.tell(fraction, doing, {
          'size': sizes['imageSize'], 'view': {'azimuth': azimuth, 'elevation': elevation, 'zoom': zoom}}, *drawn)

  def _mesh(self, model: pretrained.Model, request: messages.Request, work: job_queue.Work):
    from cnerf_jax.meshing import extras  # pylint: disable=g-import-not-at-top
    from cnerf_jax.meshing import mesh_files  # pylint: disable=g-import-not-at-top
    from cnerf_jax.meshing import portrait_mesh  # pylint: disable=g-import-not-at-top
    for module, package in (('skimage', 'scikit-image'), ('trimesh', 'trimesh')):
      extras.load(module, package)
    work.tell(0.0, 'making the mesh')
    portrait = portrait_mesh.mesh(
        model, request.styles, resolution=MESH_RESOLUTION, on_progress=lambda fraction: work.tell(fraction, 'making the mesh'))
    data, _ = mesh_files.encode('glb', mesh_files.objects(portrait, whole=True, parts=False))
    return {'faces': len(portrait.whole.triangles.faces)}, [data]
