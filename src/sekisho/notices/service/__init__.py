"""What other rooms, the worker and the faces may do with notices."""

from sekisho.notices.service.channels import (
    ChannelOrder,
    ChannelState,
    check_test_pace,
    find_channel,
    get_channel,
    get_own_channel,
    list_channels,
    list_own_channels,
    remove_channel,
    retry_channel,
    send_test,
    set_channel,
    set_own_channel,
)
from sekisho.notices.service.choices import get_choices, list_ways_out, set_choices
from sekisho.notices.service.inbox import (
    InboxPage,
    count_unread,
    list_notices,
    mark_notices,
    open_notice,
)
from sekisho.notices.service.inviting import Mailing, read_mailing, tell_newcomers
from sekisho.notices.service.posting import hand_out, zone_of
from sekisho.notices.service.queue import (
    QueuePage,
    QueueWish,
    count_states,
    forget_old_notices,
    list_queue,
    send_again,
)
from sekisho.notices.service.queueing import queue_notice, queue_notices
from sekisho.notices.service.sending import Outside, make_outside, send_due
from sekisho.notices.service.watching import (
    tell_broken_evidence,
    tell_ending_tokens,
    tell_lost_ways_in,
)

__all__ = [
    "ChannelOrder",
    "ChannelState",
    "InboxPage",
    "Mailing",
    "Outside",
    "QueuePage",
    "QueueWish",
    "check_test_pace",
    "count_states",
    "count_unread",
    "find_channel",
    "forget_old_notices",
    "get_channel",
    "get_choices",
    "get_own_channel",
    "hand_out",
    "list_channels",
    "list_notices",
    "list_own_channels",
    "list_queue",
    "list_ways_out",
    "make_outside",
    "mark_notices",
    "open_notice",
    "queue_notice",
    "queue_notices",
    "read_mailing",
    "remove_channel",
    "retry_channel",
    "send_again",
    "send_due",
    "send_test",
    "set_channel",
    "set_choices",
    "set_own_channel",
    "tell_broken_evidence",
    "tell_ending_tokens",
    "tell_lost_ways_in",
    "tell_newcomers",
    "zone_of",
]
