// The machine that the firmware runs on, written down a second time from docs and memory map: an RV32I core
// with Zmmul, the PE, the buffer, the host registers and a memory, with the gateware's cycles to within a few
// percent. Whatever the contract forbids (an unknown instruction, a misaligned or stray access, a push into a
// PE that can never take it) ends the program with a complaint.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

enum : uint32_t { ROM = 0, RAM = 0x10000000, IO = 0x20000000, MEMORY = 0x80000000 };
enum : uint32_t {
    STATUS = IO,
    CYCLES = IO + 4,
    STREAM = IO + 8,
    FILTER = IO + 0x100,
    FIELD = IO + 0x140,
    LAST = IO + 0x180
};
enum : unsigned { ERROR_CODE = 0x10, TIMEOUT = 0x30, ERROR_TIMEOUT = 7 }; // host registers, and a code
constexpr uint64_t HANG = 100000;

struct Complaint : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void complain(const char *what, uint32_t at, uint32_t pc)
{
    char text[160];
    snprintf(text, sizeof text, "%s %#010x at pc %#06x", what, at, pc);
    throw Complaint(text);
}

// Memory does not answer.
struct Silence {};

// One filter row against one ifmap row, a multiply-accumulate a cycle; see the docstring of the PE.
struct Pe {
    unsigned filters_room, ifmap_room, psum_room;
    std::vector<int8_t> loading, filters;
    uint8_t fields[7];
    unsigned told = 0, p = 0, taps = 0, step = 0, positions = 0;
    bool loaded = false, active = false;
    std::deque<std::pair<int32_t, uint64_t>> ring; // value, time of its arrival
    std::vector<int32_t> sums;
    unsigned tap = 0, filter = 0, freed = 0; // of the position under way; `freed` of the ring's front
    std::deque<std::pair<int32_t, uint64_t>> leaving;
    uint64_t time = 0, loaded_at = 0;

    void advance(uint64_t now)
    {
        for (;;) {
            if (!active) {
                if (!loaded)
                    return;
                p = fields[0] + 1, taps = fields[1] + 1, step = fields[2],
                positions = (fields[3] << 8 | fields[4]) + 1;
                filters = loading;
                loading.clear();
                told = 0;
                loaded = false, active = true;
                sums.assign(p, 0);
                tap = filter = freed = 0;
                time = std::max(time, loaded_at);
            }
            if (ring.size() <= tap - freed)
                return;
            auto [value, arrival] = ring[tap - freed];
            time = std::max(time, arrival + 1);
            bool last_tap = tap + 1 == taps;
            for (; filter < p; filter++, time++) {
                if (time > now || (last_tap && leaving.size() >= 2))
                    return;
                sums[filter] += value * filters[tap * p + filter];
                if (last_tap)
                    leaving.push_back({sums[filter], time + 7}), sums[filter] = 0;
            }
            filter = 0;
            if (tap < step || positions == 1)
                ring.pop_front(), freed++;
            tap++;
            if (last_tap) {
                tap = freed = 0;
                if (--positions == 0)
                    active = false;
            }
        }
    }
};

struct Machine {
    std::vector<uint32_t> rom;
    std::vector<uint8_t> ram, memory;
    uint32_t registers_base; // offset in RAM
    Pe pe;
    uint32_t x[32], pc = 0, page = 0, lowest_sp = ~0u;
    uint64_t now = 0, latency;
    uint64_t instructions = 0;
    bool busy = false, done = false, error = false, cold = true, waits = true, read_failed = false,
         write_failed = false;
    uint64_t fault[4] = {};
    bool silent = false;
    std::string complaint;

    void reset_core()
    {
        std::mt19937 garbage(now);
        for (auto &value : x)
            value = garbage();
        x[0] = 0, pc = 0, waits = true;
        read_failed = write_failed = false;
        unsigned filters = pe.filters_room, ifmap = pe.ifmap_room, psum = pe.psum_room;
        pe = Pe();
        pe.filters_room = filters, pe.ifmap_room = ifmap, pe.psum_room = psum;
        pe.time = now;
    }

    template <class Ready> void wait_for(Ready ready, const char *what, uint32_t address)
    {
        for (uint64_t since = now; pe.advance(now), !ready(); now++)
            if (now - since > HANG)
                complain(what, address, pc);
    }

    uint8_t *place(uint32_t address, unsigned bytes)
    {
        if (address % bytes)
            complain("misaligned access to", address, pc);
        if (address - RAM < ram.size())
            return &ram[address - RAM];
        return nullptr;
    }

    // In memory, where bytes beyond the end are answered with an error, and given ones as well, or never.
    uint8_t *outside(uint32_t address, bool write)
    {
        uint32_t at = (address & 0x7fffffff) | (page & 0x80000000);
        now += latency;
        if (silent && at >= fault[2 * write] && at < fault[2 * write + 1])
            throw Silence();
        if (at >= memory.size() || (at >= fault[2 * write] && at < fault[2 * write + 1])) {
            (write ? write_failed : read_failed) = true;
            return nullptr;
        }
        return &memory[at];
    }

