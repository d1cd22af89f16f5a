# Fails if a kernel level object lets out any symbol but its one entry point: a weak function compiled for a wide
# instruction set would be the linker's choice for the whole program.
#   cmake -DNM=nm -DOBJECTS="a.o;b.o" -P check_sealed_levels.cmake
foreach(object IN LISTS OBJECTS)
  get_filename_component(name "${object}" NAME_WE)
  string(REPLACE "level_" "qtz_fill_" wanted "${name}")
  execute_process(COMMAND "${NM}" --defined-only --extern-only --format=posix "${object}"
                  OUTPUT_VARIABLE symbols RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(STRIP "${symbols}" symbols)
  string(REGEX REPLACE "[ \t][^\n]*" "" symbols "${symbols}")
  if(NOT symbols STREQUAL wanted)
    message(FATAL_ERROR "${object} defines these global symbols instead of ${wanted} alone:\n${symbols}")
  endif()
  message(STATUS "${name}: only ${wanted} leaves it")
endforeach()
