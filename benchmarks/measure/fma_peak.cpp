// The most floating-point operations that one core does: independent chains v = v a + b in registers.
// LANES doubles to a register; without FMA the compiler makes a product and a sum of it.

typedef double Lanes __attribute__((vector_size(8 * LANES)));

constexpr int chains = LANES < 8 ? 12 : 24;  // latency x ports, within the number of registers

// Runs n steps of all chains; the operations done, an FMA counting as two.
extern "C" double operations(long n, double* out) {
    Lanes v[chains], a = {}, b = {};
    a += 0.999999;
    b += 1e-6;
    for (Lanes& each : v) each = b;
    for (long i = 0; i < n; ++i)
#pragma GCC unroll 24
        for (int k = 0; k < chains; ++k) v[k] = v[k] * a + b;
    for (const Lanes& each : v) *out += each[0];
    return 2.0 * n * chains * LANES;
}
