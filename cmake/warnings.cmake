# The warnings of our own code; the headers of others are included as system headers and stay silent.
# The preset `dev` turns them into errors (CMAKE_COMPILE_WARNING_AS_ERROR).
add_library(spinbound_warnings INTERFACE)
target_compile_options(spinbound_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align -Wunused -Wdouble-promotion
  -Wformat=2 -Wextra-semi -Wimplicit-fallthrough)
