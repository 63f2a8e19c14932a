// Runs a verilated board system: its UART as bytes, and the SDRAM's model behind the pads' registers.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "Vorris.h"
#include "chip_model.hpp"
#include "verilated.h"

namespace {

constexpr unsigned kBits = 10;  // start bit, 8 data bits, stop bit

// The far end of the serial line: sends bytes as bits, and collects bits as bytes.
struct Uart {
    unsigned divisor;
    std::deque<uint8_t> to_send, received;
    unsigned sending = 0, send_wait = 0, send_left = 0;
    unsigned receiving = 0, receive_wait = 0, receive_left = 0;

    bool drive() {
        if (send_wait) --send_wait;
        if (!send_wait) {
            if (!send_left && !to_send.empty()) {
                sending = 1u << 9 | unsigned(to_send.front()) << 1;
                send_left = kBits + 1;
                to_send.pop_front();
            } else if (send_left) {
                sending >>= 1;
            }
            if (send_left && --send_left) send_wait = divisor;
        }
        return send_left ? sending & 1 : true;
    }

    void sample(bool line) {
        if (!receive_left) {
            if (!line) receive_left = 9, receive_wait = divisor + divisor / 2;
            return;
        }
        if (--receive_wait) return;
        receive_wait = divisor;
        if (--receive_left)
            receiving = receiving >> 1 | (line ? 0x80u : 0);
        else if (line)
            received.push_back(uint8_t(receiving));
    }
};

struct Board {
    VerilatedContext context;
    std::unique_ptr<Vorris> top;
    std::unique_ptr<SdramModel> chip;
    SdramPins pads{};
    uint16_t sampled = 0;
    Uart uart;
    uint64_t cycles = 0;
};

// Only systems with an SDRAM have its ports.
template <class Top>
auto exchange(Board& board, Top& top, int) -> decltype(void(top.sdram_cs)) {
    const uint16_t driven = board.chip->clock(board.pads);
    board.pads = {top.sdram_clk_en, top.sdram_cs,  top.sdram_ras,  top.sdram_cas,  top.sdram_we,
                  top.sdram_ba,     top.sdram_a,   top.sdram_dqm,  top.sdram_dq_o, top.sdram_dq_oe};
    top.sdram_dq_i = board.sampled;
    board.sampled = driven;
}
template <class Top>
void exchange(Board&, Top&, ...) {}

void step(Board& board) {
    auto& top = *board.top;
    exchange(board, top, 0);
    top.rx = board.uart.drive();
    top.clk = 0;
    top.eval();
    board.uart.sample(top.tx);
    top.clk = 1;
    top.eval();
    ++board.cycles;
}

}  // namespace

extern "C" {

Board* board_new(const SdramTiming* timing, double clock_hz, unsigned divisor) {
    auto* board = new Board;
    board->context.randReset(0);
    board->top = std::make_unique<Vorris>(&board->context);
    if (timing) board->chip = std::make_unique<SdramModel>(*timing, clock_hz);
    board->uart.divisor = divisor;
    return board;
}

void board_delete(Board* board) {
    board->top->final();
    delete board;
}

void board_reset(Board* board) {
    board->top->rst = 1;
    board->top->rx = 1;
    for (int i = 0; i < 8; ++i) {
        board->top->clk = 0;
        board->top->eval();
        board->top->clk = 1;
        board->top->eval();
    }
    board->top->rst = 0;
}

void board_run(Board* board, uint64_t cycles) {
    for (uint64_t i = 0; i < cycles; ++i) step(*board);
}

// Sends bytes to the board, and takes up to `room` bytes that came from it; returns how many.
uint64_t board_serial(Board* board, const uint8_t* bytes, uint64_t count, uint8_t* out, uint64_t room) {
    board->uart.to_send.insert(board->uart.to_send.end(), bytes, bytes + count);
    uint64_t taken = 0;
    while (taken < room && !board->uart.received.empty()) {
        out[taken++] = board->uart.received.front();
        board->uart.received.pop_front();
    }
    return taken;
}

uint64_t board_waiting(Board* board) { return board->uart.to_send.size(); }
uint64_t board_cycles(Board* board) { return board->cycles; }
const char* board_violation(Board* board) { return board->chip ? board->chip->violation().c_str() : ""; }
}
