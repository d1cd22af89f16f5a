// From a hub folder's tokenizer files to the tokenizer.* keys of a GGUF: the keys, arrays and order that
// llama.cpp's converter writes, found without running a tokenizer. What differs between architectures is
// data, a TokenizerPolicy: start from one of the named policies below and change what is special.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qtz/core/json.h"
#include "qtz/formats/gguf_value.h"

namespace qtz {

/// Where a vocabulary can come from.
enum class TokenizerSource {
  sentencepiece,       ///< tokenizer.model: a SentencePiece model
  sentencepiece_json,  ///< tokenizer.json: BPE with byte fallback, written as a SentencePiece vocabulary
  byte_bpe,            ///< tokenizer.json, or vocab.json and merges.txt: byte-level BPE
  wordpiece,           ///< tokenizer.json, or vocab.txt: BERT's WordPiece
  unigram,             ///< spiece.model and the like: a SentencePiece model that is a unigram model
  unigram_json,        ///< tokenizer.json of a unigram model
  tekken,              ///< tekken.json: Mistral's vocabularies of bytes
  tiktoken,            ///< a list of Base64 texts and ranks: bytes, with special tokens that the code names
  rwkv,                ///< rwkv_vocab_v20230424.txt: a list of Python literals
  none,                ///< no vocabulary: tokenizer.ggml.model = "none"
};

struct TokenizerPolicy {
  /// Tried in this order; the first one whose files fit is used.
  std::vector<TokenizerSource> sources = {TokenizerSource::sentencepiece, TokenizerSource::sentencepiece_json,
                                          TokenizerSource::byte_bpe};
  /// A "tokenizer_class" of tokenizer_config.json that decides the source instead (Phi-4 among Phi-3).
  std::vector<std::pair<std::string, TokenizerSource>> source_of_class = {};

  std::string model = {};  ///< tokenizer.ggml.model when it is not the source's own ("gemma4")
  bool write_pre = true;   ///< tokenizer.ggml.pre
  /// Names of tokenizer.ggml.pre that this family's converter gives to what the table calls otherwise,
  /// {found, written}; nothing found: what the family's models have.
  std::vector<std::pair<std::string, std::string>> pre_names = {};
  bool write_merges = false;  ///< merges also for a SentencePiece vocabulary; byte_bpe always has them

  /// Every added token is taken as it stands, and is special only where it is said to be. For SentencePiece
  /// vocabularies those of tokenizer.json count too (Phi-3).
  bool plain_added_tokens = false;
  /// SentencePiece pieces that begin so are of type UNUSED (InternLM 2: "[UNUSED").
  std::string unused_prefix = {};
  /// Stands for the piece of one zero character, which llama.cpp would read as an empty text.
  std::string zero_text = {};
  /// Added tokens redefine pieces: special ones keep a score of 0, and the unknown token is of type UNKNOWN
  /// (Arctic). added_tokens.json is not read.
  bool redefined_pieces = false;
  /// Added tokens that stay visible in output: USER_DEFINED although special (sentencepiece_json).
  std::vector<std::string> visible_tokens = {};

  /// Unigram vocabularies: names of the SentencePiece model's file, the first one that is there counts.
  std::vector<std::string> unigram_files = {};
  /// Unigram vocabularies whose model numbers its tokens as fairseq did: "<s>", "<pad>", "</s>" and "<unk>",
  /// then the pieces from the third on.
  bool fairseq_order = false;
  /// Unigram vocabularies: control tokens that the file lacks, with their ids.
  std::vector<std::pair<std::string, std::uint32_t>> control_by_id = {};

  /// What a tiktoken file leaves to the code beside it.
  struct Tiktoken {
    std::string file = {};                   ///< "qwen.tiktoken"
    std::string pre = {};                    ///< tokenizer.ggml.pre
    std::vector<std::string> specials = {};  ///< the ids after the last rank
    /// After those, so many that tokenizer_config.json names by id; what it does not name is
    /// "<|reserved_token_<id>|>".
    std::uint64_t reserved = 0;
    bool named_eos =
        false;  ///< the end of a text is tokenizer_config.json's eos_token, whatever config.json says
  };
  Tiktoken tiktoken = {};

  /// Where tokenizer.ggml.token_type_count goes, type_vocab_size of config.json: encoders have it. Unigram
  /// vocabularies have it among their own keys.
  enum class TokenTypes { ignored, first, last };
  TokenTypes token_types = TokenTypes::ignored;

  /// Special tokens looked for in the configurations; each becomes tokenizer.ggml.<name>_token_id.
  std::vector<std::string> special_tokens = {"bos", "eos", "unk", "sep", "pad", "cls", "mask"};

  struct SpecialText {
    std::string name;      ///< "eot"
    std::string content;   ///< "<|user|>"
    bool replace = false;  ///< also when the configurations name another token
    bool alone = false;    ///< only when the configurations name no special token at all
  };
  std::vector<SpecialText> special_by_text = {};  ///< ids found by the token's text, after the configurations
  /// Written after everything above unless a configuration says otherwise: {"eot", 107}.
  std::vector<std::pair<std::string, std::uint32_t>> special_by_id = {};
  /// The end-of-turn token is the entry of a list-valued eos_token_id that is not bos_token_id.
  bool eot_from_eos_list = false;

