// A behavioural model of an SDR SDRAM chip: stores what is written, drives what is read, and notes the first
// violation of the data sheet's rules. It knows the chip's times in nanoseconds and nothing of the controller.

#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

struct SdramTiming {  // as orris_fpga.sdram.chips.SdramChip; nanoseconds, t_mrd and cas_latency in cycles
    uint32_t row_bits, column_bits, cas_latency, t_mrd, power_up_refreshes;
    double t_rcd, t_rp, t_ras, t_rc, t_rrd, t_rfc, t_wr, t_ras_max, t_refresh, t_power_up;
};

struct SdramPins {
    uint32_t clk_en, cs, ras, cas, we, ba, a, dqm, dq_o, dq_oe;
};

class SdramModel {
  public:
    SdramModel(const SdramTiming& timing, double clock_hz)
        : t_(timing), period_(1e9 / clock_hz), memory_(size_t(1) << (timing.row_bits + timing.column_bits + 2)) {
        for (size_t i = 0; i < memory_.size(); ++i) memory_[i] = uint16_t(i * 40503u >> 4);  // as found
    }

    // One clock: what the controller drives during it. Returns what the chip puts on DQ for the controller's
    // next clock edge.
    uint16_t clock(const SdramPins& pins) {
        const bool command = pins.cs && (pins.ras || pins.cas || pins.we);
        if (!pins.clk_en && (enabled_ || command)) violate("clock enable is low");
        enabled_ = enabled_ || pins.clk_en;
        if (command) {
            if (ns(now_) < t_.t_power_up) violate("tPOWERUP: a command before power and clock are stable");
            if (now_ < mode_time_ + int64_t(t_.t_mrd)) violate("tMRD: a command too soon after MODE");
            if (early(refresh_time_, t_.t_rfc)) violate("tRFC: a command too soon after REFRESH");
            execute(pins);
        }
        write_data(pins);
        const uint16_t out = read_data(pins);
        check_refresh();
        ++now_;
        return out;
    }

    const std::string& violation() const { return violation_; }
    uint16_t* memory() { return memory_.data(); }

  private:
    static constexpr int64_t kNever = -(int64_t(1) << 40);
    static constexpr unsigned kPostponed = 8;  // REFRESHes that may be late

    struct Bank {
        bool open = false;
        uint32_t row = 0;
        int64_t activated = kNever, precharged = kNever, written = kNever, burst_end = kNever;
    };
    struct Beat {
        int64_t time;
        size_t place;
    };

    double ns(int64_t cycles) const { return double(cycles) * period_; }
    bool early(int64_t since, double least) const { return ns(now_ - since) < least - 1e-6; }
    void violate(const char* what) {
        if (violation_.empty()) violation_ = std::string(what) + ", in cycle " + std::to_string(now_);
    }
    bool any_open() const {
        for (const Bank& bank : banks_)
            if (bank.open) return true;
        return false;
    }
    void check_closed(const char* open, const char* soon) {
        if (any_open()) violate(open);
        for (const Bank& bank : banks_)
            if (early(bank.precharged, t_.t_rp)) violate(soon);
    }

    void execute(const SdramPins& pins) {
        Bank& bank = banks_[pins.ba & 3];
        const unsigned command = pins.ras | pins.cas << 1 | pins.we << 2;
        const bool a10 = pins.a >> 10 & 1;
        switch (command) {
        case 1: activate(bank, pins); break;
        case 2: column(bank, pins, a10, false); break;
        case 6: column(bank, pins, a10, true); break;
        case 5:
            for (unsigned i = 0; i < 4; ++i)
                if (a10 || i == (pins.ba & 3)) precharge(banks_[i]);
            break;
        case 3:
            check_closed("REFRESH with an open row", "tRP: REFRESH too soon after PRECHARGE");
            if (!precharged_) violate("initialisation: REFRESH before PRECHARGE");
            refresh_time_ = now_;
            ++refreshes_;
            break;
        case 7:
            check_closed("MODE with an open row", "tRP: MODE too soon after PRECHARGE");
            load_mode(pins.a | (pins.ba & 3) << t_.row_bits);
            break;
        default: violate("an unknown command");
        }
    }

    void load_mode(uint32_t mode) {
        if (refreshes_ < t_.power_up_refreshes) violate("initialisation: too few REFRESHes before MODE");
        burst_ = 1u << (mode & 7);
        latency_ = mode >> 4 & 7;
        if ((mode & 7) > 3 || mode & 8) violate("mode register: burst not of 1, 2, 4 or 8, sequential");
        if (latency_ < t_.cas_latency || latency_ > 3) violate("mode register: CAS latency");
        if (mode >> 7) violate("mode register: a reserved bit, or single writes");
        mode_time_ = now_;
        if (!ready_) debt_start_ = now_, refreshes_since_ = refreshes_;
        ready_ = true;
    }

