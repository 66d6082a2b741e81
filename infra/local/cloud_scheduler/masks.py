"""Which fields of a job an update replaces."""

from infra.local.cloud_scheduler.messages import FieldMask, Job, JobMessage, Message
from infra.local.emulator.errors import invalid

_OUTPUT_ONLY = frozenset(
    {"name", "user_update_time", "state", "status", "schedule_time", "last_attempt_time"}
)


def merged(stored: JobMessage, wanted: JobMessage, mask: Message) -> JobMessage:
    """Return a copy of `stored` with the masked fields of `wanted`.

    A path that the message does not have is refused, one that is output only is ignored. No
    mask at all stands for every field that is set in `wanted`.
    """
    paths = list(mask.paths) or [field.name for field, _ in wanted.ListFields()]
    for path in paths:
        if not FieldMask(paths=[path]).IsValidForDescriptor(Job.DESCRIPTOR):
            raise invalid(f"Invalid mask for Job: {path}")
    mutable = [path for path in paths if path.partition(".")[0] not in _OUTPUT_ONLY]
    result = Job()
    result.CopyFrom(stored)
    FieldMask(paths=mutable).MergeMessage(
        wanted, result, replace_message_field=True, replace_repeated_field=True
    )
    return result
