"""Who renders: this library's backends, and other people's renderers doing the nearest thing to the same job.

A contender is made of a job and gives back two functions: forward() returns what backward(it) needs; backward is None
for those that have no gradients. Each starts from moved vertices, as a step of an optimisation does.
"""

import dataclasses
import functools
import importlib.util
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch

from soaplib.bench.jobs import Job, mesh_job
from soaplib.render import backends
from soaplib.render.backends import operations


@dataclasses.dataclass(frozen=True)
class Contender:
    """A renderer to be measured.

    make: from a `Job` on `device` to (forward, backward or None). what: what it does, where that is not
    rasterise + interpolate + antialias. why_not: "" or what is missing to run it here.
    """

    name: str
    device: str
    make: Callable
    what: str = ""
    why_not: str = ""


def contenders() -> list[Contender]:
    """Return all that are known, the CPU backend first; those that cannot run here say why not."""
    cuda = "" if torch.cuda.is_available() else "no CUDA device"
    own = [
        Contender("cpu", "cpu", functools.partial(_backend, "cpu")),
        Contender("warp", "cpu", functools.partial(_backend, "warp")),
        Contender("warp", "cuda", functools.partial(_backend, "warp"), why_not=cuda),
        Contender(
            "nvdiffrast",
            "cuda",
            functools.partial(_backend, "nvdiffrast"),
            why_not=cuda or _lacks("nvdiffrast"),
        ),
        Contender(
            "nvdiffrast alone", "cuda", _nvdiffrast, "its own antialiasing", cuda or _lacks("nvdiffrast")
        ),
    ]
    others = [
        Contender("pytorch3d", device, _pytorch3d, "no antialiasing", why_not or _lacks("pytorch3d"))
        for device, why_not in (("cpu", ""), ("cuda", cuda))
    ]
    embree = "" if _has("embreex") else "not installed; get it so: pip install embreex"
    mitsuba = _mitsuba_lacks()
    others += [
        Contender("embree", "cpu", _embree, "ray casting, no gradients", embree),
        Contender("mitsuba", "cpu", _mitsuba, "ray casting, 1 sample, no silhouette gradients", mitsuba),
    ]
    return own + others


def _has(module):
    return importlib.util.find_spec(module) is not None


def _lacks(backend):
    return "" if backends.installed(backend) else f"not installed; get it so: {backends.how_to_get(backend)}"


def _leaves(job):
    return job.clip.clone().requires_grad_(), job.attributes.clone().requires_grad_()


def _gradients(weights):
    def backward(state):
        out, leaves = state
        return torch.autograd.grad(out, leaves, weights)

    return backward


def _backend(name: str, job: Job):
    size = (job.size, job.size)

    def forward():
        clip, attributes = leaves = _leaves(job)
        with backends.use_backend(name):
            rast = operations.rasterize(clip, job.faces, size)
            color = operations.interpolate(attributes, rast, job.faces)
            return operations.antialias(color, rast, clip, job.faces, job.edges), leaves

    return forward, _gradients(job.weights)


def _nvdiffrast(job: Job):
    import nvdiffrast.torch as dr

    context = dr.RasterizeCudaContext(device=job.clip.device)
    topology = dr.antialias_construct_topology_hash(job.faces)
    size = (job.size, job.size)

    def forward():
        clip, attributes = leaves = _leaves(job)
        rast, _ = dr.rasterize(context, clip, job.faces, size, grad_db=False)
        color, _ = dr.interpolate(attributes, rast, job.faces)
        return dr.antialias(color, rast, clip, job.faces, topology_hash=topology), leaves

    return forward, _gradients(job.weights)


def _pytorch3d(job: Job):
    from pytorch3d.ops import interpolate_face_attributes
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes

    faces, views = job.faces.long(), len(job.clip)

    def forward():
        clip, attributes = leaves = _leaves(job)
        x, y, z, w = clip.unbind(-1)
        screen = torch.stack((-x / w, y / w, z / w + 2), -1)
        meshes = Meshes(screen, faces.expand(views, -1, -1))
        found, _, weights, _ = rasterize_meshes(meshes, (job.size, job.size), faces_per_pixel=1)
        values = attributes[0][faces].repeat(views, 1, 1)
        return interpolate_face_attributes(found, weights, values)[..., 0, :], leaves

    return forward, _gradients(job.weights)


