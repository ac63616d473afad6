"""Runs: the notebooks executed in order by papermill, each stage kept whole in a run folder.

A run folder holds the input, one folder per finished stage, the executed notebooks, the avatar with its videos,
`report.html` and `run.json`. Nothing here knows how a head is made; that is what the notebooks say.
"""

from soaplib.runs.execution import RunError
from soaplib.runs.run import run_portrait
from soaplib.runs.samples import SAMPLES, find_portrait
from soaplib.runs.stage import Stage, open_stage
from soaplib.runs.stages import PROFILES, STAGES, notebooks_folder

__all__ = [
    "PROFILES",
    "SAMPLES",
    "STAGES",
    "RunError",
    "Stage",
    "find_portrait",
    "notebooks_folder",
    "open_stage",
    "run_portrait",
]
