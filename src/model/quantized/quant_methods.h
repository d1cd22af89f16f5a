// Checkpoints whose weights are quantized already: FP8, compressed-tensors, ModelOpt, GPTQ, AWQ, AutoRound,
// bitsandbytes, BitNet, MXFP4. Decoded as the library that wrote them does, or kept where GGUF has the form.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/quantized/checkpoint_tensors.h"
#include "model/quantized/decode_build.h"
#include "qtz/model/model_config.h"

namespace qtz {

/// What an architecture's tables work on, and what is said about it.
struct DecodedCheckpoint {
  CheckpointTensors tensors;
  std::vector<std::string> skipped;  ///< "name: why"
  std::vector<std::string> notes;    ///< for the pre-flight
  std::vector<std::string> warnings;
};

/// Why numbers that only quantized activations or caches need are not in the file.
inline constexpr std::string_view kActivationReason =
    "for quantized activations or caches, which a GGUF has none of";

/// Finds in `config` and in the files beside it how the weights are stored. `first`, if there is one, takes
/// what the architecture stores in a way of its own. With `keeps_blocks` the result has NVFP4 weights also as
/// the blocks they are (CheckpointTensors::kept). Throws input_invalid for a method that is not known and
/// for parts that do not fit together.
DecodedCheckpoint decode_checkpoint(const TensorSource& stored, const ModelConfig& config,
                                    const std::filesystem::path& folder,
                                    void (*first)(DecodeBuild&, const ModelConfig&) = nullptr,
                                    bool keeps_blocks = false);

// The readers, each in a file of its own. Each takes the tensors that have its form and leaves all others.

/// F8 and I8 weights with scales of a tensor, of channels or of blocks; names of DeepSeek, Mistral,
/// compressed-tensors and ModelOpt.
void decode_scaled_weights(DecodeBuild& build);
/// NVFP4 of ModelOpt and compressed-tensors, in F32 and as it is; MXFP4 of gpt-oss and compressed-tensors, as
/// it is.
void decode_microscaled(DecodeBuild& build);
/// compressed-tensors' pack-quantized integers.
void decode_packed_integers(DecodeBuild& build);
void decode_gptq(DecodeBuild& build);
/// The same layout where something else than "checkpoint_format" tells how zeros are stored: less one, or
/// plain.
void decode_gptq_v1(DecodeBuild& build);
void decode_gptq_v2(DecodeBuild& build);
void decode_awq(DecodeBuild& build);
/// What "packing_format" says AutoRound packed like: GPTQ or AWQ.
void decode_auto_round(DecodeBuild& build);
/// NF4, FP4 and LLM.int8().
void decode_bitsandbytes(DecodeBuild& build);
/// Ternary weights, packed or still to be rounded.
void decode_bitnet(DecodeBuild& build);

}  // namespace qtz
