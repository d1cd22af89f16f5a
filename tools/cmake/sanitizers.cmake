# QTZ_SANITIZE: a semicolon list for -fsanitize, e.g. "address;undefined" or "thread".
set(QTZ_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address;undefined")
add_library(qtz_sanitizers INTERFACE)
if(QTZ_SANITIZE)
  list(JOIN QTZ_SANITIZE "," qtz_sanitize_list)
  target_compile_options(qtz_sanitizers INTERFACE -fsanitize=${qtz_sanitize_list} -fno-sanitize-recover=all
                                                  -fno-omit-frame-pointer)
  target_link_options(qtz_sanitizers INTERFACE -fsanitize=${qtz_sanitize_list})
endif()
