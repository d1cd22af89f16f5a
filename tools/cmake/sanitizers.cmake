# QTZ_SANITIZE: a semicolon list for -fsanitize, e.g. "address;undefined" or "thread".
#   qtz_sanitizers       for all code
#   qtz_simd_sanitizers  on top of it for the kernel levels other than scalar
set(QTZ_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address;undefined")
if(QTZ_FUZZ)
  set(QTZ_SANITIZE "address;undefined;fuzzer-no-link")
endif()
add_library(qtz_sanitizers INTERFACE)
add_library(qtz_simd_sanitizers INTERFACE)
if(QTZ_SANITIZE)
  list(JOIN QTZ_SANITIZE "," qtz_sanitize_list)
  # -O1 -g1, whatever the build type says: instrumented code takes several times as long to compile at -O2, and a
  # stack trace needs no more than line tables.
  target_compile_options(qtz_sanitizers INTERFACE -fsanitize=${qtz_sanitize_list} -fno-sanitize-recover=all
                                                  -fno-omit-frame-pointer -O1 -g1)
  target_link_options(qtz_sanitizers INTERFACE -fsanitize=${qtz_sanitize_list})
  if("undefined" IN_LIST QTZ_SANITIZE)
    # The vptr check opens a pipe to look at memory and reports a false error where tests use up all descriptors.
    target_compile_options(qtz_sanitizers INTERFACE -fno-sanitize=vptr)
    target_link_options(qtz_sanitizers INTERFACE -fno-sanitize=vptr)
  endif()
  # The levels are one text: the scalar one runs it under every check. The wide ones keep the checks of heap accesses
  # and leave out what makes them minutes of compilation each, poisoning around hundreds of register-sized locals.
  if("address" IN_LIST QTZ_SANITIZE)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(qtz_simd_sanitizers INTERFACE -fno-sanitize=undefined --param=asan-stack=0)
    else()
      target_compile_options(qtz_simd_sanitizers INTERFACE -fno-sanitize=undefined "SHELL:-mllvm -asan-stack=0")
    endif()
  endif()
endif()
