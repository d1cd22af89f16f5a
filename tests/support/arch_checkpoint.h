// Tiny checkpoints, one per architecture, made from their description in tests/data/arch: weights are a pure
// function of the tensor's name (see tests/data/arch/README.md), so no weights are stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace qtz::test {

/// BF16 codes of a tensor: FNV-1a of the name seeds splitmix64; four 16-bit quarters of each output make a
/// value about normal, scaled to `mean` and `scale`.
std::vector<std::uint16_t> checkpoint_values(std::string_view name, std::uint64_t count, double mean,
                                             double scale);

/// Makes parent/<name of `reference`>: configuration and tokenizer copied, model.safetensors written. Returns
/// the folder.
std::filesystem::path write_checkpoint(const std::filesystem::path& reference,
                                       const std::filesystem::path& parent);

/// tests/data/arch, and the folders in it that have the oracle `file`, sorted by name.
std::filesystem::path arch_data_folder();
std::vector<std::string> arch_data_names(std::string_view file = "expected-quant.json");

}  // namespace qtz::test
