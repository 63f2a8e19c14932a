// Values in lockstep: V holds the same 32-bit part of a signal for all lanes, Mask a signal of one bit,
// so that logic, comparisons and selections need no conversion. Functions come for uint32_t as well: the
// code around the lanes is the same code with a single one; its masks are all ones or all zeros.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

// As many lanes as the machine's vectors have places.
#if defined(__AVX512BW__) && defined(__AVX512VL__)
#define MASKS 1  // the machine has masks of a bit per lane, and halves of as many lanes
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
// What is kept from cycle to cycle of signals of up to 8 and 16 bits.
typedef uint8_t V8 __attribute__((vector_size(LANES)));
typedef uint16_t V16 __attribute__((vector_size(2 * LANES)));

#if defined(MASKS)
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
static inline Mask eq(V16 a, V16 b) { return {_mm256_cmpeq_epi16_mask((__m256i)a, (__m256i)b)}; }
static inline Mask lt(V16 a, V16 b) { return {_mm256_cmplt_epu16_mask((__m256i)a, (__m256i)b)}; }
static inline Mask test(V16 a, unsigned i) {
    return {_mm256_test_epi16_mask((__m256i)a, _mm256_set1_epi16(short(1u << i)))};
}
static inline V16 keep(Mask m, V16 a) { return (V16)_mm256_maskz_mov_epi16(m.bits, (__m256i)a); }
static inline V16 select(Mask m, V16 a, V16 b) {
    return (V16)_mm256_mask_mov_epi16((__m256i)b, m.bits, (__m256i)a);
}
static inline V keep(Mask m, V a) { return (V)_mm512_maskz_mov_epi32(m.bits, (__m512i)a); }
static inline V select(Mask m, V a, V b) { return (V)_mm512_mask_mov_epi32((__m512i)b, m.bits, (__m512i)a); }
static inline uint32_t lane(Mask m, size_t i) { return -(m.bits >> i & 1u); }
static inline void put(Mask& m, size_t i, uint32_t value) {
    m.bits = __mmask16((m.bits & ~(1u << i)) | (value & 1u << i));
}
static inline void put_all(Mask& m, uint32_t value) { m.bits = __mmask16(value); }
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
static inline uint32_t lane(V8 a, size_t i) { return a[i]; }
static inline uint32_t lane(V16 a, size_t i) { return a[i]; }
static inline void put(V& a, size_t i, uint32_t value) { a[i] = value; }
static inline void put(V8& a, size_t i, uint32_t value) { a[i] = uint8_t(value); }
static inline void put(V16& a, size_t i, uint32_t value) { a[i] = uint16_t(value); }
template <class W> static inline void put_all(W& a, uint32_t value) {
    for (size_t i = 0; i < LANES; ++i) put(a, i, value);
}
static inline V wide(V a) { return a; }
#if defined(MASKS)
typedef V16 Half;
// (Forms with a mask, as GCC 12 warns of the others.)
static inline V wide(V8 a) { return (V)_mm512_maskz_cvtepu8_epi32(0xffff, (__m128i)a); }
static inline V wide(V16 a) { return (V)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)a); }
static inline Half half(V8 a) { return (V16)_mm256_cvtepu8_epi16((__m128i)a); }
static inline Half half(V16 a) { return a; }
static inline Half half(V a) { return (V16)_mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)a); }
template <class T> static inline T narrow(V a);
template <> inline V8 narrow<V8>(V a) { return (V8)_mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)a); }
template <> inline V16 narrow<V16>(V a) { return half(a); }
template <class T> static inline T narrow(V16 a);
template <> inline V8 narrow<V8>(V16 a) { return (V8)_mm256_maskz_cvtepi16_epi8(0xffff, (__m256i)a); }
template <> inline V16 narrow<V16>(V16 a) { return a; }
#else
typedef V Half;
static inline V wide(V8 a) { return __builtin_convertvector(a, V); }
static inline V wide(V16 a) { return __builtin_convertvector(a, V); }
static inline Half half(V8 a) { return wide(a); }
static inline Half half(V16 a) { return wide(a); }
static inline Half half(V a) { return a; }
template <class T> static inline T narrow(V a) { return __builtin_convertvector(a, T); }
#endif

static inline uint32_t wide(uint32_t a) { return a; }
static inline uint32_t half(uint32_t a) { return a; }
template <class T> static inline T narrow(uint32_t a) { return a; }
static inline uint32_t eq(uint32_t a, uint32_t b) { return -uint32_t(a == b); }
static inline uint32_t lt(uint32_t a, uint32_t b) { return -uint32_t(a < b); }
static inline uint32_t slt(uint32_t a, uint32_t b) { return -uint32_t(int32_t(a) < int32_t(b)); }
static inline uint32_t sra(uint32_t a, uint32_t b) { return uint32_t(int32_t(a) >> b); }
static inline uint32_t test(uint32_t a, unsigned i) { return -(a >> i & 1u); }
static inline uint32_t keep(uint32_t m, uint32_t a) { return m & a; }
static inline uint32_t select(uint32_t m, uint32_t a, uint32_t b) { return (m & a) | (~m & b); }
static inline unsigned set_lanes(uint32_t m) { return m & 1u; }

