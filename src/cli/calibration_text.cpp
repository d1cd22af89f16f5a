#include "cli/calibration_text.h"

#include <filesystem>

#include "cli/flags.h"
#include "cli/model_text.h"
#include "qtz/core/error.h"

namespace qtz::cli {

CalibrationOptions parse_calibration(const CalibrationFlags& flags) {
  constexpr std::uint64_t kMostTokens = 1U << 20;
  CalibrationOptions options;
  options.context = parse_count(flags.context_name, flags.context, options.context, kMostTokens);
  options.chunks = parse_count(flags.chunks_name, flags.chunks, 0, kMostTokens);
  if (options.context == 0)
    throw Error(ErrorKind::usage, std::string(flags.context_name) + " needs a number of tokens, not 0");
  return options;
}

CalibrationText read_calibration_text(const CalibrationFlags& flags, const KvList& metadata) {
  CalibrationText text;
  text.options = parse_calibration(flags);
  const TextEncoder encoder = TextEncoder::from_metadata(metadata);
  for (const std::string& path : flags.texts) {
    const std::vector<std::uint32_t> more = read_tokens(path, flags.field, encoder);
    text.tokens.insert(text.tokens.end(), more.begin(), more.end());
    text.datasets.push_back(std::filesystem::path(path).filename().native());
  }
  if (encoder.add_bos()) text.options.bos = encoder.bos();
  return text;
}

}  // namespace qtz::cli
