/* RUN: passes of the PE over a tile of the ofmap.
 *
 * With one PE a pass is one logical row, a group of channels and a filter row: the PE takes its filters,
 * then for each ofmap position the new ifmap values, and gives a sum for each filter. */
#include "firmware.h"

#define UNROLLED _Pragma("clang loop unroll_count(4)")

/* What is under way, unpacked: shifts take the core a cycle a bit. */
static struct {
    uint32_t index;
    bool busy;
    /* tokens */
    uint8_t wait_ifmap, signal_ifmap, wait_filter, signal_filter, wait_ofmap, signal_ofmap;
    /* the passes */
    uint16_t passes; /* after this one */
    bool add;        /* this pass's sums to those in the bank */
    bool last;       /* the last pass finishes them */
    bool begun;      /* it has its ifmap */
    bool filtered;   /* the PE has this pass's filters */
    uint8_t p, taps, step;
    uint16_t positions;
    uint16_t weights;
    /* filters of the pass: words of the buffer */
    uint32_t filter_base;
    uint16_t filter_stride, filter_words;
    uint8_t filter_slots, slot;
    /* its logical row: a group of channels and a filter row */
    uint8_t R, row;
    uint8_t q, group_lanes, pixel_lanes, lane;
    uint32_t channel_block; /* word of the channel block's first row */
    uint32_t block_stride;
    /* the ifmap tile */
    uint16_t row_stride;
    uint16_t pad_left, width, first_byte; /* of the first stored pixel in its word */
    uint8_t pad_top, height;
    uint8_t kept, skipped; /* columns that are sent and left out in turns */
    int8_t zero_point;
    /* the ofmap tile */
    struct finish finish;
    uint16_t parameter_word;
    uint32_t ofmap_word, ofmap_block_stride;
    uint8_t ofmap_lane;
} run;

static void begin(const struct command *command)
{
    const uint32_t *parts = command->parts;
    run.index = command->index;
    run.busy = true;
    run.begun = run.filtered = false;
    run.wait_ifmap = RUN_wait_ifmap(parts);
    run.signal_ifmap = RUN_signal_ifmap(parts);
    run.wait_filter = RUN_wait_filter(parts);
    run.signal_filter = RUN_signal_filter(parts);
    run.wait_ofmap = RUN_wait_ofmap(parts);
    run.signal_ofmap = RUN_signal_ofmap(parts);
    run.passes = RUN_passes(parts) - 1;
    run.add = !RUN_first(parts);
    run.last = RUN_last(parts);
    run.p = RUN_p(parts);
    run.taps = RUN_taps(parts);
    run.step = RUN_step(parts);
    run.positions = RUN_positions(parts);
    run.weights = run.p * run.taps;
    run.filter_base = RUN_filter_base(parts);
    run.filter_stride = RUN_filter_stride(parts);
    run.filter_words = RUN_filter_words(parts);
    run.filter_slots = RUN_filter_slots(parts);
    run.slot = RUN_filter_start(parts);
    run.R = RUN_R(parts);
    run.row = 0;
    run.q = RUN_q(parts);
    run.group_lanes = RUN_group_lanes(parts);
    run.pixel_lanes = RUN_pixel_lanes(parts);
    run.lane = RUN_first_lane(parts);
    run.channel_block = RUN_ifmap_base(parts);
    run.block_stride = RUN_ifmap_block_stride(parts);
    run.row_stride = RUN_ifmap_row_stride(parts);
    run.pad_left = RUN_pad_left(parts);
    run.width = RUN_width(parts);
    run.first_byte = RUN_first_pixel(parts) * run.pixel_lanes;
    run.pad_top = RUN_pad_top(parts);
    run.height = RUN_height(parts);
    run.kept = RUN_kept(parts);
    run.skipped = RUN_period(parts) - run.kept;
    run.zero_point = RUN_zero_point(parts);
    run.finish = finish_of(RUN_rounding(parts), RUN_zp_out(parts), RUN_act_min(parts), RUN_act_max(parts));
    run.parameter_word = 2 * RUN_parameter_base(parts);
    run.ofmap_word = RUN_ofmap_base(parts);
    run.ofmap_block_stride = RUN_ofmap_block_stride(parts);
    run.ofmap_lane = RUN_ofmap_lane(parts);
}

bool run_is_busy(void)
{
    return run.busy;
}

