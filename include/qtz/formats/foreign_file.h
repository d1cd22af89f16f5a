// What a file is when it is not what it should be: the usual wrong downloads, told from their first bytes.
#pragma once

#include <optional>
#include <string>

#include "qtz/core/input_file.h"

namespace qtz {

/// What a reader wants; a damaged file of that kind is not foreign to it.
enum class FileFormat { safetensors, gguf, other };

/// A clause for an error ("is a Git LFS pointer, not the file itself") and what to do.
struct ForeignFile {
  std::string what;
  std::string hint;
};

/// Empty when the first bytes are nothing we know, or what is wanted.
std::optional<ForeignFile> recognize_foreign(const InputFile& file, FileFormat wanted);

/// Throws WrongFile with what the file really is, if that can be told.
void refuse_foreign(const InputFile& file, FileFormat wanted);

/// Throws what refuse_foreign throws, else input_invalid with `problem` and `hint`.
[[noreturn]] void fail_as_foreign(const InputFile& file, FileFormat wanted, const std::string& problem,
                                  const std::string& hint);

}  // namespace qtz
