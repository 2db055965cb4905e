// Numbers that carry their derivatives by B1 and omega0, which turn the axis of the hybrid state; and plain lanes in
// their place where no derivatives are asked for.
#pragma once

#include "kernel/lanes.hpp"

namespace spinbound {
namespace {

struct Dual {
    Lane value, B1, omega0;
};

inline Dual operator+(const Dual& a, const Dual& b) noexcept {
    return {a.value + b.value, a.B1 + b.B1, a.omega0 + b.omega0};
}

inline Dual operator*(Real factor, const Dual& a) noexcept {
    return {factor * a.value, factor * a.B1, factor * a.omega0};
}

inline Dual operator*(const Dual& a, const Dual& b) noexcept {
    return {a.value * b.value, a.value * b.B1 + a.B1 * b.value, a.value * b.omega0 + a.omega0 * b.value};
}

inline const Lane& value_of(const Dual& a) noexcept { return a.value; }
inline const Lane& value_of(const Lane& a) noexcept { return a; }

// f(a), given f and its slope there
inline Dual chain(Lane f, Lane slope, const Dual& a) noexcept { return {f, slope * a.B1, slope * a.omega0}; }
inline Lane chain(Lane f, Lane, const Lane&) noexcept { return f; }

// A value with its derivatives, of which a lane takes no notice.
template <class Number>
inline Number number(Lane value, Lane B1, Lane omega0) noexcept;

template <>
inline Dual number<Dual>(Lane value, Lane B1, Lane omega0) noexcept {
    return {value, B1, omega0};
}

template <>
inline Lane number<Lane>(Lane value, Lane, Lane) noexcept {
    return value;
}

template <class Number>
inline Number constant(double value) noexcept {
    return number<Number>(broadcast(value), Lane{}, Lane{});
}

}  // namespace
}  // namespace spinbound
