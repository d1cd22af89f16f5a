// Tells paths of somebody's machine from hub ids and addresses: they say nothing about a model, and no
// artifact may carry one out of the house.
#pragma once

#include <string_view>

namespace qtz {

/// "/home/x/m", "./out", "~/m", "C:\\models\\m", "D:m", "file:///m". A relative path of one or
/// two plain words ("out/m") cannot be told from a hub id and is none.
bool is_local_path(std::string_view text) noexcept;

}  // namespace qtz
