/* Finished sums: multiplier, shift, rounding, zero point and clamp, as post-processing does it. */
#include "firmware.h"

enum { NO_ROUNDING, SINGLE_ROUNDING, DOUBLE_ROUNDING };

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static int32_t most(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

struct finish finish_of(unsigned rounding, int32_t zp_out, int32_t act_min, int32_t act_max)
{
    return (struct finish){
        .rounding = rounding,
        .zp_out = zp_out,
        .low = least(most(act_min, INT8_MIN), INT8_MAX) - zp_out,
        .high = least(most(act_max, INT8_MIN), INT8_MAX) - zp_out,
    };
}

/* 1 if so. The compiler would shift by 31, which takes the core as many cycles. */
static int32_t is_negative(int32_t value)
{
    int32_t result;
    asm("slt %0, %1, zero" : "=r"(result) : "r"(value));
    return result;
}

/* (sum * multiplier + 2^(30 - shift)) >> (31 - shift), or the nearest 32-bit number. */
static int32_t rounded_once(int32_t sum, uint32_t multiplier, int32_t shift)
{
    int64_t product = (int64_t)sum * multiplier;
    int32_t right = 30 - shift; /* and one more, with rounding */
    if (right >= 32)
        return (((int32_t)(product >> 32) >> (right - 32)) + 1) >> 1;
    int64_t scaled = ((product >> right) + 1) >> 1;
    if (scaled != (int32_t)scaled)
        return scaled < 0 ? INT32_MIN : INT32_MAX;
    return scaled;
}

/* (sum << left) * multiplier / 2^31 to nearest, then / 2^right to nearest, ties away from zero. */
static int32_t rounded_twice(int32_t sum, uint32_t multiplier, int32_t shift)
{
    if (shift > 0)
        sum = (uint32_t)sum << shift;
    int64_t product = (int64_t)sum * multiplier + (1 << 30);
    int32_t high = 2 * (uint32_t)(product >> 32) + is_negative(product); /* product >> 31 */
    if (shift >= 0)
        return high;
    int32_t mask = (1u << -shift) - 1;
    return (high >> -shift) + ((high & mask) > (mask >> 1) + is_negative(high));
}

int32_t finished(const struct finish *finish, int32_t sum, uint32_t multiplier, int32_t shift)
{
    if (finish->rounding == SINGLE_ROUNDING)
        sum = rounded_once(sum, multiplier, shift);
    else if (finish->rounding == DOUBLE_ROUNDING)
        sum = rounded_twice(sum, multiplier, shift);
    return least(most(sum, finish->low), finish->high) + finish->zp_out;
}
