// What a tensor is for, read off its GGUF name: the role that mix rules speak of, its layer, and whether it
// is quantized at all. The rules are llama-quantize's (llama.cpp, src/llama-quant.cpp); they look at names
// only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "qtz/core/shape.h"

namespace qtz {

enum class TensorRole {
  output,           ///< output.weight
  token_embedding,  ///< token_embd.weight, per_layer_token_embd.weight
  attention_value,  ///< v, and what holds v: fused qkv, kv_b
  attention_key,
  attention_query,
  attention_output,
  ffn_down,
  ffn_gate,
  ffn_up,
  other,
};

TensorRole role_of(std::string_view name) noexcept;

/// "attn_v", for reasons given to people.
std::string_view role_name(TensorRole role) noexcept;

/// N of a name that starts with "blk.N.".
std::optional<std::uint32_t> layer_of(std::string_view name) noexcept;

/// The order in which llama.cpp walks the tensors of a model: tensors outside blocks, then block after block,
/// by name within each. Mixes that count tensors count them in this order.
bool comes_before(std::string_view a, std::string_view b) noexcept;

/// Why a tensor of that name and shape stays as it is in any file type, or nothing if it may be quantized.
/// `generic` tensors have names of no known architecture: for them anything called a norm stays, too.
std::optional<std::string_view> never_quantized(std::string_view name, const Shape& shape, bool generic);

}  // namespace qtz
