#include "formats/open_shard.h"

#include <string>

#include "qtz/core/error.h"

namespace qtz {

InputFile open_shard(const std::filesystem::path& path, std::uint64_t shards) {
  try {
    return InputFile(path);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::resource) throw;
    throw Error(
        ErrorKind::resource, error.message(),
        "the model has " + std::to_string(shards) + " shards; allow more open files with 'ulimit -n'");
  }
}

}  // namespace qtz
