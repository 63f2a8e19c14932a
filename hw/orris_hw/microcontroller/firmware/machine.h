/* The machine that the firmware runs on: host registers, buffer, parameters, the PE, and memory. */
#pragma once
#include <stdint.h>

#include "contract.h"

#define AT(address) (*(volatile uint32_t *)(address))

/* -- host registers: `name` as in the register map ------------------------------------------------------ */

#define HOST_REGISTER(name) AT(ORRIS_REGISTERS_BASE + ORRIS_REGISTER_##name)

/* -- buffer and parameter memory, by words of 64 bits --------------------------------------------------- */

#define WORD_BYTES 8

static inline uint32_t buffer_size(void)
{
    return AT(ORRIS_CONSTANT_GLB_WORDS);
}

static inline void *buffer_word(uint32_t word)
{
    return (void *)(ORRIS_GLB + WORD_BYTES * word);
}

static inline uint32_t parameter_size(void)
{
    return AT(ORRIS_CONSTANT_PARAMETER_WORDS);
}

static inline void *parameter_word(uint32_t word)
{
    return (void *)(AT(ORRIS_CONSTANT_PARAMETERS) + WORD_BYTES * word);
}

/* -- the PE: each waits until it can -------------------------------------------------------------------- */

static inline void pe_field(unsigned field, uint32_t value)
{
    AT(ORRIS_PE_FIELD + 4 * field) = value;
}

static inline void pe_filter(int32_t value)
{
    AT(ORRIS_PE_FILTER) = value;
}

static inline void pe_last_filter(int32_t value)
{
    AT(ORRIS_PE_FILTER_LAST) = value;
}

static inline void pe_ifmap(int32_t operand)
{
    AT(ORRIS_PE_IFMAP) = operand;
}

static inline int32_t pe_psum(void)
{
    return AT(ORRIS_PE_PSUM);
}

/* -- memory --------------------------------------------------------------------------------------------- */

/* Where byte `address` of memory is seen, up to the end of its half of the addresses. */
static inline volatile uint32_t *memory_window(uint32_t address)
{
    AT(ORRIS_IO_PAGE) = address;
    return (volatile uint32_t *)(address | ORRIS_MEMORY);
}

/* -- time ----------------------------------------------------------------------------------------------- */

static inline uint32_t cycles(void)
{
    return AT(ORRIS_IO_CYCLES);
}
