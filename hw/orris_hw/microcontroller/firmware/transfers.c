/* LOAD and STORE: planes of rows of words between memory and buffer. */
#include "firmware.h"

/* -- words ---------------------------------------------------------------------------------------------- */

#define BUFFER_ADDRESS_BITS 20

static uint32_t first_word(uint32_t word, unsigned words, uint32_t size, uint32_t index)
{
    word &= (1u << BUFFER_ADDRESS_BITS) - 1;
    if (word + words > size)
        stop(ORRIS_ERROR_GLB_RANGE, index);
    return word;
}

void *buffer_words(uint32_t word, unsigned words, uint32_t index)
{
    return buffer_word(first_word(word, words, buffer_size(), index));
}

void *parameter_words(uint32_t word, unsigned words, uint32_t index)
{
    return parameter_word(first_word(word, words, parameter_size(), index));
}

/* Ends the program unless all words of a row are within a window. Should memory never answer, the program ends
 * without the firmware: the host finds there which command it was. */
static void check_row(uint32_t address, unsigned words, uint32_t base, uint32_t limit, uint32_t index)
{
    if (!words || address % WORD_BYTES)
        stop(ORRIS_ERROR_BAD_FIELD, index);
    if (address < base || address > limit || limit - address < WORD_BYTES * words)
        stop(ORRIS_ERROR_MEMORY_RANGE, index);
    HOST_REGISTER(ERROR_INDEX) = index;
}

void read_words(uint32_t address, uint32_t *to, unsigned words, uint32_t index)
{
    check_row(address, words, HOST_REGISTER(READ_BASE), HOST_REGISTER(READ_LIMIT), index);
    counters[DRAM_READ_WORDS] += words;
    for (; words; words--, address += WORD_BYTES) {
        const volatile uint32_t *from = memory_window(address);
        *to++ = from[0];
        *to++ = from[1];
    }
    if (AT(ORRIS_IO_STATUS) & ORRIS_STATUS_READ_FAILED)
        stop(ORRIS_ERROR_BUS_READ, index);
}

static void write_words(uint32_t address, const uint32_t *from, unsigned words, uint32_t index)
{
    check_row(address, words, HOST_REGISTER(WRITE_BASE), HOST_REGISTER(WRITE_LIMIT), index);
    counters[DRAM_WRITE_WORDS] += words;
    for (; words; words--, address += WORD_BYTES) {
        volatile uint32_t *to = memory_window(address);
        to[0] = *from++;
        to[1] = *from++;
    }
    if (AT(ORRIS_IO_STATUS) & ORRIS_STATUS_WRITE_FAILED)
        stop(ORRIS_ERROR_BUS_WRITE, index);
}

/* -- planes --------------------------------------------------------------------------------------------- */

/* Where the next plane is, in memory (bytes) and in the buffer or the parameter memory (words). */
struct transfer {
    uint32_t address, row_stride, plane_stride;
    uint32_t word, buffer_row_stride, buffer_plane_stride;
    uint16_t row_words, rows;
    uint32_t planes; /* left; 0: nothing to do */
    uint32_t index;
    uint8_t wait, signal;
    bool waits; /* for a token before the plane */
};

#define UNPACK(kind, parts)                                                                                  \
    .address = kind##_address(parts), .row_stride = kind##_row_stride(parts),                                \
    .plane_stride = kind##_plane_stride(parts), .word = kind##_buffer_address(parts),                        \
    .buffer_row_stride = kind##_buffer_row_stride(parts),                                                    \
    .buffer_plane_stride = kind##_buffer_plane_stride(parts), .row_words = kind##_row_words(parts),          \
    .rows = kind##_rows(parts), .planes = kind##_planes(parts), .wait = kind##_wait(parts),                  \
    .signal = kind##_signal(parts), .waits = true

static struct transfer load, store;

/* Of the LOAD: */
static bool each;       /* waits and signals for every plane */
static bool parameters; /* goes to the parameter memory */
static unsigned ring;   /* planes, 0: no ring */
static unsigned place;  /* in the ring */
static uint32_t start;  /* of the ring */

bool load_is_busy(void)
{
    return load.planes;
}

bool store_is_busy(void)
{
    return store.planes;
}

static void next_plane(struct transfer *transfer)
{
    transfer->address += transfer->plane_stride;
    transfer->word += transfer->buffer_plane_stride;
    transfer->planes--;
}

bool load_step(void)
{
    if (!load.planes) {
        const struct command *command = queue_front(&load_queue);
        if (!command)
            return false;
        const uint32_t *parts = command->parts;
        load = (struct transfer){UNPACK(LOAD, parts), .index = command->index};
        each = LOAD_each(parts);
        parameters = LOAD_parameters(parts);
        ring = LOAD_ring(parts);
        place = LOAD_ring_start(parts);
        start = load.word;
        load.word += place * load.buffer_plane_stride;
        queue_drop(&load_queue);
    }
    if (load.waits && !take(load.wait))
        return false;
    uint32_t address = load.address, word = load.word;
    for (unsigned rows = load.rows; rows; rows--) {
        uint32_t *to = parameters ? parameter_words(word, load.row_words, load.index)
                                  : buffer_words(word, load.row_words, load.index);
        read_words(address, to, load.row_words, load.index);
        address += load.row_stride;
        word += load.buffer_row_stride;
    }
    next_plane(&load);
    if (++place == ring) {
        place = 0;
        load.word = start;
    }
    load.waits = each;
    if (each || !load.planes)
        give(load.signal, 1);
    return true;
}

bool store_step(void)
{
    if (!store.planes) {
        const struct command *command = queue_front(&store_queue);
        if (!command)
            return false;
        store = (struct transfer){UNPACK(STORE, command->parts), .index = command->index};
        queue_drop(&store_queue);
    }
    if (store.waits && !take(store.wait))
        return false;
    uint32_t address = store.address, word = store.word;
    for (unsigned rows = store.rows; rows; rows--) {
        write_words(address, buffer_words(word, store.row_words, store.index), store.row_words, store.index);
        address += store.row_stride;
        word += store.buffer_row_stride;
    }
    next_plane(&store);
    store.waits = false;
    if (!store.planes)
        give(store.signal, 1);
    return true;
}
