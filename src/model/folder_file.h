// Whether a model's folder has a file: what is there but cannot be read is never taken for absent, because a
// model without its chat template or its configuration looks healthy and is not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qtz/core/input_file.h"
#include "qtz/core/json.h"
#include "qtz/model/gguf_model.h"

namespace qtz {

/// False only if nothing has that name. Nothing is opened, so a FIFO does not wait. Throws input_missing for
/// a link to nothing and for a folder that may not be looked into, input_invalid for what is no regular file.
bool has_file(const std::filesystem::path& path);

/// A file of free text, which any bytes could be. Throws as read_text_file does, and input_invalid for a Git
/// LFS pointer.
std::string read_folder_text(const std::filesystem::path& path, std::uint64_t limit);

/// A JSON file of the folder. Throws as parse_json_file does, and input_invalid for a Git LFS pointer, a web
/// page and whatever else is known to be no JSON.
JsonValue read_folder_json(const std::filesystem::path& path, const JsonLimits& limits);
void refuse_what_is_no_json(const InputFile& file);

/// The files of a model's folder, and of the folders in it, that may say something about the model: settings,
/// vocabularies, templates, the model card. Sorted by name; no weights, and nothing that qtz itself wrote.
/// Throws input_missing when the folder cannot be listed.
std::vector<SideFile> side_files_of(const std::filesystem::path& folder);

}  // namespace qtz
