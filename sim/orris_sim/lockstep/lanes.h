// Values in lockstep: V holds the same 32-bit part of a signal for all lanes. One-bit signals are masks,
// all ones or all zeros, so that logic, comparisons and selections need no conversion. Functions come
// for uint32_t as well: the code around the lanes is the same code with a single one.

#include <cstddef>
#include <cstdint>
#include <cstring>

// As many lanes as the machine's vectors have places.
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef uint32_t V __attribute__((vector_size(4 * LANES)));
typedef int32_t SignedV __attribute__((vector_size(4 * LANES)));

template <class W> static inline W all(uint32_t x) { return W{} + x; }

static inline V eq(V a, V b) { return (V)(a == b); }
static inline V lt(V a, V b) { return (V)(a < b); }
static inline V slt(V a, V b) { return (V)((SignedV)a < (SignedV)b); }
static inline V sra(V a, V b) { return (V)((SignedV)a >> (SignedV)b); }
static inline uint32_t eq(uint32_t a, uint32_t b) { return -uint32_t(a == b); }
static inline uint32_t lt(uint32_t a, uint32_t b) { return -uint32_t(a < b); }
static inline uint32_t slt(uint32_t a, uint32_t b) { return -uint32_t(int32_t(a) < int32_t(b)); }
static inline uint32_t sra(uint32_t a, uint32_t b) { return uint32_t(int32_t(a) >> b); }

template <class W> static inline W bit(W a, unsigned i) { return -((a >> i) & 1u); }
template <class W> static inline W select(W mask, W a, W b) { return (mask & a) | (~mask & b); }

static inline bool any(V mask) {
    uint64_t words[LANES / 2], set = 0;
    std::memcpy(words, &mask, sizeof words);
    for (uint64_t word : words) set |= word;
    return set;
}

// Memories: words of each lane side by side. Addresses and data go lane by lane through the stack.
template <class T, size_t N> static inline V read(const T (&memory)[LANES][N], V address) {
    uint32_t at[LANES], found[LANES];
    V result;
    std::memcpy(at, &address, sizeof at);
    for (size_t lane = 0; lane < LANES; ++lane) found[lane] = memory[lane][at[lane]];
    std::memcpy(&result, found, sizeof result);
    return result;
}
template <class T, size_t N> static inline void write(T (&memory)[LANES][N], V enable, V address, V data) {
    if (!any(enable)) return;
    uint32_t on[LANES], at[LANES], words[LANES];
    std::memcpy(on, &enable, sizeof on);
    std::memcpy(at, &address, sizeof at);
    std::memcpy(words, &data, sizeof words);
    for (size_t lane = 0; lane < LANES; ++lane)
        if (on[lane]) memory[lane][at[lane]] = T(words[lane]);
}

static inline bool any(uint32_t mask) { return mask; }
template <class T, size_t N> static inline uint32_t read(const T (&memory)[1][N], uint32_t address) {
    return memory[0][address];
}
template <class T, size_t N>
static inline void write(T (&memory)[1][N], uint32_t enable, uint32_t address, uint32_t data) {
    if (enable) memory[0][address] = T(data);
}

// A synchronous read port: where it is not enabled, the data holds.
template <class M, class W> static inline W read(const M& memory, W enable, W address, W held) {
    return any(enable) ? select(enable, read(memory, address), held) : held;
}
