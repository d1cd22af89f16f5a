# Run at build time: writes a header with the report's parts as string literals.
# In: REPORT, the folder with them; OUTPUT.
set(text "// Generated from src/cli/report.\n#pragma once\n\n#include <string_view>\n\nnamespace qtz::cli {\n\n")
foreach(part html css js)
  file(READ "${REPORT}/report.${part}" content)
  string(SUBSTRING "${part}" 0 1 first)
  string(TOUPPER "${first}" first)
  string(SUBSTRING "${part}" 1 -1 rest)
  string(APPEND text "inline constexpr std::string_view kReport${first}${rest} = R\"qtz(${content})qtz\";\n\n")
endforeach()
string(APPEND text "}  // namespace qtz::cli\n")
file(WRITE "${OUTPUT}" "${text}")
