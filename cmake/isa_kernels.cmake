# Compiles kernel/*_kernel.cpp once per instruction set and precision, each time into an object library of its own.
#
#   kernel       lanes (double, single)   instructions
#   baseline     2, 4                     what every machine of the architecture has
#   avx2         4, 8                     AVX2 and FMA
#   avx512       8, 16                    AVX-512 F, DQ and VL
#
# Sets  kernel_objects      the object files, to be linked into the core
#       kernel_definitions  SPINBOUND_HAVE_AVX2, SPINBOUND_HAVE_AVX512, SPINBOUND_EMULATE_AVX512, for the dispatcher
#
# No object may hold a weak symbol: the linker keeps one copy of each of those, and it could be the one that only
# some machines can execute. The build fails where it finds one.
include(CheckCXXSourceCompiles)

file(GLOB kernel_sources CONFIGURE_DEPENDS kernel/*_kernel.cpp)
set(kernel_objects)
set(kernel_definitions)

# -fno-math-errno and -fno-trapping-math change no result; -ffast-math would, and would flush denormals besides.
# Contraction into FMA is GCC's default, stated for the other compilers. The ABI note of -Wpsabi concerns vectors
# passed between object files, which no kernel does.
set(kernel_flags -fno-math-errno -fno-trapping-math -ffp-contract=fast -fno-exceptions -fno-lto -Wno-psabi)

function(add_kernel isa real lanes)
  set(name ${isa}_${real})
  set(target kernel_${name})
  add_library(${target} OBJECT ${kernel_sources})
  target_include_directories(${target} PRIVATE .)
  target_compile_definitions(${target} PRIVATE SPINBOUND_ISA=${isa} SPINBOUND_REAL=${real} SPINBOUND_LANES=${lanes})
  target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3> ${kernel_flags} ${ARGN})
  target_link_libraries(${target} PRIVATE spinbound_warnings)
  set(objects ${kernel_objects} $<TARGET_OBJECTS:${target}>)
  # The sanitizers add weak symbols of their own.
  if(NOT SPINBOUND_SANITIZE)
    check_symbols(${target})
    list(APPEND objects ${CMAKE_CURRENT_BINARY_DIR}/${target}.symbols)
  endif()
  set(kernel_objects ${objects} PARENT_SCOPE)
endfunction()

function(check_symbols target)
  set(listing ${CMAKE_CURRENT_BINARY_DIR}/${target}.symbols)
  add_custom_command(OUTPUT ${listing}
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLISTING=${listing} "-DOBJECTS=$<TARGET_OBJECTS:${target}>"
      -P ${PROJECT_SOURCE_DIR}/cmake/refuse_weak_symbols.cmake
    DEPENDS $<TARGET_OBJECTS:${target}> ${PROJECT_SOURCE_DIR}/cmake/refuse_weak_symbols.cmake
    COMMENT "Looking for weak symbols in ${target}" VERBATIM)
endfunction()

add_kernel(baseline double 2)
add_kernel(baseline float 4)

check_cxx_source_compiles("
  #if !defined(__x86_64__)
  #error
  #endif
  int main() { return 0; }" SPINBOUND_X86_64)
if(SPINBOUND_X86_64)
  set(avx2_flags -mavx2 -mfma)
  set(avx512_flags -mavx512f -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  list(APPEND kernel_definitions SPINBOUND_HAVE_AVX2 SPINBOUND_HAVE_AVX512)
  if(SPINBOUND_EMULATE_AVX512)
    set(avx512_flags ${avx2_flags})
    list(APPEND kernel_definitions SPINBOUND_EMULATE_AVX512)
  endif()
  add_kernel(avx2 double 4 ${avx2_flags})
  add_kernel(avx2 float 8 ${avx2_flags})
  add_kernel(avx512 double 8 ${avx512_flags})
  add_kernel(avx512 float 16 ${avx512_flags})
endif()
