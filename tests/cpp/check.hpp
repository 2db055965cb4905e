// Just enough of a test framework: TEST(name, "what holds") { CHECK(condition); }
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace spinbound::test {

struct Test {
    const char* sentence;
    void (*run)();
};

// Every test of the program, entered before main begins.
std::vector<Test>& tests();

struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void check(bool holds, const char* condition, const char* file, int line) {
    if (!holds) throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + condition);
}

}  // namespace spinbound::test

#define TEST(name, sentence)                                                                            \
    static void name();                                                                                 \
    static const bool name##_entered = (::spinbound::test::tests().push_back({sentence, &name}), true); \
    static void name()

// On the main thread of a test only: it leaves the test by an exception.
#define CHECK(condition) ::spinbound::test::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