/* -- what a RUN may ask for ----------------------------------------------------------------------------- */

static bool is_multiple(unsigned number, unsigned of)
{
    while (number >= of)
        number -= of;
    return !number;
}

bool run_is_bad(const uint32_t *parts)
{
    uint32_t scratchpads = HOST_REGISTER(GEOMETRY_SCRATCHPADS);
    unsigned weights = RUN_p(parts) * RUN_taps(parts);
    unsigned held = 8 * RUN_filter_words(parts);
    unsigned lanes = RUN_pixel_lanes(parts);
    if (!RUN_passes(parts) || RUN_rows(parts) != 1 || RUN_last_rows(parts) != 1 || RUN_e(parts) != 1 ||
        RUN_sets(parts) != 1)
        return true;
    if (!weights || RUN_p(parts) > GEOMETRY_SCRATCHPADS_psum(scratchpads) ||
        RUN_taps(parts) > GEOMETRY_SCRATCHPADS_ifmap(scratchpads) ||
        weights > GEOMETRY_SCRATCHPADS_filter(scratchpads) || weights > held || weights + 8 <= held)
        return true;
    if (!RUN_positions(parts) || !RUN_step(parts) || RUN_step(parts) > RUN_taps(parts))
        return true;
    if (RUN_filter_start(parts) >= RUN_filter_slots(parts))
        return true;
    if (!RUN_R(parts) || !RUN_q(parts) || !RUN_stride(parts) || !is_multiple(RUN_taps(parts), RUN_q(parts)) ||
        !is_multiple(RUN_step(parts), RUN_q(parts)))
        return true;
    if ((lanes != 1 && lanes != 2 && lanes != 4 && lanes != 8) || RUN_group_lanes(parts) < RUN_q(parts) ||
        RUN_group_lanes(parts) > lanes || RUN_first_lane(parts) >= lanes)
        return true;
    if (!RUN_full_width(parts) || !RUN_full_height(parts) || !RUN_period(parts) || !RUN_kept(parts) ||
        RUN_kept(parts) > RUN_period(parts))
        return true;
    return RUN_last(parts) && 2 * (RUN_parameter_base(parts) + RUN_p(parts)) > parameter_size();
}

/* -- ifmap ---------------------------------------------------------------------------------------------- */

/* A row of the padded ifmap tile, from left to right. */
struct row {
    const int8_t *value; /* of the next column's first channel */
    int32_t column;      /* the next one; stored are 0 to width - 1 */
    uint32_t width;
    unsigned channels;      /* values of a column */
    unsigned step;          /* bytes from column to column */
    unsigned kept, skipped; /* columns that are sent and left out in turns */
    unsigned skipped_bytes;
    unsigned left; /* columns before some are left out */
    int32_t zero_point;
};

static struct row row_of_pass(void)
{
    uint32_t y = run.row - run.pad_top;
    unsigned step = run.pixel_lanes, width = y < run.height ? run.width : 0,
             first = run.first_byte + run.lane;
    const int8_t *value = 0;
    if (width) {
        unsigned words = (first + (width - 1) * step) / WORD_BYTES + 1;
        value =
            (const int8_t *)buffer_words(run.channel_block + y * run.row_stride, words, run.index) + first;
    }
    return (struct row){
        .value = value - run.pad_left * step,
        .column = -(int32_t)run.pad_left,
        .width = width,
        .channels = run.q,
        .step = step,
        .kept = run.kept,
        .skipped = run.skipped,
        .skipped_bytes = run.skipped * step,
        .left = run.kept,
        .zero_point = run.zero_point,
    };
}

/* Gives the PE so many values, whole columns of them. */
static void feed(struct row *row, int32_t values)
{
    for (; values > 0; values -= row->channels) {
        if ((uint32_t)row->column < row->width) {
            int32_t zero_point = row->zero_point;
            const int8_t *end = row->value + row->channels;
            for (const int8_t *value = row->value; value != end; value++)
                pe_ifmap(*value - zero_point);
        } else
            for (unsigned i = row->channels; i; i--)
                pe_ifmap(0);
        row->column++;
        row->value += row->step;
        if (!--row->left) {
            row->left = row->kept;
            row->column += row->skipped;
            row->value += row->skipped_bytes;
        }
    }
}

/* -- sums ----------------------------------------------------------------------------------------------- */

