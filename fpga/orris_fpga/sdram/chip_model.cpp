// C interface of the model, for chip_model.py.

#include "chip_model.hpp"

extern "C" {
SdramModel* sdram_new(const SdramTiming* timing, double clock_hz) { return new SdramModel(*timing, clock_hz); }
void sdram_delete(SdramModel* model) { delete model; }
uint16_t sdram_clock(SdramModel* model, const SdramPins* pins) { return model->clock(*pins); }
const char* sdram_violation(SdramModel* model) { return model->violation().c_str(); }
uint16_t* sdram_memory(SdramModel* model) { return model->memory(); }
}