    void activate(Bank& bank, const SdramPins& pins) {
        if (!ready_) violate("initialisation: ACTIVATE before MODE");
        if (bank.open) violate("ACTIVATE of an open bank");
        if (early(bank.precharged, t_.t_rp)) violate("tRP: ACTIVATE too soon after PRECHARGE");
        if (early(bank.activated, t_.t_rc)) violate("tRC: ACTIVATE too soon after ACTIVATE of the same bank");
        for (const Bank& other : banks_)
            if (&other != &bank && early(other.activated, t_.t_rrd)) violate("tRRD: ACTIVATE too soon");
        if (pins.a >> t_.row_bits) violate("a row that is not there");
        bank.open = true;
        bank.row = pins.a;
        bank.activated = now_;
    }

    void precharge(Bank& bank) {
        precharged_ = true;
        if (bank.open) {
            if (early(bank.activated, t_.t_ras)) violate("tRAS: PRECHARGE too soon after ACTIVATE");
            if (ns(now_ - bank.activated) > t_.t_ras_max) violate("tRAS: a row open for too long");
            if (early(bank.written, t_.t_wr)) violate("tWR: PRECHARGE too soon after data were written");
            if (now_ <= bank.burst_end) violate("PRECHARGE cuts a burst off");
        }
        bank.open = false;
        bank.precharged = now_;
    }

    void column(Bank& bank, const SdramPins& pins, bool a10, bool writing) {
        if (!bank.open) {
            violate("READ or WRITE of a closed bank");
            return;
        }
        if (early(bank.activated, t_.t_rcd)) violate("tRCD: READ or WRITE too soon after ACTIVATE");
        if (a10) violate("auto precharge is not modelled");
        if (now_ <= last_burst_end_) violate("READ or WRITE cuts a burst off");
        if (ns(now_ - bank.activated) > t_.t_ras_max) violate("tRAS: a row open for too long");
        const uint32_t column = pins.a & ((1u << t_.column_bits) - 1);
        const size_t row = (size_t(pins.ba & 3) << t_.row_bits | bank.row) << t_.column_bits;
        for (uint32_t i = 0; i < burst_; ++i) {
            const uint32_t within = (column & ~(burst_ - 1)) | ((column + i) & (burst_ - 1));
            if (writing)
                writes_.push_back({now_ + i, row | within});
            else
                reads_.push_back({now_ + int64_t(latency_) - 1 + i, row | within});
        }
        bank.burst_end = last_burst_end_ = now_ + burst_ - 1;
        if (writing) bank.written = last_burst_end_;
    }

    void write_data(const SdramPins& pins) {
        if (writes_.empty() || writes_.front().time != now_) return;
        const size_t place = writes_.front().place;
        writes_.pop_front();
        if (!pins.dq_oe) violate("nobody drives the data of a WRITE");
        if (!(pins.dqm & 1)) memory_[place] = (memory_[place] & 0xFF00) | (pins.dq_o & 0xFF);
        if (!(pins.dqm & 2)) memory_[place] = (memory_[place] & 0xFF) | (pins.dq_o & 0xFF00);
    }

    uint16_t read_data(const SdramPins& pins) {
        // The chip lets go of the bus within the clock after its last data.
        if (pins.dq_oe && driven_ == now_ - 1) violate("chip and controller drive the data bus");
        if (!reads_.empty() && reads_.front().time == now_) {
            const size_t place = reads_.front().place;
            reads_.pop_front();
            driven_ = now_;
            if (pins.dq_oe) violate("chip and controller drive the data bus");
            if (masked_ >> 1 & 1) violate("DQM hides data of a READ");
            masked_ = masked_ << 1 | (pins.dqm != 0);
            return memory_[place];
        }
        masked_ = masked_ << 1 | (pins.dqm != 0);
        return 0x5A5A;
    }

    void check_refresh() {
        if (!ready_) return;
        const double interval = t_.t_refresh / double(1u << t_.row_bits);
        const double wanted = ns(now_ - debt_start_) / interval;
        if (wanted > double(refreshes_ - refreshes_since_ + kPostponed)) violate("tREFI: REFRESHes are missing");
    }

    SdramTiming t_;
    double period_;
    std::vector<uint16_t> memory_;
    Bank banks_[4];
    std::deque<Beat> reads_, writes_;
    std::string violation_;
    int64_t now_ = 0, mode_time_ = kNever, refresh_time_ = kNever, last_burst_end_ = kNever, driven_ = kNever;
    int64_t debt_start_ = 0, refreshes_ = 0, refreshes_since_ = 0;
    uint32_t burst_ = 1, latency_ = 0, masked_ = 0;
    bool enabled_ = false, ready_ = false, precharged_ = false;
};
