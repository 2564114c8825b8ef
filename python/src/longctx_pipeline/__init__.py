"""Client of `pipeline`: a long-context curriculum as datasets, and rewards back into its history.

`CurriculumDataset` reads the samples of a plan, from a server or from a dataset's folder. `OutcomeClient` and
`RolloutClient` send rewards back. `Server` runs `pipeline serve`. `longctx_pipeline.trl` and `.verl` are for these trainers.
"""

from .batch import Batch, Sample
from .clients import OutcomeClient, RolloutClient
from .dataset import CurriculumDataset
from .errors import (
    BadRequest,
    Conflict,
    CursorRefused,
    Damaged,
    ForkedConnection,
    NotFound,
    PipelineError,
    StreamCut,
    Superseded,
    Unauthenticated,
    Unavailable,
)
from .outcomes import Outcome, Rollout
from .program import Server
from .retry import Retry
from .upload import Acknowledgement

__all__ = [
    "Acknowledgement",
    "BadRequest",
    "Batch",
    "Conflict",
    "CurriculumDataset",
    "CursorRefused",
    "Damaged",
    "ForkedConnection",
    "NotFound",
    "Outcome",
    "OutcomeClient",
    "PipelineError",
    "Retry",
    "Rollout",
    "RolloutClient",
    "Sample",
    "Server",
    "StreamCut",
    "Superseded",
    "Unauthenticated",
    "Unavailable",
]
