"""What other rooms, the worker and the faces may do with notices."""

from sekisho.notices.service.queueing import queue_notice, queue_notices

__all__ = ["queue_notice", "queue_notices"]
