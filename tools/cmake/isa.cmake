# One kernel level per instruction set, each compiled with its own flags and sealed: its objects are linked into one
# relocatable object in which every symbol but the exported one is local. Without the seal an inline function compiled
# for AVX-512 is a weak symbol that the linker may pick for the whole program. Common code never gets these flags.

find_program(QTZ_RELOCATABLE_LINKER NAMES ld.bfd ld REQUIRED)
find_program(QTZ_OBJCOPY NAMES "${CMAKE_OBJCOPY}" objcopy REQUIRED)

# Types are compiled in families of similar weight, so that cores share the work (see kernels/instantiate.inl).
set(QTZ_KERNEL_FAMILIES 0 1 2)

# Writes one include per line of quant_types.def: a new type needs no other list.
function(qtz_generate_type_includes def_file out_file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${def_file}")
  file(STRINGS "${def_file}" lines REGEX "^QTZ_TYPE\\(")
  set(content "")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^QTZ_TYPE\\(([a-z0-9_]+),.*" "\\1" id "${line}")
    string(APPEND content "#include \"quants/${id}.h\"\n")
  endforeach()
  file(CONFIGURE OUTPUT "${out_file}" CONTENT "${content}")
endfunction()

# qtz_isa_level(<level> <floor target> FLAGS ...): compiles level_<level>.cpp once per family and adds the sealed object
# to the target. The exported symbol is qtz_fill_<level>.
function(qtz_isa_level level target)
  cmake_parse_arguments(PARSE_ARGV 2 LEVEL "" "" "FLAGS")
  set(objects "")
  foreach(family IN LISTS QTZ_KERNEL_FAMILIES)
    set(part qtz_level_${level}_${family})
    add_library(${part} OBJECT level_${level}.cpp)
    target_include_directories(${part} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src"
                                               "${CMAKE_CURRENT_BINARY_DIR}/generated")
    target_compile_definitions(${part} PRIVATE QTZ_KERNEL_FAMILY=${family})
    target_link_libraries(${part} PRIVATE qtz_numerics qtz_sanitizers qtz_warnings)
    if(NOT level STREQUAL "scalar")
      target_link_libraries(${part} PRIVATE qtz_simd_sanitizers)
    endif()
    target_compile_options(${part} PRIVATE ${LEVEL_FLAGS} -fno-lto)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(${part} PRIVATE -fno-tree-slp-vectorize -fno-gnu-unique)  # objcopy cannot make a unique symbol local
    endif()
    list(APPEND objects "$<TARGET_OBJECTS:${part}>")
  endforeach()

  set(sealed "${CMAKE_CURRENT_BINARY_DIR}/level_${level}.o")
  add_custom_command(
    OUTPUT "${sealed}"
    COMMAND "${QTZ_RELOCATABLE_LINKER}" -r --force-group-allocation -o "${sealed}.open" ${objects}
    COMMAND "${QTZ_OBJCOPY}" --keep-global-symbol=qtz_fill_${level} "${sealed}.open" "${sealed}"
    DEPENDS ${objects}
    COMMENT "Sealing kernel level ${level}"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties("${sealed}" PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_sources(${target} PRIVATE "${sealed}")
  set_property(TARGET ${target} APPEND PROPERTY QTZ_SEALED_LEVELS "${sealed}")
endfunction()
