// What the flags of calibrate, and of quantize --calibrate, say about the text, and its tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "qtz/formats/gguf_value.h"
#include "qtz/pipeline/calibrate.h"

namespace qtz::cli {

/// The words of the command line, and the names their flags have there.
struct CalibrationFlags {
  std::vector<std::string> texts;
  std::string field;
  std::string context;
  std::string chunks;
  const char* context_name = "--ctx";
  const char* chunks_name = "--chunks";
};

struct CalibrationText {
  std::vector<std::uint32_t> tokens;  ///< of all texts, one after another
  std::vector<std::string> datasets;  ///< names of the files, without folders
  CalibrationOptions options;
};

/// --ctx and --chunks. Throws usage.
CalibrationOptions parse_calibration(const CalibrationFlags& flags);

/// Reads and cuts the texts. Throws usage, and as read_tokens() does.
CalibrationText read_calibration_text(const CalibrationFlags& flags, const KvList& metadata);

}  // namespace qtz::cli
