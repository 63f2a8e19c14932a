/* What the parts of the firmware know of each other.
 *
 * The sequencer takes a program's commands in, queues those of a unit and makes the others itself. The units
 * are state machines that take turns: a `..._step` goes on until it has to wait for a token, or to a point
 * where others may go on, and says whether it got anywhere. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "commands.h"
#include "machine.h"

/* -- the program's end, and its counters ---------------------------------------------------------------- */

/* Ends the program: well, or with an error in the command at `index`. */
_Noreturn void stop(unsigned error, uint32_t index);

/* What the host reads. Up to date whenever memory is waited for, which may be for ever. */
enum counter { CYCLES, COMMANDS, DRAM_READ_WORDS, DRAM_WRITE_WORDS };
#define counters ((volatile uint64_t *)(ORRIS_REGISTERS_BASE + ORRIS_COUNTER_BASE))

/* -- commands and tokens -------------------------------------------------------------------------------- */

struct command {
    uint32_t parts[COMMAND_PARTS];
    uint32_t index; /* in the program */
};

/* Commands of one kind that wait for their unit. */
struct queue {
    struct command ring[QUEUE_DEPTH];
    uint8_t first, count;
};

extern struct queue load_queue, store_queue, run_queue;

/* The oldest command, or null. */
const struct command *queue_front(const struct queue *queue);
/* The oldest command is under way. */
void queue_drop(struct queue *queue);

/* Takes a token; false if there is none. Of semaphore 0 there is always one. */
bool take(unsigned semaphore);
void give(unsigned semaphore, unsigned count);

/* Index of the command that was taken in last. */
uint32_t index_taken(void);

bool sequencer_step(void);
bool load_step(void);
bool store_step(void);
bool run_step(void);

/* Whether a command is under way. */
bool load_is_busy(void);
bool store_is_busy(void);
bool run_is_busy(void);

/* Whether a RUN breaks a limit of the configuration. */
bool run_is_bad(const uint32_t *parts);

/* -- words ---------------------------------------------------------------------------------------------- */

/* So many words of the buffer, or of the parameter memory, from `word` modulo 2^20 on. If it has not got
 * them, the program ends with GLB_RANGE, by the command at `index`. */
void *buffer_words(uint32_t word, unsigned words, uint32_t index);
void *parameter_words(uint32_t word, unsigned words, uint32_t index);

/* Copies words from memory; only from within the window that the host has set. */
void read_words(uint32_t address, uint32_t *to, unsigned words, uint32_t index);

/* -- finished sums -------------------------------------------------------------------------------------- */

/* How sums become values of the ofmap. */
struct finish {
    unsigned rounding;
    int32_t zp_out, low, high; /* bounds of a value before its zero point is added */
};

struct finish finish_of(unsigned rounding, int32_t zp_out, int32_t act_min, int32_t act_max);
int32_t finished(const struct finish *finish, int32_t sum, uint32_t multiplier, int32_t shift);
