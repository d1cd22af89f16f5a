#include "qtz/formats/tensor_source.h"

#include <algorithm>
#include <numeric>

#include "qtz/core/checked.h"
#include "qtz/core/error.h"

namespace qtz {

const TensorInfo* TensorSource::find(std::string_view name) const {
  const std::span<const TensorInfo> all = tensors();
  if (by_name_.size() == all.size()) {
    const auto at = std::lower_bound(
        by_name_.begin(), by_name_.end(), name,
        [&](std::uint32_t index, std::string_view wanted) { return all[index].name < wanted; });
    return at != by_name_.end() && all[*at].name == name ? &all[*at] : nullptr;
  }
  const auto at =
      std::find_if(all.begin(), all.end(), [&](const TensorInfo& tensor) { return tensor.name == name; });
  return at != all.end() ? &*at : nullptr;
}

void TensorSource::read(const TensorInfo& tensor, std::uint64_t at, std::span<std::byte> out) const {
  QTZ_CHECK(at <= tensor.bytes && out.size() <= tensor.bytes - at);
  QTZ_CHECK(tensor.shard < files().size());
  try {
    files()[tensor.shard].read(tensor.offset + at, out);
  } catch (Error& error) {
    error.add_context("tensor '" + printable(tensor.name) + "'");
    throw;
  }
}

void TensorSource::index_names() {
  const std::span<const TensorInfo> all = tensors();
  by_name_.resize(all.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = all[a].name.compare(all[b].name);
    return order != 0 ? order < 0 : a < b;
  });
  const auto twice =
      std::adjacent_find(by_name_.begin(), by_name_.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return all[a].name == all[b].name; });
  if (twice == by_name_.end()) return;
  const TensorInfo& tensor = all[*twice];
  const auto file = [&](std::uint32_t index) { return printable(files()[all[index].shard].path().native()); };
  const std::string first = file(*twice);
  const std::string second = file(*(twice + 1));
  throw Error(ErrorKind::input_invalid, first + ": tensor '" + printable(tensor.name) + "' appears twice" +
                                            (first == second ? "" : ", also in " + second));
}

}  // namespace qtz
