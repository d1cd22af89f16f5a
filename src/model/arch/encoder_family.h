// What the encoders share: models that read a whole text at once and give one vector, or a score, for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/arch/arch_blocks.h"

namespace qtz::arch {

/// The standard keys, no causal mask, and how one vector is made of all.
std::vector<KeyRule> encoder_keys();

/// word_embeddings, token types, positions and their norm, under a prefix that names may lack.
std::vector<TensorRule> bert_embeddings();

/// "classifier.output_labels" and the tensors of a classifier, where id2label says what it finds.
void add_classifier(ArchSpec& spec, const ModelConfig& config);

/// Norms of old checkpoints: "gamma" and "beta" are weight and bias.
std::string with_norm_names(std::string name, const ModelConfig& config);

/// Which parts an encoder has by its configuration: token types, and a classifier by the name of its class,
/// whose size only the weights tell.
std::vector<PartRule> encoder_parts();

/// What is left out of encoders: the part that predicts masked words, and the layer that training put behind
/// the first token.
std::vector<SkipRule> training_parts();

/// tokenizer.ggml.token_type_count from the rows of the token types where config.json is silent.
void settle_token_types(ArchBuild& build);

/// Positions begin behind the padding token's id: the rows before them are cut off, and the context is as
/// much shorter.
TensorExprPtr positions_behind_padding(TensorExprPtr input, const ArchBuild& build);
void shorten_context(ModelConfig& config);

}  // namespace qtz::arch
