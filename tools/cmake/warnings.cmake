# Warnings are errors in our own code; third-party headers come in as SYSTEM.
add_library(qtz_warnings INTERFACE)
target_compile_options(qtz_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                                              -Wnon-virtual-dtor -Woverloaded-virtual -Wnull-dereference -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees impossible null pointers and overlapping copies inside inlined std::string and std::vector code.
  target_compile_options(qtz_warnings INTERFACE -Wno-null-dereference -Wno-restrict)
endif()