  /// tokenizer.ggml.add_space_prefix from tokenizer_config.json's add_prefix_space, if it is there, or from
  /// the SentencePiece model.
  enum class PrefixSpace { ignored, first, last, of_model };
  PrefixSpace prefix_space = PrefixSpace::ignored;

  /// chat_template.jinja wins over the template in tokenizer_config.json.
  bool template_file_first = false;
  /// tokenizer.chat_template where the folder has none; empty: none is written.
  std::string fallback_template = {};

  KvList keys_first = {};  ///< keys before, and values that anything below may replace
  KvList keys_last = {};   ///< keys after everything, replacing values of the same name
  /// As keys_last, for one source only.
  std::vector<std::pair<TokenizerSource, KvList>> keys_of_source = {};

  struct VocabularySizeRule {
    std::uint64_t vocab_size;
    std::vector<std::pair<std::string, std::uint32_t>> special_by_id;
    KvList keys_last;
  };
  std::vector<VocabularySizeRule> size_rules = {};  ///< for derived models that only their size gives away
};

/// Llama, Mistral, Mixtral and what calls itself so: SentencePiece, its JSON form, else byte-level BPE.
TokenizerPolicy llama_tokenizer();
/// tokenizer.model only (MiniCPM, Baichuan, Orion ...).
TokenizerPolicy sentencepiece_tokenizer();
/// tokenizer.model if there is one, else byte-level BPE (Qwen2, Qwen3, DeepSeek-V3, Dream ...).
TokenizerPolicy sentencepiece_or_bpe_tokenizer();
/// Byte-level BPE only (GPT-2, GPT-NeoX, Falcon, Command-R, LFM2, gpt-oss ...).
TokenizerPolicy bpe_tokenizer();
/// tokenizer.json if there is one, else tokenizer.model (Mamba).
TokenizerPolicy bpe_or_sentencepiece_tokenizer();
TokenizerPolicy gemma_tokenizer();
TokenizerPolicy gemma2_tokenizer();
TokenizerPolicy gemma3_tokenizer();
TokenizerPolicy gemma4_tokenizer();
TokenizerPolicy phi2_tokenizer();
TokenizerPolicy phi3_tokenizer();
TokenizerPolicy internlm2_tokenizer();
TokenizerPolicy internlm3_tokenizer();
TokenizerPolicy arctic_tokenizer();
TokenizerPolicy xverse_tokenizer();
TokenizerPolicy llada_tokenizer();
TokenizerPolicy dream_tokenizer();
TokenizerPolicy jamba_tokenizer();
TokenizerPolicy nemotron_tokenizer();
TokenizerPolicy ernie_tokenizer();
/// GLM-4 "Glm4ForCausalLM"; chatglm_tokenizer() for "GlmForCausalLM"; glm4_moe_tokenizer() for the MoE
/// classes.
TokenizerPolicy glm4_tokenizer();
TokenizerPolicy chatglm_tokenizer();
TokenizerPolicy glm4_moe_tokenizer();
TokenizerPolicy laguna_tokenizer();
/// BERT and its relatives: WordPiece.
TokenizerPolicy bert_tokenizer();
/// RoBERTa: byte-level BPE, else WordPiece.
TokenizerPolicy roberta_tokenizer();
/// XLM-RoBERTa: unigram in fairseq's order, or its tokenizer.json.
TokenizerPolicy xlm_roberta_tokenizer();
TokenizerPolicy modern_bert_tokenizer();
/// T5: unigram; a tokenizer.model of BPE; else tokenizer.json.
TokenizerPolicy t5_tokenizer();
/// The first Qwen: tiktoken.
TokenizerPolicy qwen_tokenizer();
/// Kimi and DeepSeek: byte-level BPE, else Kimi's tiktoken file.
TokenizerPolicy kimi_tokenizer();
/// Hunyuan with experts: tiktoken.
TokenizerPolicy hunyuan_moe_tokenizer();
TokenizerPolicy rwkv_tokenizer();

struct TokenizerResult {
  KvList keys;                    ///< tokenizer.* in the converter's order
  std::uint64_t token_count = 0;  ///< before padding to the vocabulary size
  bool has_chat_template = false;
  std::string description;  ///< "gpt2, pre llama-bpe, 128256 tokens, chat template"
  std::vector<std::string> warnings;
};

/// Reads the tokenizer files of `folder`. `config` is config.json as stored (special ids are looked up in it
/// and in its text_config). `vocab_size` is the number of embedding rows: tokens up to it that no file names
/// are "[PAD<i>]" of type UNUSED; 0 when unknown, then the vocabulary is as long as the files make it.
/// `pre_override` replaces the detection of tokenizer.ggml.pre.
/// Throws input_missing when the folder has no tokenizer files that the policy knows; input_invalid naming
/// the file for malformed ones, for kinds that are not supported, and for an unknown pre-tokenizer (with its
/// canonical form and --tokenizer-pre as the way out); usage for a `pre_override` that llama.cpp would
/// refuse.
TokenizerResult read_tokenizer(const std::filesystem::path& folder, const JsonValue& config,
                               std::uint64_t vocab_size, const TokenizerPolicy& policy,
                               const std::optional<std::string>& pre_override);

/// Names that tokenizer.ggml.pre may have, sorted.
std::vector<std::string_view> list_pre_tokenizers();

}  // namespace qtz
