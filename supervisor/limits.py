"""Every bound of the runtime in one place, each with its reason."""

# A turn: long enough to amortise a wake-up (a stock channel costs 9 us a message, a batch of 64 a
# tenth of that), short enough that forty busy actors still get round in 200 ms.
TURN_MESSAGES_MAX = 64
TURN_NS_MAX = 5_000_000
# The clock is read once every so many messages of a turn: a read costs as much as a tenth of a
# message.
TURN_CLOCK_EVERY = 8

# At most this many system messages are handled before one normal message gets its turn, so that a
# flood of monitors or timers cannot starve trading.
SYSTEM_BURST_MAX = 16

# Mailboxes. The soft limit makes ports stop reading: two full turns of a hundred busy senders. The
# hard limit is a bug or a dead consumer: at 200 bytes a message it is 13 MB for one actor.
MAILBOX_SOFT = 8_192
MAILBOX_HARD = 65_536
# Market data waiting for one subscriber: about one second of a busy feed; what is older is
# worthless.
STREAM_QUEUE_MAX = 1_024
# Market data kept for an actor that waits to be restarted: the newest second is told by the `Gap`
# anyhow, and the wait is up to half a minute. What is durable waits without this bound.
STASH_MAX = 128
# Commands waiting for one port: a venue takes tens of orders a second, so this is minutes of them.
PORT_QUEUE_MAX = 4_096

# A snapshot: often enough that a fold takes milliseconds (1 024 messages at 0.3 M/s), and that the
# tail kept in memory for a crash stays small (a thousand actors at this size would be 256 MB, and
# the budget below snapshots the largest long before).
SNAPSHOT_MESSAGES = 1_024
SNAPSHOT_TAIL_BYTES = 256_000
TAIL_BYTES_TOTAL = 24_000_000
# Idle actors are snapshotted too, or the journal could not be retired behind them.
SNAPSHOT_INTERVAL_NS = 600 * 1_000_000_000
# A state larger than this is a leak; encoding it would stall the loop for more than a turn.
STATE_BYTES_MAX = 4_000_000
# A snapshot above this is not kept in memory beside the live state: it is read again when needed.
SNAPSHOT_KEPT_BYTES_MAX = 262_144

# What one message may cost before its handler is struck: far more than any needs, and short enough
# that nobody's protective exit waits for it. Looked at every 10 ms of processor time, so a loop
# ends within 70 ms of it.
STEP_BUDGET_NS = 50_000_000
SAMPLE_NS = 10_000_000

# An actor in a process of its own: room for numpy and a model, and a limit well below what would
# have the system kill the bot instead. Training takes seconds; a minute is stuck.
PROCESS_MEMORY_BYTES = 2_000_000_000
PROCESS_STEP_NS = 60 * 1_000_000_000
# A question to the process holds so many messages, each of which may take that long: a handful.
PROCESS_TURN_MESSAGES = 8
# What a process that was told to end, or lost its socket, is given to do so.
PROCESS_GRACE_NS = 2 * 1_000_000_000

# Crashes on one message before it is set aside: the first try and one more.
POISON_ATTEMPTS = 2

# Supervision defaults, OTP's.
INTENSITY = 1
PERIOD_NS = 5 * 1_000_000_000
SHUTDOWN_NS = 5 * 1_000_000_000
# A cancelled supervisor stops its children in order for this long, then all at once; shorter than
# the grace after which whoever cancelled it gives up.
SUPERVISOR_KILLED_NS = 1_000_000_000
# A cancelled task that has not ended after this is struck, and reported if that does not end it.
KILL_GRACE_NS = 2 * 1_000_000_000
# Then it is struck: the signal meets it within a few hundred of its steps, or it makes none.
STRIKE_NS = 1_000_000_000
# What a cancelled supervisor has left of its grace for children that it could not stop in order.
ABANDON_NS = 500_000_000
# The slowest start is an embedded venue compiling its kernels for the first time: half a minute.
START_TIMEOUT_NS = 120 * 1_000_000_000
# A halted bulkhead is started again after ten minutes: long enough for a venue's ban to pass, short
# enough that an operator asleep does not lose the night.
BULKHEAD_RESTART_NS = 600 * 1_000_000_000
BACKOFF_MIN_NS = 100_000_000
BACKOFF_MAX_NS = 30 * 1_000_000_000
BACKOFF_JITTER = 0.2
# From so many restarts in a row on, each is logged as critical: with the default backoff the child
# has been down for more than a second, and nothing passing explains it any more.
CRITICAL_STREAK = 6

# The journal may lag this much before ports stop reading streams and entries are off: what a crash
# may cost in market data, never in orders (those wait for their commit).
BACKLOG_NS_MAX = 2 * 1_000_000_000
BACKLOG_BYTES_MAX = 16_000_000
GROUP_NS_MAX = 50_000_000
GROUP_BYTES_MAX = 1_000_000
# The store is given this long to come back before the process ends with 9.
STORE_DOWN_NS_MAX = 30 * 1_000_000_000

# Dead letters kept for a person to look at; the counter goes on.
DEAD_LETTERS_KEPT = 256
# Lines about dead letters in the log: ten a minute show what is wrong, more would bury the rest.
DEAD_LETTER_LINES = 10
DEAD_LETTER_PERIOD_NS = 60 * 1_000_000_000
# A monitor that was told and is forgotten at once takes its `Down` back from the mailbox; who
# comes later than this many others has long handled it.
DOWNS_RECALLABLE = 4_096
TIMERS_PER_ACTOR_MAX = 256
EFFECTS_PER_MESSAGE_MAX = 4_096
ADDRESS_PART_MAX = 32

assert TURN_MESSAGES_MAX < MAILBOX_SOFT < MAILBOX_HARD, "the limits of a mailbox must be in order"
assert STREAM_QUEUE_MAX <= MAILBOX_SOFT, "streams alone must not stop the ports"
assert STASH_MAX <= STREAM_QUEUE_MAX, "a stash holds less than a mailbox that is read"
assert SUPERVISOR_KILLED_NS + ABANDON_NS < KILL_GRACE_NS, "a supervisor stops before it is given up"
assert GROUP_NS_MAX < BACKLOG_NS_MAX < STORE_DOWN_NS_MAX, "alarms must come in order"
assert GROUP_BYTES_MAX < BACKLOG_BYTES_MAX, "a group must fit into the backlog"
assert SNAPSHOT_TAIL_BYTES < TAIL_BYTES_TOTAL, "one tail must fit into the budget of all"