/* What post-processing knows of a filter. Sums have 32 bits, so that the bias's upper ones do not matter. */
struct parameter {
    int32_t bias;
    int16_t upper_bias;
    int8_t shift;
    uint32_t multiplier, nothing;
};

/* Takes the sums of a position from the PE; they go on from those in `bank` if `add`. Both return the place
 * in the bank behind them. */
static int32_t *collect(int32_t *bank, unsigned filters, bool add)
{
    const int32_t *end = bank + filters;
    if (add)
        UNROLLED for (; bank != end; bank++) *bank += pe_psum();
    else
        UNROLLED for (; bank != end; bank++) *bank = pe_psum();
    return bank;
}

static int32_t *collect_finished(int32_t *bank, unsigned filters, bool add)
{
    const struct parameter *entry = parameter_words(run.parameter_word, 2 * filters, run.index);
    uint32_t word = run.ofmap_word++;
    for (unsigned lane = run.ofmap_lane; filters; lane = 0, word += run.ofmap_block_stride) {
        int8_t *value = buffer_words(word, 1, run.index);
        for (; filters && lane < WORD_BYTES; filters--, lane++, entry++) {
            int32_t sum = pe_psum() + entry->bias;
            if (add)
                sum += *bank++;
            value[lane] = finished(&run.finish, sum, entry->multiplier, entry->shift);
        }
    }
    return bank;
}

/* -- passes --------------------------------------------------------------------------------------------- */

/* To the next logical row. */
static void advance(void)
{
    run.passes--;
    run.add = true;
    run.filtered = false;
    if (++run.slot == run.filter_slots)
        run.slot = 0;
    if (++run.row < run.R)
        return;
    run.row = 0;
    run.lane += run.group_lanes;
    if (run.lane >= run.pixel_lanes) {
        run.lane = 0;
        run.channel_block += run.block_stride;
    }
}

static void load_filters(void)
{
    const int8_t *value =
        buffer_words(run.filter_base + run.slot * run.filter_stride, run.filter_words, run.index);
    unsigned positions = run.positions - 1;
    pe_field(ORRIS_FIELD_FILTERS, run.p - 1);
    pe_field(ORRIS_FIELD_TAPS, run.taps - 1);
    pe_field(ORRIS_FIELD_STEP, run.step);
    pe_field(ORRIS_FIELD_POSITIONS_HIGH, positions >> 8);
    pe_field(ORRIS_FIELD_POSITIONS_LOW, positions & 0xff);
    pe_field(ORRIS_FIELD_FORWARD, 0);
    pe_field(ORRIS_FIELD_FLAGS, 0);
    const int8_t *last = value + run.weights - 1;
    UNROLLED while (value != last) pe_filter(*value++);
    pe_last_filter(*value);
}

static void compute(bool finish)
{
    unsigned filters = run.p, taps = run.taps, step = run.step;
    bool add = run.add;
    struct row row = row_of_pass();
    int32_t *bank = 0;
    if (add || !finish)
        bank = buffer_words(0, (filters * run.positions + 1) / 2, run.index);
    /* The PE takes the next position's values while it works on one, unless they need the place of its last
     * value, which is free only when its sums have been taken. */
    bool ahead = step < taps || taps < GEOMETRY_SCRATCHPADS_ifmap(HOST_REGISTER(GEOMETRY_SCRATCHPADS));
    feed(&row, taps);
    for (unsigned left = run.positions; left; left--) {
        if (ahead && left > 1)
            feed(&row, step);
        bank = finish ? collect_finished(bank, filters, add) : collect(bank, filters, add);
        if (!ahead && left > 1)
            feed(&row, step);
    }
}

bool run_step(void)
{
    if (!run.busy) {
        const struct command *command = queue_front(&run_queue);
        if (!command)
            return false;
        begin(command);
        queue_drop(&run_queue);
    }
    if (!run.begun) {
        if (!take(run.wait_ifmap))
            return false;
        run.begun = true;
    }
    if (!run.filtered) {
        if (!take(run.wait_filter))
            return false;
        load_filters();
        give(run.signal_filter, 1);
        run.filtered = true;
    }
    bool finish = !run.passes && run.last;
    if (finish && !take(run.wait_ofmap))
        return false;
    compute(finish);
    if (!run.passes) {
        give(run.signal_ifmap, 1);
        if (finish)
            give(run.signal_ofmap, 1);
        run.busy = false;
    }
    advance();
    return true;
}
