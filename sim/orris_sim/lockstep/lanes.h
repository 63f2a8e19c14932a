// Values in lockstep: V holds the same 32-bit part of a signal for all lanes, Mask a signal of one bit,
// so that logic, comparisons and selections need no conversion. Functions come for uint32_t as well: the
// code around the lanes is the same code with a single one; its masks are all ones or all zeros.

#include <cstddef>
#include <cstdint>
#include <cstring>

// As many lanes as the machine's vectors have places.
#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#elif defined(__AVX2__)
#include <immintrin.h>
#define LANES 8
#else
#define LANES 4
#endif

typedef uint32_t V __attribute__((vector_size(4 * LANES)));
typedef int32_t SignedV __attribute__((vector_size(4 * LANES)));

#if defined(__AVX512F__)
struct Mask {
    __mmask16 bits;
};
static inline Mask operator&(Mask a, Mask b) { return {__mmask16(a.bits & b.bits)}; }
static inline Mask operator|(Mask a, Mask b) { return {__mmask16(a.bits | b.bits)}; }
static inline Mask operator^(Mask a, Mask b) { return {__mmask16(a.bits ^ b.bits)}; }
static inline Mask operator~(Mask a) { return {__mmask16(~a.bits)}; }
static inline Mask eq(V a, V b) { return {_mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b)}; }
static inline Mask lt(V a, V b) { return {_mm512_cmplt_epu32_mask((__m512i)a, (__m512i)b)}; }
static inline Mask slt(V a, V b) { return {_mm512_cmplt_epi32_mask((__m512i)a, (__m512i)b)}; }
static inline Mask test(V a, unsigned i) {
    return {_mm512_test_epi32_mask((__m512i)a, _mm512_set1_epi32(int(1u << i)))};
}
static inline V keep(Mask m, V a) { return (V)_mm512_maskz_mov_epi32(m.bits, (__m512i)a); }
static inline V select(Mask m, V a, V b) { return (V)_mm512_mask_mov_epi32((__m512i)b, m.bits, (__m512i)a); }
static inline uint32_t lane(Mask m, size_t i) { return -(m.bits >> i & 1u); }
static inline void put(Mask& m, size_t i, uint32_t value) {
    m.bits = __mmask16((m.bits & ~(1u << i)) | (value & 1u << i));
}
static inline unsigned set_lanes(Mask m) { return m.bits; }
#else
typedef V Mask;
static inline Mask eq(V a, V b) { return (Mask)(a == b); }
static inline Mask lt(V a, V b) { return (Mask)(a < b); }
static inline Mask slt(V a, V b) { return (Mask)((SignedV)a < (SignedV)b); }
static inline Mask test(V a, unsigned i) { return -((a >> i) & 1u); }
static inline V keep(Mask m, V a) { return m & a; }
static inline V select(Mask m, V a, V b) { return (m & a) | (~m & b); }
static inline unsigned set_lanes(Mask m) {
#if defined(__AVX2__)
    return unsigned(_mm256_movemask_ps((__m256)m));
#else
    unsigned lanes = 0;
    for (size_t i = 0; i < LANES; ++i) lanes |= m[i] & 1u << i;
    return lanes;
#endif
}
#endif

static inline V sra(V a, V b) { return (V)((SignedV)a >> (SignedV)b); }
static inline uint32_t lane(V a, size_t i) { return a[i]; }
static inline void put(V& a, size_t i, uint32_t value) { a[i] = value; }

static inline uint32_t eq(uint32_t a, uint32_t b) { return -uint32_t(a == b); }
static inline uint32_t lt(uint32_t a, uint32_t b) { return -uint32_t(a < b); }
static inline uint32_t slt(uint32_t a, uint32_t b) { return -uint32_t(int32_t(a) < int32_t(b)); }
static inline uint32_t sra(uint32_t a, uint32_t b) { return uint32_t(int32_t(a) >> b); }
static inline uint32_t test(uint32_t a, unsigned i) { return -(a >> i & 1u); }
static inline uint32_t keep(uint32_t m, uint32_t a) { return m & a; }
static inline uint32_t select(uint32_t m, uint32_t a, uint32_t b) { return (m & a) | (~m & b); }
static inline unsigned set_lanes(uint32_t m) { return m & 1u; }

template <class W> static inline W all(uint32_t x) { return W{} + x; }
template <class M> static inline M fixed(bool value) { return value ? ~M{} : M{}; }
// `ones` where the mask is set.
static inline V flag(Mask m, uint32_t ones) { return keep(m, all<V>(ones)); }
static inline uint32_t flag(uint32_t m, uint32_t ones) { return m & ones; }

// Outputs of the units in vector v, or of those one lane further up or down, also beyond the vector's ends.
template <class E, size_t N> static constexpr size_t vectors(const E (&)[N]) { return N; }
static inline V up(V low, V high) {
    V result;
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; ++i) result[i] = i ? high[i - 1] : low[LANES - 1];
    return result;
}
static inline V down(V low, V high) {
    V result;
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; ++i) result[i] = i < LANES - 1 ? low[i + 1] : high[0];
    return result;
}
#if defined(__AVX512F__)
static inline Mask up(Mask low, Mask high) { return {__mmask16(high.bits << 1 | low.bits >> 15)}; }
static inline Mask down(Mask low, Mask high) { return {__mmask16(low.bits >> 1 | high.bits << 15)}; }
#endif
template <class E, size_t N, class T> static inline T beside(const E (&each)[N], T E::*port, size_t v) {
    return v < N ? each[v].*port : T{};
}
template <class E, size_t N, class T> static inline T preceding(const E (&each)[N], T E::*port, size_t v) {
    return up(v ? each[v - 1].*port : T{}, beside(each, port, v));
}
template <class E, size_t N, class T> static inline T following(const E (&each)[N], T E::*port, size_t v) {
    return down(beside(each, port, v), beside(each, port, v + 1));
}

// Memories: the words of each lane side by side. Addresses and data go lane by lane through the stack.
template <class T, size_t N> static inline V read(const T (&memory)[LANES][N], V address) {
    uint32_t at[LANES], found[LANES];
    V result;
    std::memcpy(at, &address, sizeof at);
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; ++i) found[i] = memory[i][at[i]];
    std::memcpy(&result, found, sizeof result);
    return result;
}
template <class T, size_t N> static inline void write(T (&memory)[LANES][N], Mask enable, V address, V data) {
    uint32_t at[LANES], words[LANES];
    std::memcpy(at, &address, sizeof at);
    std::memcpy(words, &data, sizeof words);
    for (unsigned left = set_lanes(enable); left; left &= left - 1) {
        const unsigned i = __builtin_ctz(left);
        memory[i][at[i]] = T(words[i]);
    }
}
template <class T, size_t N> static inline uint32_t read(const T (&memory)[1][N], uint32_t address) {
    return memory[0][address];
}
template <class T, size_t N>
static inline void write(T (&memory)[1][N], uint32_t enable, uint32_t address, uint32_t data) {
    if (enable) memory[0][address] = T(data);
}

// A synchronous read port: where it is not enabled, the data holds.
template <class T, class M, class W> static inline W read(const T& memory, M enable, W address, W held) {
    return set_lanes(enable) ? select(enable, read(memory, address), held) : held;
}
