# Run at build time: writes qtz_build_info.h when its content changes, so that a commit does not rebuild everything.
# In: QTZ_VERSION, QTZ_LIBRARIES, SOURCE_DIR, TEMPLATE, OUTPUT.
set(QTZ_COMMIT "")
find_program(QTZ_GIT git)
if(QTZ_GIT)
  # --prefix is empty only at the top of a work tree: a copy of the sources inside somebody else's repository is not it.
  execute_process(COMMAND "${QTZ_GIT}" rev-parse --show-prefix WORKING_DIRECTORY "${SOURCE_DIR}"
                  OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE not_a_repository ERROR_QUIET)
  if(NOT not_a_repository AND prefix STREQUAL "")
    execute_process(COMMAND "${QTZ_GIT}" describe --tags --always --dirty --abbrev=12 WORKING_DIRECTORY "${SOURCE_DIR}"
                    OUTPUT_VARIABLE QTZ_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
