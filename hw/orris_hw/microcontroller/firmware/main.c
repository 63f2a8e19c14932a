/* Runs the programs that the host starts: the units take turns until all is done, or something is wrong. */
#include "firmware.h"

/* Back to the reset vector's end: for the next program everything but the host registers begins anew. */
_Noreturn void restart(void);

static void clear_counters(void)
{
    for (unsigned i = 0; i < ORRIS_COUNTERS; i++)
        counters[i] = 0;
}

void boot(void)
{
    bool cold = AT(ORRIS_IO_STATUS) & ORRIS_STATUS_COLD;
    for (uint32_t at = 0; at < ORRIS_CONSTANT_PARAMETERS - ORRIS_CONSTANTS; at += 4) {
        bool setting = at >= ORRIS_REGISTER_PROGRAM_ADDRESS && at <= ORRIS_REGISTER_TIMEOUT;
        if (cold || !setting)
            AT(ORRIS_REGISTERS_BASE + at) = AT(ORRIS_CONSTANTS + at);
    }
    if (cold)
        clear_counters();
    AT(ORRIS_IO_FINISH) = 0;
}

static uint32_t counted; /* time up to which cycles are counted */

static uint32_t count_cycles(void)
{
    uint32_t now = cycles(), elapsed = now - counted;
    counted = now;
    counters[CYCLES] += elapsed;
    return elapsed;
}

void stop(unsigned error, uint32_t index)
{
    count_cycles();
    HOST_REGISTER(ERROR_CODE) = error;
    HOST_REGISTER(ERROR_INDEX) = index;
    AT(ORRIS_IO_FINISH) = error ? ORRIS_FINISH_ERROR : ORRIS_FINISH_DONE;
    restart();
}

void run_program(void)
{
    while (!(AT(ORRIS_IO_STATUS) & ORRIS_STATUS_BUSY)) {
    }
    counted = cycles();
    clear_counters();
    uint32_t still = 0;
    for (;;) {
        bool moved = sequencer_step();
        moved |= load_step();
        moved |= run_step();
        moved |= store_step();
        uint32_t elapsed = count_cycles();
        still = moved ? 0 : still + elapsed;
        if (still >= HOST_REGISTER(TIMEOUT))
            stop(ORRIS_ERROR_TIMEOUT, index_taken());
    }
}