def _embree(job: Job):
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    origins, directions = (np.ascontiguousarray(a, np.float32) for a in _rays(job))
    vertices, faces = job.vertices.numpy(), job.faces.numpy()
    attributes = job.attributes[0].numpy()

    def forward():
        scene = rtcore_scene.EmbreeScene()
        TriangleMesh(scene, vertices[faces])
        hit = scene.run(origins, directions, query="INTERSECT", output=1)
        face = hit["primID"]
        u, v = hit["u"][:, None], hit["v"][:, None]
        a, b, c = (attributes[faces[face, i]] for i in range(3))
        return np.where(face[:, None] >= 0, (1 - u - v) * a + u * b + v * c, 0)

    return forward, None


def _rays(job):
    """Return origins and directions (N S S, 3) of rays through all pixel centres."""
    inverse = np.linalg.inv(job.cameras.double().numpy())
    y, x = np.mgrid[: job.size, : job.size] + 0.5
    depth = -job.size
    pixels = np.stack((x, y, np.full_like(x, depth), np.ones_like(x)), -1).reshape(-1, 4)
    origins = (pixels @ inverse.transpose(0, 2, 1))[..., :3]
    away = inverse[:, None, :3, 2] / np.linalg.norm(inverse[:, None, :3, 2], axis=-1, keepdims=True)
    directions = np.broadcast_to(away, origins.shape)
    return origins.reshape(-1, 3), directions.reshape(-1, 3)


def _mitsuba_lacks():
    if not _has("mitsuba"):
        return "not installed; get it so: pip install mitsuba"
    # In a process of its own: an LLVM that does not suit ends the process.
    program = "from soaplib.bench import contenders; contenders.try_mitsuba()"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if run.returncode == 0:
        return ""
    last = ([line for line in run.stderr.splitlines() if "rror" in line] or ["it crashes"])[-1]
    return f"its LLVM backend does not run here ({last}); a newer libLLVM.so may help, by DRJIT_LIBLLVM_PATH"


def try_mitsuba() -> None:
    """Render a triangle with Mitsuba, and its gradients; ends the process where its LLVM does not suit."""
    triangle = np.eye(3), np.array([[0, 1, 2]])
    forward, backward = _mitsuba(mesh_job(*triangle, size=8, views=1))
    backward(forward())


def _mitsuba(job: Job):
    import drjit as dr
    import mitsuba as mi

    mi.set_variant("llvm_ad_rgb")
    mesh = mi.Mesh("head", len(job.vertices), len(job.faces), has_vertex_normals=True)
    params = mi.traverse(mesh)
    params["vertex_positions"] = mi.Float(job.vertices.numpy().ravel())
    params["faces"] = mi.UInt32(job.faces.numpy().astype(np.uint32).ravel())
    params.update()
    scene = {"type": "scene", "mesh": mesh, "integrator": {"type": "aov", "aovs": "n:sh_normal"}}
    for i, camera in enumerate(np.linalg.inv(job.cameras.double().numpy())):
        away, up = camera[:3, 2] / np.linalg.norm(camera[:3, 2]), -camera[:3, 1]
        eye = job.middle - away
        view = mi.ScalarTransform4f().look_at(origin=list(eye), target=list(job.middle), up=list(up))
        half = job.size / 2 / job.scale
        film = {"type": "hdrfilm", "width": job.size, "height": job.size, "rfilter": {"type": "box"}}
        scene[f"view{i}"] = {
            "type": "orthographic",
            "to_world": view @ mi.ScalarTransform4f().scale([half, half, 1]),
            "film": film,
        }
    scene = mi.load_dict(scene)
    params = mi.traverse(scene)
    # Iterating over params gives pairs, not keys.
    key = next(k for k in params.keys() if k.endswith("vertex_positions"))  # noqa: SIM118
    start = mi.Float(job.vertices.numpy().ravel())
    weights = [mi.TensorXf(w.numpy()) for w in job.weights[..., :3]]

    def forward():
        params[key] = mi.Float(start)
        dr.enable_grad(params[key])
        params.update()
        images = [mi.render(scene, params, sensor=i, spp=1)[..., :3] for i in range(len(weights))]
        dr.eval(images)
        dr.sync_thread()
        return images

    def backward(images):
        dr.backward(sum(dr.sum(i * w, axis=None) for i, w in zip(images, weights, strict=True)))
        gradient = dr.grad(params[key])
        dr.eval(gradient)
        dr.sync_thread()
        return gradient

    return forward, backward
