// The C++ tests of the core, for sanitizers above all: `core_tests [WORDS]` runs those whose sentence holds the words.
#include <cstdio>
#include <cstring>
#include <exception>

#include "check.hpp"

namespace spinbound::test {

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

}  // namespace spinbound::test

namespace {

using spinbound::test::Test;

bool passes(const Test& test) {
    try {
        test.run();
        std::printf("ok      %s\n", test.sentence);
        return true;
    } catch (const std::exception& problem) {
        std::printf("FAILED  %s\n        %s\n", test.sentence, problem.what());
        return false;
    }
}

}  // namespace

int main(int argc, char** argv) {
    int n_run = 0, n_failed = 0;
    for (const Test& test : spinbound::test::tests()) {
        if (argc > 1 && !std::strstr(test.sentence, argv[1])) continue;
        ++n_run;
        n_failed += !passes(test);
        std::fflush(stdout);
    }
    std::printf("%d of %d failed\n", n_failed, n_run);
    return n_failed > 0 || n_run == 0;
}
