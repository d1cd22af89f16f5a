# Writes the man page and the completion scripts that the program prints into the folder PAGES.
file(MAKE_DIRECTORY "${PAGES}")

function(print_page file)
  execute_process(COMMAND "${QTZ}" ${ARGN} OUTPUT_FILE "${PAGES}/${file}" RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "qtz ${ARGN} failed: ${code}")
  endif()
endfunction()

print_page(qtz.1 man)
foreach(shell bash zsh fish)
  print_page(qtz.${shell} completions ${shell})
endforeach()
