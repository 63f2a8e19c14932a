// Runs a verilated accelerator against a memory model: AXI4 memory of set latency and bandwidth, and an
// AXI4-Lite master for the registers. Loaded by simulator.py through a C interface.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "Vorris.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace {

constexpr unsigned kWord = 8;        // bytes that addresses are multiples of
constexpr unsigned kBeat = sizeof(Vorris::m_axi_rdata);  // bytes of a beat
using Data = std::array<uint8_t, kBeat>;
constexpr unsigned kOkay = 0, kSlvErr = 2, kDecErr = 3;

struct Burst {
    uint64_t address;
    unsigned beats;
    uint64_t ready;  // first cycle in which data, or the response, may be given
    unsigned response;
};

struct Machine {
    VerilatedContext context;
    std::unique_ptr<Vorris> top;
    std::vector<uint8_t> memory;
    unsigned latency;
    double rate, credit = 0;
    uint64_t random, stall;  // stall: chance of a random pause, in 2^-32
    uint64_t fault_base[2] = {0, 0}, fault_limit[2] = {0, 0};  // read, write
    uint64_t cycles = 0, read_bytes = 0, written_bytes = 0, read_bursts = 0, write_bursts = 0;
    std::deque<Burst> reads, writes, responses;
    bool ar_held = false, aw_held = false, w_held = false;
    uint64_t ar_seen = 0, aw_seen = 0;
    Data w_seen{};
    std::string violation;
#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> trace;
#endif

    bool pause() {
        if (!stall) return false;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return (random >> 32) < stall;
    }

    void violate(const char* what) {
        if (violation.empty()) violation = std::string(what) + " in cycle " + std::to_string(cycles);
    }

    unsigned check(uint64_t address, unsigned beats, int kind) {
        uint64_t end = address / kBeat * kBeat + uint64_t(beats) * kBeat;
        if (address % kWord) violate("an address is not a multiple of 8");
        if (address / 4096 != (end - 1) / 4096) violate("a burst crosses a 4 KiB boundary");
        if (end > memory.size()) return kDecErr;
        if (address < fault_limit[kind] && end > fault_base[kind]) return kSlvErr;
        return kOkay;
    }

    // A valid that was refused must stay, with the same payload.
    template <typename Payload>
    void hold(bool valid, bool ready, const Payload& payload, bool& held, Payload& seen, const char* what) {
        if (held && (!valid || payload != seen)) violate(what);
        held = valid && !ready;
        seen = payload;
    }

    // Inputs settle in the low half of the clock, so that a cycle takes two evaluations.
    void settle() {
        top->clk = 0;
        top->eval();
    }

    void edge() {
        settle();
        rise();
    }

    void rise() {
#if VM_TRACE
        if (trace) trace->dump(cycles * 10 + 5);
#endif
        top->clk = 1;
        top->eval();
#if VM_TRACE
        if (trace) trace->dump(cycles * 10 + 10);
#endif
        ++cycles;
    }

    void step() {
        // What the memory offers in this cycle.
        credit += rate;
        if (credit > 4 * kBeat) credit = 4 * kBeat;
        // Where reads and writes compete for its bandwidth they take turns; a word once offered stays.
        const bool write_waits = !writes.empty() && !w_pause && top->m_axi_wvalid;
        const bool yields = write_waits && write_turn && !r_offered && credit < 2 * kBeat;
        const bool may_read =
            !reads.empty() && reads.front().ready <= cycles && credit >= kBeat && !r_pause && !yields;
        top->m_axi_rvalid = may_read;
        if (may_read) {
            const Burst& burst = reads.front();
            std::memset(&top->m_axi_rdata, 0, kBeat);
            if (burst.response == kOkay) std::memcpy(&top->m_axi_rdata, &memory[burst.address], kBeat);
            top->m_axi_rresp = burst.response;
            top->m_axi_rlast = burst.beats == 1;
        }
        const bool answer = !responses.empty() && responses.front().ready <= cycles && !b_pause;
        top->m_axi_bvalid = answer;
        if (answer) top->m_axi_bresp = responses.front().response;
        top->m_axi_arready = !ar_pause && reads.size() < 64;
        top->m_axi_awready = !aw_pause && writes.size() < 64;
        const double after_read = credit - (may_read ? kBeat : 0);
        top->m_axi_wready = !w_pause && !writes.empty() && after_read >= kBeat;
        settle();

        // What happens at its end.
        const bool ar = top->m_axi_arvalid && top->m_axi_arready, aw = top->m_axi_awvalid && top->m_axi_awready;
        const bool w = top->m_axi_wvalid && top->m_axi_wready;
        const bool r = may_read && top->m_axi_rready, b = answer && top->m_axi_bready;
        hold(top->m_axi_arvalid, ar, uint64_t(top->m_axi_araddr) << 8 | top->m_axi_arlen, ar_held, ar_seen,
             "ARVALID or its address changed before ARREADY");
        hold(top->m_axi_awvalid, aw, uint64_t(top->m_axi_awaddr) << 8 | top->m_axi_awlen, aw_held, aw_seen,
             "AWVALID or its address changed before AWREADY");
        Data data;
        std::memcpy(&data, &top->m_axi_wdata, kBeat);
        hold(top->m_axi_wvalid, w, data, w_held, w_seen, "WVALID or its data changed before WREADY");
        r_offered = may_read && !r;
        if (w)
            write_turn = false;
        else if (r && write_waits)
            write_turn = true;
        if (r) {
            Burst& burst = reads.front();
            burst.address += kBeat;
            read_bytes += kBeat;
            credit -= kBeat;
            if (--burst.beats == 0) reads.pop_front();
        }
        if (w) {
            Burst& burst = writes.front();
            if (burst.response == kOkay)
                for (unsigned i = 0; i < kBeat; ++i)
                    if (top->m_axi_wstrb >> i & 1) memory[burst.address + i] = data[i];
            burst.address += kBeat;
            written_bytes += kBeat;
            credit -= kBeat;
            if (bool(top->m_axi_wlast) != (burst.beats == 1)) violate("WLAST is not on the last beat");
            if (--burst.beats == 0) {
                burst.ready = cycles + latency;
                responses.push_back(burst);
                writes.pop_front();
            }
        }
        if (b) responses.pop_front();
        if (ar) {
            const unsigned beats = top->m_axi_arlen + 1u;
            reads.push_back({top->m_axi_araddr / kBeat * kBeat, beats, cycles + latency, check(top->m_axi_araddr, beats, 0)});
            ++read_bursts;
        }
        if (aw) {
            const unsigned beats = top->m_axi_awlen + 1u;
            writes.push_back({top->m_axi_awaddr / kBeat * kBeat, beats, 0, check(top->m_axi_awaddr, beats, 1)});
            ++write_bursts;
        }
        // A pause may begin only where nothing that was offered is taken back.
        if (stall) {
            if (!may_read || r) r_pause = pause();
            if (!answer || b) b_pause = pause();
            ar_pause = pause();
            aw_pause = pause();
            w_pause = pause();
        }
        rise();
    }

