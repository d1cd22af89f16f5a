// Pages for the browser: one file each, with style, script and data inside, and nothing from elsewhere. What
// they share, and what each has of its own, is in report/.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/console.h"
#include "qtz/core/json.h"
#include "qtz/core/output_file.h"
#include "qtz/model/gguf_model.h"

namespace qtz::cli {

enum class ReportKind { compare, eval };

/// The page of that kind over `json`, which is inside; no text of it can end the script or begin another.
std::string report_page(ReportKind kind, const JsonValue& json);

/// How a page is written that came from these models: never over one of their files, nor over a log.
OutputOptions report_output(bool overwrite, std::span<const GgufModel* const> models, const Console& console);

void write_report(const std::string& page, const std::string& path, const OutputOptions& options);

}  // namespace qtz::cli
