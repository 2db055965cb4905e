// The names of what a kernel object exports: <model>_<instruction set>_<precision>.
#pragma once

#ifndef SPINBOUND_ISA
#error "compile kernels with SPINBOUND_ISA, the name of the instruction set"
#endif

#define SPINBOUND_JOIN_(a, b, c) a##b##_##c
#define SPINBOUND_JOIN(a, b, c) SPINBOUND_JOIN_(a, b, c)
#define SPINBOUND_TEXT_(a) #a
#define SPINBOUND_TEXT(a) SPINBOUND_TEXT_(a)