    bool r_offered = false, write_turn = false;
    bool r_pause = false, b_pause = false, ar_pause = false, aw_pause = false, w_pause = false;
};

constexpr unsigned kBusTimeout = 10000;

}  // namespace

extern "C" {

Machine* orris_new(uint64_t bytes, unsigned latency, double rate, uint64_t seed, double stall) {
    auto* m = new Machine;
    m->context.randReset(0);
    m->top = std::make_unique<Vorris>(&m->context);
    m->memory.resize((bytes + kBeat - 1) / kBeat * kBeat);  // whole beats
    m->latency = latency;
    m->rate = rate;
    m->random = seed * 2654435761u + 88172645463325252ull;
    m->stall = uint64_t(stall * 4294967296.0);
    return m;
}

void orris_delete(Machine* m) {
#if VM_TRACE
    if (m->trace) m->trace->close();
#endif
    m->top->final();
    delete m;
}

int orris_trace(Machine* m, const char* path) {
#if VM_TRACE
    m->context.traceEverOn(true);
    m->trace = std::make_unique<VerilatedVcdC>();
    m->top->trace(m->trace.get(), 99);
    m->trace->open(path);
    return m->trace->isOpen();
#else
    return 0;
#endif
}

uint8_t* orris_memory(Machine* m) { return m->memory.data(); }

void orris_reset(Machine* m) {
    m->top->rst = 1;
    for (int i = 0; i < 8; ++i) m->edge();
    m->top->rst = 0;
}

void orris_fault(Machine* m, int kind, uint64_t base, uint64_t limit) {
    m->fault_base[kind] = base;
    m->fault_limit[kind] = limit;
}

// Runs up to `most` cycles, or until the interrupt; returns how many.
uint64_t orris_run(Machine* m, uint64_t most, int until_irq) {
    const uint64_t begin = m->cycles;
    while (m->cycles - begin < most && !(until_irq && m->top->irq)) m->step();
    return m->cycles - begin;
}

int orris_irq(Machine* m) { return m->top->irq; }

// AXI4-Lite accesses return the response, or -1 if the slave does not answer.
int orris_write(Machine* m, unsigned address, uint32_t value) {
    auto& t = *m->top;
    t.s_axi_awaddr = address;
    t.s_axi_wdata = value;
    t.s_axi_wstrb = 15;
    t.s_axi_awvalid = t.s_axi_wvalid = 1;
    t.s_axi_bready = 1;
    for (unsigned i = 0; i < kBusTimeout; ++i) {
        t.eval();
        const bool aw = t.s_axi_awvalid && t.s_axi_awready, w = t.s_axi_wvalid && t.s_axi_wready;
        const bool done = t.s_axi_bvalid;
        const int response = t.s_axi_bresp;
        m->step();
        if (aw) t.s_axi_awvalid = 0;
        if (w) t.s_axi_wvalid = 0;
        if (done) {
            t.s_axi_bready = 0;
            return response;
        }
    }
    return -1;
}

int orris_read(Machine* m, unsigned address, uint32_t* value) {
    auto& t = *m->top;
    t.s_axi_araddr = address;
    t.s_axi_arvalid = 1;
    t.s_axi_rready = 1;
    for (unsigned i = 0; i < kBusTimeout; ++i) {
        t.eval();
        const bool ar = t.s_axi_arvalid && t.s_axi_arready, done = t.s_axi_rvalid;
        const int response = t.s_axi_rresp;
        *value = t.s_axi_rdata;
        m->step();
        if (ar) t.s_axi_arvalid = 0;
        if (done) {
            t.s_axi_rready = 0;
            return response;
        }
    }
    return -1;
}

// cycles, bytes read, bytes written, read bursts, write bursts
void orris_statistics(Machine* m, uint64_t* out) {
    const uint64_t values[] = {m->cycles, m->read_bytes, m->written_bytes, m->read_bursts, m->write_bursts};
    std::memcpy(out, values, sizeof values);
}

const char* orris_violation(Machine* m) { return m->violation.c_str(); }
}