template <class W> static inline W all(uint32_t x) { return W{} + x; }
#if defined(MASKS)
template <> inline V16 all<V16>(uint32_t x) { return V16{} + uint16_t(x); }
#endif
template <class M> static inline M fixed(bool value) { return value ? ~M{} : M{}; }
// `ones` where the mask is set.
template <class W, class M> static inline W flag(M m, uint32_t ones) { return keep(m, all<W>(ones)); }

// Outputs of the units in vector v, or of those one lane further up or down, also beyond the vector's ends.
template <class E, size_t N> static constexpr size_t vectors(const E (&)[N]) { return N; }
template <class T> static inline T up(T low, T high) {
    T result;
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; ++i) result[i] = i ? high[i - 1] : low[LANES - 1];
    return result;
}
template <class T> static inline T down(T low, T high) {
    T result;
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; ++i) result[i] = i < LANES - 1 ? low[i + 1] : high[0];
    return result;
}
#if defined(MASKS)
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
template <class W> struct Lanes {  // a vector's lanes in memory
    std::decay_t<decltype(W{}[0])> each[LANES];
    Lanes() {}
    explicit Lanes(W a) { std::memcpy(each, &a, sizeof each); }
    W vector() const {
        W result;
        std::memcpy(&result, each, sizeof result);
        return result;
    }
};
template <class W, class A, class T, size_t N> static inline W read(const T (&memory)[LANES][N], A address) {
    const Lanes<A> at(address);
    Lanes<W> found;
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; ++i) found.each[i] = memory[i][at.each[i]];
    return found.vector();
}
template <class T, size_t N, class A, class W>
static inline void write(T (&memory)[LANES][N], Mask enable, A address, W data) {
    const Lanes<A> at(address);
    const Lanes<W> words(data);
    for (unsigned left = set_lanes(enable); left; left &= left - 1) {
        const unsigned i = __builtin_ctz(left);
        memory[i][at.each[i]] = T(words.each[i]);
    }
}
template <class W, class T, size_t N> static inline W read(const T (&memory)[1][N], uint32_t address) {
    return memory[0][address];
}
template <class T, size_t N>
static inline void write(T (&memory)[1][N], uint32_t enable, uint32_t address, uint32_t data) {
    if (enable) memory[0][address] = T(data);
}

// Masks of N vectors, for logic on all of them at once.
#if defined(MASKS)
static constexpr size_t padded(size_t n) { return n <= 1 ? 1 : 2 * padded((n + 1) / 2); }
template <size_t N> struct Masks {
    typedef uint16_t Bits __attribute__((vector_size(2 * padded(N))));
    Bits bits;
    friend Masks operator&(Masks a, Masks b) { return {a.bits & b.bits}; }
    friend Masks operator|(Masks a, Masks b) { return {a.bits | b.bits}; }
    friend Masks operator^(Masks a, Masks b) { return {a.bits ^ b.bits}; }
    friend Masks operator~(Masks a) { return {~a.bits}; }
};
template <size_t N> static inline Mask get(const Masks<N>& masks, size_t n) {
    Mask mask;
    std::memcpy(&mask, reinterpret_cast<const char*>(&masks) + sizeof mask * n, sizeof mask);
    return mask;
}
template <size_t N> static inline void put(Masks<N>& masks, size_t n, Mask mask) {
    std::memcpy(reinterpret_cast<char*>(&masks) + sizeof mask * n, &mask, sizeof mask);
}
#else
template <size_t N> struct Masks {
    Mask each[N];
    template <class F> static Masks of(F function) {
        Masks result;
#pragma GCC unroll 64
        for (size_t n = 0; n < N; ++n) result.each[n] = function(n);
        return result;
    }
    friend Masks operator&(const Masks& a, const Masks& b) {
        return of([&](size_t n) { return a.each[n] & b.each[n]; });
    }
    friend Masks operator|(const Masks& a, const Masks& b) {
        return of([&](size_t n) { return a.each[n] | b.each[n]; });
    }
    friend Masks operator^(const Masks& a, const Masks& b) {
        return of([&](size_t n) { return a.each[n] ^ b.each[n]; });
    }
    friend Masks operator~(const Masks& a) {
        return of([&](size_t n) { return ~a.each[n]; });
    }
};
template <size_t N> static inline Mask get(const Masks<N>& masks, size_t n) { return masks.each[n]; }
template <size_t N> static inline void put(Masks<N>& masks, size_t n, Mask mask) { masks.each[n] = mask; }
#endif

// A synchronous read port: where it is not enabled, the data holds.
template <class W, class T, class M, class A>
static inline W read(const T& memory, M enable, A address, W held) {
    return set_lanes(enable) ? select(enable, read<W>(memory, address), held) : held;
}
