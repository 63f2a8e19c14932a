/* Bits of commands and registers. */
#pragma once
#include <stdint.h>

#define COMMAND_PARTS 16 /* of 32 bits */
#define INLINE static inline __attribute__((always_inline))

/* Bits `at` to `at + bits - 1`. Both are constants wherever this is used, so that a shift or two are left of
 * it. */
INLINE uint32_t field(const uint32_t *parts, unsigned at, unsigned bits)
{
    uint32_t value = parts[at / 32] >> at % 32;
    if (at % 32 + bits > 32)
        value |= parts[at / 32 + 1] << (32 - at % 32);
    return bits < 32 ? value & ((1u << bits) - 1) : value;
}

INLINE int32_t signed_field(const uint32_t *parts, unsigned at, unsigned bits)
{
    return (int32_t)(field(parts, at, bits) << (32 - bits)) >> (32 - bits);
}
