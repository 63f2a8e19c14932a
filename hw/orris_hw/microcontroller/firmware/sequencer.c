/* Takes commands in, one after the other, and hands them out. */
#include "firmware.h"

struct queue load_queue, store_queue, run_queue;

static struct command taken; /* the command taken in last */
static bool waiting;         /* it could not be handed out yet */
static uint32_t next;        /* index of the next one */
static bool ended;           /* nothing more is to be taken in */
static uint8_t tokens[SEMAPHORES + 1];

const struct command *queue_front(const struct queue *queue)
{
    return queue->count ? &queue->ring[queue->first] : 0;
}

void queue_drop(struct queue *queue)
{
    queue->first = (queue->first + 1) % QUEUE_DEPTH;
    queue->count--;
}

static bool queue_add(struct queue *queue)
{
    if (queue->count == QUEUE_DEPTH)
        return false;
    struct command *to = &queue->ring[(queue->first + queue->count) % QUEUE_DEPTH];
    for (unsigned i = 0; i < COMMAND_PARTS; i++)
        to->parts[i] = taken.parts[i];
    to->index = taken.index;
    queue->count++;
    return true;
}

bool take(unsigned semaphore)
{
    if (!semaphore)
        return true;
    if (!tokens[semaphore])
        return false;
    tokens[semaphore]--;
    return true;
}

void give(unsigned semaphore, unsigned count)
{
    if (!semaphore)
        return;
    unsigned sum = tokens[semaphore] + count;
    if (sum > SEMAPHORE_MAX)
        stop(ORRIS_ERROR_SEMAPHORE, taken.index);
    tokens[semaphore] = sum;
}

uint32_t index_taken(void)
{
    return taken.index;
}

/* Everything handed out is done. */
static bool idle(void)
{
    return !load_queue.count && !store_queue.count && !run_queue.count && !load_is_busy() &&
           !store_is_busy() && !run_is_busy();
}

/* Ends the program where a command never ends, or does not fit this configuration. */
static void check(void)
{
    const uint32_t *parts = taken.parts;
    bool bad;
    switch (field(parts, 0, 8)) {
    case LOAD_OPCODE:
        bad = !LOAD_planes(parts) || !LOAD_rows(parts) ||
              (LOAD_ring(parts) && LOAD_ring_start(parts) >= LOAD_ring(parts));
        break;
    case STORE_OPCODE:
        bad = !STORE_planes(parts) || !STORE_rows(parts);
        break;
    case RUN_OPCODE:
        bad = run_is_bad(parts);
        break;
    default:
        return;
    }
    if (bad)
        stop(ORRIS_ERROR_BAD_FIELD, taken.index);
}

/* Whether the command could be handed out. */
static bool hand_out(void)
{
    switch (field(taken.parts, 0, 8)) {
    case LOAD_OPCODE:
        return queue_add(&load_queue);
    case STORE_OPCODE:
        return queue_add(&store_queue);
    case RUN_OPCODE:
        return queue_add(&run_queue);
    case SIGNAL_OPCODE:
        give(SIGNAL_semaphore(taken.parts), SIGNAL_count(taken.parts));
        return true;
    case BARRIER_OPCODE:
        if (!idle())
            return false;
        for (unsigned i = 1; i <= SEMAPHORES; i++)
            tokens[i] = 0;
        return true;
    case END_OPCODE:
        ended = true;
        return true;
    default:
        stop(ORRIS_ERROR_BAD_OPCODE, taken.index);
    }
}

bool sequencer_step(void)
{
    if (!waiting) {
        if (ended || next == HOST_REGISTER(PROGRAM_COMMANDS)) {
            if (idle())
                stop(ORRIS_ERROR_NONE, 0);
            return false;
        }
        taken.index = next;
        read_words(HOST_REGISTER(PROGRAM_ADDRESS) + next * sizeof taken.parts, taken.parts, COMMAND_PARTS / 2,
                   next);
        check();
    }
    waiting = !hand_out();
    if (waiting)
        return false;
    next++;
    counters[COMMANDS]++;
    return true;
}