    uint32_t load(uint32_t address, unsigned bytes)
    {
        uint32_t value = 0;
        if (uint8_t *from = place(address, bytes)) {
            memcpy(&value, from, bytes);
        } else if (address / 4 < rom.size()) {
            memcpy(&value, (uint8_t *)rom.data() + address, bytes);
        } else if (address >= MEMORY) {
            if (uint8_t *from = outside(address, false))
                memcpy(&value, from, bytes);
        } else if (address == STATUS && bytes == 4) {
            value = busy | read_failed << 1 | write_failed << 2 | cold << 3;
        } else if (address == CYCLES && bytes == 4) {
            value = now;
        } else if (address == STREAM && bytes == 4) {
            auto &leaving = pe.leaving;
            wait_for([&] { return !leaving.empty() && leaving.front().second <= now; },
                     "no psum comes:", address);
            value = leaving.front().first;
            leaving.pop_front();
        } else
            complain("stray load from", address, pc);
        return value;
    }

    void store(uint32_t address, uint32_t value, unsigned bytes)
    {
        if (uint8_t *to = place(address, bytes)) {
            memcpy(to, &value, bytes);
        } else if (address >= MEMORY) {
            if (uint8_t *to = outside(address, true))
                memcpy(to, &value, bytes);
        } else if (bytes != 4) {
            complain("stray store to", address, pc);
        } else if (address == STATUS) {
            busy = waits = false;
            if (value) {
                cold = false;
                done = value & 1, error = value & 2;
                if (done && (!pe.ring.empty() || !pe.leaving.empty() || pe.active || pe.loaded || pe.told))
                    complain("the PE is not drained", address, pc);
            }
        } else if (address == CYCLES) {
            page = value;
        } else if (address == STREAM) {
            if ((int32_t)value < -256 || (int32_t)value > 255)
                complain("no operand:", value, pc);
            wait_for([&] { return pe.ring.size() < pe.ifmap_room; }, "the PE takes no ifmap value", address);
            pe.ring.push_back({value, now});
        } else if (address == FILTER || address == LAST) {
            wait_for([&] { return !pe.loaded; }, "the PE takes no filter", address);
            if (pe.told != 7 || pe.loading.size() >= pe.filters_room)
                complain("a filter out of turn:", value, pc);
            pe.loading.push_back(value);
            if (address == LAST) {
                unsigned p = pe.fields[0] + 1, taps = pe.fields[1] + 1;
                if (p > pe.psum_room || taps > pe.ifmap_room || p * taps != pe.loading.size() ||
                    pe.fields[5] || pe.fields[6])
                    complain("a pass that the PE cannot make", value, pc);
                pe.loaded = true, pe.loaded_at = now;
            }
        } else if (address - FIELD < 28) {
            wait_for([&] { return !pe.loaded; }, "the PE takes no field", address);
            if ((address - FIELD) / 4 != pe.told || value > 255)
                complain("a field out of turn:", address, pc);
            pe.fields[pe.told++] = value;
        } else
            complain("stray store to", address, pc);
    }

