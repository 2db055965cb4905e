// An RF pulse of hard-edged samples, of the models that follow the saturation of the semi-solid pool.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernel/abi.hpp"

namespace spinbound::models {

// What a pulse throws that is told to stop.
struct Stopped {};

struct Pulse {
    Model model;
    double alpha, TRF;
    Waveform shape;
    const std::atomic<bool>* stop = nullptr;  // polled between elements

    int n_samples() const { return shape.n > 0 ? shape.n : 1; }
    double sample_duration() const { return TRF / n_samples(); }
    // B1 alpha/TRF w_k
    std::complex<double> omega1(int k, double B1) const {
        return B1 * alpha / TRF * (shape.n > 0 ? shape.sample[k] : std::complex<double>(1));
    }
    // |B1 int omega1 dt|
    double flip(double B1) const {
        std::complex<double> sum = 0;
        for (int k = 0; k < n_samples(); ++k) sum += omega1(k, B1);
        return std::abs(sum) * sample_duration();
    }
    void poll() const {
        if (stop && stop->load(std::memory_order_relaxed)) throw Stopped{};
    }
    // Whether sample k, seen from its predecessor, changes nothing.
    bool continues(int k) const { return k > 0 && shape.sample[k] == shape.sample[k - 1]; }
    double largest_omega1(double B1) const {
        double largest = 0;
        for (int k = 0; k < n_samples(); ++k) largest = std::max(largest, std::abs(omega1(k, B1)));
        return largest;
    }
};

}  // namespace spinbound::models