    void step()
    {
        if (pc % 4 || pc / 4 >= rom.size())
            complain("instruction from", pc, pc);
        uint32_t code = rom[pc / 4], next = pc + 4, value = 0;
        unsigned opcode = code & 127, rd = code >> 7 & 31, f3 = code >> 12 & 7, f7 = code >> 25;
        uint32_t a = x[code >> 15 & 31], b = x[code >> 20 & 31];
        int32_t i = (int32_t)code >> 20, s = ((int32_t)code >> 25) * 32 + (int32_t)rd;
        bool writes = true;
        instructions++;
        now += 2;
        switch (opcode) {
        case 0x37: value = code & ~0xfffu; break;
        case 0x17: value = pc + (code & ~0xfffu); break;
        case 0x6f:
            value = next;
            next = pc + (((int32_t)code >> 31) * 0x100000 | (code & 0xff000) | (code >> 9 & 0x800) |
                         (code >> 20 & 0x7fe));
            break;
        case 0x67:
            if (f3)
                complain("unknown instruction", code, pc);
            value = next, next = (a + i) & ~1u;
            break;
        case 0x63: {
            bool take;
            switch (f3) {
            case 0: take = a == b; break;
            case 1: take = a != b; break;
            case 4: take = (int32_t)a < (int32_t)b; break;
            case 5: take = (int32_t)a >= (int32_t)b; break;
            case 6: take = a < b; break;
            case 7: take = a >= b; break;
            default: complain("unknown instruction", code, pc);
            }
            if (take)
                next = pc + (((int32_t)code >> 31) * 0x1000 | (code << 4 & 0x800) | (code >> 20 & 0x7e0) |
                             (code >> 7 & 0x1e));
            writes = false;
            break;
        }
        case 0x03:
            now += 2;
            switch (f3) {
            case 0: value = (int8_t)load(a + i, 1); break;
            case 1: value = (int16_t)load(a + i, 2); break;
            case 2: value = load(a + i, 4); break;
            case 4: value = load(a + i, 1); break;
            case 5: value = load(a + i, 2); break;
            default: complain("unknown instruction", code, pc);
            }
            break;
        case 0x23:
            now++;
            if (f3 > 2)
                complain("unknown instruction", code, pc);
            store(a + s, b, 1 << f3);
            writes = false;
            break;
        case 0x13:
        case 0x33: {
            bool immediate = opcode == 0x13;
            if (!immediate && f7 == 1) {
                now += 32;
                int64_t sa = (int32_t)a, sb = (int32_t)b;
                switch (f3) {
                case 0: value = a * b; break;
                case 1: value = sa * sb >> 32; break;
                case 2: value = sa * (int64_t)(uint64_t)b >> 32; break;
                case 3: value = (uint64_t)a * b >> 32; break;
                default: complain("unknown instruction", code, pc);
                }
                break;
            }
            uint32_t c = immediate ? i : b;
            unsigned amount = c & 31;
            bool alternate = f7 == 32;
            if ((!immediate || f3 == 1 || f3 == 5) && f7 &&
                !(alternate && (f3 == 5 || (f3 == 0 && !immediate))))
                complain("unknown instruction", code, pc);
            switch (f3) {
            case 0: value = alternate && !immediate ? a - c : a + c; break;
            case 1: value = a << amount, now += amount; break;
            case 2: value = (int32_t)a < (int32_t)c; break;
            case 3: value = a < c; break;
            case 4: value = a ^ c; break;
            case 5: value = alternate ? (int32_t)a >> amount : a >> amount, now += amount; break;
            case 6: value = a | c; break;
            case 7: value = a & c; break;
            }
            break;
        }
        default: complain("unknown instruction", code, pc);
        }
        if (writes && rd)
            x[rd] = value;
        if (rd == 2 && (code >> 15 & 31) == 2 && opcode == 0x13)
            lowest_sp = std::min(lowest_sp, value);
        pc = next;
    }
};

} // namespace

extern "C" {

// `numbers`: words of ROM, bytes of RAM, offset of the host registers in it, bytes of memory, filter, ifmap
// and psum scratchpads, latency of memory, seed.
Machine *machine_new(const uint32_t *rom, const uint64_t *numbers)
{
    auto *m = new Machine;
    m->rom.assign(rom, rom + numbers[0]);
    std::mt19937_64 garbage(numbers[8]);
    m->ram.resize(numbers[1]);
    for (auto &byte : m->ram)
        byte = garbage();
    m->registers_base = numbers[2];
    m->memory.resize(numbers[3]);
    m->pe.filters_room = numbers[4], m->pe.ifmap_room = numbers[5], m->pe.psum_room = numbers[6];
    m->latency = numbers[7];
    m->now = numbers[8] * 0x9e3779b97f4a7c15;
    m->now &= 0xffffffff;
    m->reset_core();
    return m;
}

void machine_delete(Machine *m) { delete m; }
uint8_t *machine_memory(Machine *m) { return m->memory.data(); }
uint32_t *machine_register(Machine *m, unsigned offset)
{
    return (uint32_t *)&m->ram[m->registers_base + offset];
}
unsigned machine_state(Machine *m) { return m->busy | m->done << 1 | m->error << 2; }
void machine_soft_reset(Machine *m) { m->busy = m->done = m->error = false, m->reset_core(); }
void machine_start(Machine *m) { m->busy = true, m->done = false; }
void machine_clear_done(Machine *m) { m->done = false; }
const char *machine_complaint(Machine *m) { return m->complaint.c_str(); }
uint32_t machine_lowest_sp(Machine *m) { return m->lowest_sp; }
uint64_t machine_instructions(Machine *m) { return m->instructions; }
void machine_fault(Machine *m, unsigned write, uint64_t base, uint64_t limit, unsigned silent)
{
    m->silent = silent;
    m->fault[2 * write] = base, m->fault[2 * write + 1] = limit;
}

// Runs until the host registers can be read and nothing is busy, or for so many cycles; whether it came to
// that.
int machine_run(Machine *m, uint64_t cycles)
{
    uint64_t end = m->now + cycles;
    try {
        while (m->now < end) {
            m->step();
            if (!m->busy && !m->waits)
                return 1;
        }
    } catch (Silence) { // the gateware ends the program
        m->busy = false, m->error = true;
        m->now += *machine_register(m, TIMEOUT);
        *machine_register(m, ERROR_CODE) = ERROR_TIMEOUT;
        return 1;
    } catch (const Complaint &complaint) {
        m->complaint = complaint.what();
    }
    return 0;
}
}
