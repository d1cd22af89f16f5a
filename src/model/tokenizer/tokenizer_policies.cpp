// The named policies: what llama.cpp's converter does for each family, as data.
#include "qtz/model/tokenizer.h"

namespace qtz {
namespace {

using Source = TokenizerSource;

KvList one_key(std::string key, GgufValue value) {
  KvList keys;
  keys.set(std::move(key), std::move(value));
  return keys;
}

KvList add_space_prefix(bool value) {
  return one_key("tokenizer.ggml.add_space_prefix", value);
}

TokenizerPolicy with_sources(std::vector<Source> sources) {
  TokenizerPolicy policy;
  policy.sources = std::move(sources);
  return policy;
}

}  // namespace

TokenizerPolicy llama_tokenizer() {
  TokenizerPolicy policy =
      with_sources({Source::tekken, Source::sentencepiece, Source::sentencepiece_json, Source::byte_bpe});
  policy.prefix_space = TokenizerPolicy::PrefixSpace::first;
  // Llama 3's vocabulary with no token before a text: the converter knows it from Smaug. llama.cpp cuts
  // alike.
  policy.pre_names = {{"glm4", "smaug-bpe"}};
  policy.size_rules = {
      {32016, {{"eot", 32010}}, {}},                                // Code Llama
      {49152, {}, one_key("tokenizer.ggml.add_bos_token", false)},  // small Granite models
  };
  return policy;
}

TokenizerPolicy sentencepiece_tokenizer() {
  return with_sources({Source::sentencepiece});
}

TokenizerPolicy sentencepiece_or_bpe_tokenizer() {
  return with_sources({Source::sentencepiece, Source::byte_bpe});
}

TokenizerPolicy bpe_tokenizer() {
  return with_sources({Source::byte_bpe});
}

TokenizerPolicy bpe_or_sentencepiece_tokenizer() {
  return with_sources({Source::byte_bpe, Source::sentencepiece});
}

TokenizerPolicy gemma_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.special_by_id = {{"eot", 107}};
  policy.keys_last = add_space_prefix(false);
  return policy;
}

TokenizerPolicy gemma2_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.keys_last = add_space_prefix(false);
  return policy;
}

TokenizerPolicy gemma3_tokenizer() {
  TokenizerPolicy policy = sentencepiece_or_bpe_tokenizer();
  policy.keys_of_source = {{Source::sentencepiece, add_space_prefix(false)}};
  return policy;
}

TokenizerPolicy gemma4_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::sentencepiece_json});
  policy.model = "gemma4";
  policy.write_pre = false;
  policy.write_merges = true;
  policy.visible_tokens = {"<|channel>",       "<channel|>",       "<|tool_call>", "<tool_call|>",
                           "<|tool_response>", "<tool_response|>", "<|\"|>"};
  policy.keys_last = add_space_prefix(false);
  policy.keys_last.set("tokenizer.ggml.add_bos_token", true);
  return policy;
}

TokenizerPolicy phi2_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  policy.keys_first = one_key("tokenizer.ggml.add_bos_token", false);
  return policy;
}

TokenizerPolicy phi3_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.source_of_class = {{"GPT2Tokenizer", Source::byte_bpe}};
  policy.plain_added_tokens = true;
  return policy;
}

TokenizerPolicy internlm2_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.plain_added_tokens = true;
  policy.unused_prefix = "[UNUSED";
  policy.zero_text = "\xF0\x9F\x90\x89";  // a dragon, as the converter writes it
  policy.prefix_space = TokenizerPolicy::PrefixSpace::of_model;
  // Chat models end a turn with this, though their configuration names the end of a text.
  policy.special_by_text = {{"eos", "<|im_end|>", true}};
  return policy;
}

TokenizerPolicy internlm3_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.prefix_space = TokenizerPolicy::PrefixSpace::first;
  policy.special_by_text = {{"eos", "<|im_end|>", true}};
  return policy;
}

TokenizerPolicy arctic_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.redefined_pieces = true;
  return policy;
}

TokenizerPolicy xverse_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::sentencepiece_json});
  policy.plain_added_tokens = true;
  return policy;
}

TokenizerPolicy llada_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  policy.plain_added_tokens = true;
  policy.keys_last = one_key("tokenizer.ggml.add_bos_token", true);
  return policy;
}

TokenizerPolicy dream_tokenizer() {
  TokenizerPolicy policy = sentencepiece_or_bpe_tokenizer();
  policy.plain_added_tokens = true;
  return policy;
}

TokenizerPolicy jamba_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::sentencepiece, Source::sentencepiece_json});
  policy.keys_of_source = {{Source::sentencepiece_json, add_space_prefix(false)}};
  return policy;
}

TokenizerPolicy nemotron_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.keys_last = one_key("tokenizer.ggml.padding_token_id", std::uint32_t{0});
  policy.keys_last.set("tokenizer.ggml.unknown_token_id", std::uint32_t{1});
  return policy;
}

TokenizerPolicy ernie_tokenizer() {
  TokenizerPolicy policy = sentencepiece_tokenizer();
  policy.prefix_space = TokenizerPolicy::PrefixSpace::last;
  return policy;
}

TokenizerPolicy glm4_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  policy.special_by_text = {
      {"eos", "<|endoftext|>"}, {"eot", "<|user|>"}, {"unk", "<|endoftext|>"}, {"bos", "<|endoftext|>"}};
  return policy;
}

TokenizerPolicy chatglm_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  policy.keys_first = one_key("tokenizer.ggml.add_bos_token", false);
  policy.special_by_text = {{"eos", "<|endoftext|>"}, {"eot", "<|user|>"}, {"unk", "<|endoftext|>"}};
  return policy;
}

TokenizerPolicy glm4_moe_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  // <|endoftext|> as end of turn makes endless generations, hence <|user|>.
  policy.special_by_text = {
      {"bos", "[gMASK]"}, {"eot", "<|user|>"}, {"unk", "<|endoftext|>"}, {"eom", "<|observation|>"}};
  return policy;
}

TokenizerPolicy laguna_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  policy.template_file_first = true;
  policy.eot_from_eos_list = true;
  return policy;
}

TokenizerPolicy bert_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::wordpiece});
  policy.token_types = TokenizerPolicy::TokenTypes::first;
  return policy;
}

TokenizerPolicy roberta_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::byte_bpe, Source::wordpiece});
  policy.token_types = TokenizerPolicy::TokenTypes::last;
  return policy;
}

TokenizerPolicy xlm_roberta_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::unigram, Source::unigram_json});
  policy.unigram_files = {"sentencepiece.bpe.model"};
  policy.fairseq_order = true;
  // llama.cpp would take the token of this kind that T5 has for it, which ends a text here.
  policy.special_by_id = {{"unk", 3}};
  policy.token_types = TokenizerPolicy::TokenTypes::first;
  return policy;
}

TokenizerPolicy modern_bert_tokenizer() {
  TokenizerPolicy policy = bpe_tokenizer();
  policy.pre_names = {{"gpt-2", "modern-bert"},
                      {"gpt-4o", "granite-embed-multi-97m"},
                      {"gemma4", "granite-embed-multi-311m"}};
  for (const char* name : {"bos", "eos", "sep"}) {
    policy.keys_first.set("tokenizer.ggml.add_" + std::string(name) + "_token", true);
  }
  return policy;
}

TokenizerPolicy t5_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::unigram, Source::sentencepiece, Source::unigram_json});
  policy.unigram_files = {"tokenizer.model", "spiece.model"};
  return policy;
}

TokenizerPolicy qwen_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::tiktoken});
  constexpr int kExtraTokens = 205;
  policy.tiktoken = {"qwen.tiktoken", "qwen2", {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}};
  for (int i = 0; i < kExtraTokens; ++i)
    policy.tiktoken.specials.push_back("<|extra_" + std::to_string(i) + "|>");
  policy.special_by_text = {{"bos", "<|endoftext|>", false, true},
                            {"eos", "<|endoftext|>", false, true},
                            {"unk", "<|endoftext|>", true}};
  return policy;
}

TokenizerPolicy kimi_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::byte_bpe, Source::tiktoken});
  policy.tiktoken.file = "tiktoken.model";
  policy.tiktoken.pre = "kimi-k2";
  policy.tiktoken.reserved = 258;
  return policy;
}

TokenizerPolicy hunyuan_moe_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::tiktoken});
  constexpr int kExtraTokens = 205;
  policy.tiktoken = {
      "hy.tiktoken", "hunyuan", {"<|endoftext|>", "<|startoftext|>", "<|bos|>", "<|eos|>", "<|pad|>"}};
  for (int i = 0; i < kExtraTokens; ++i)
    policy.tiktoken.specials.push_back("<|extra_" + std::to_string(i) + "|>");
  policy.special_by_text = {{"bos", "<|bos|>", true}};
  return policy;
}

TokenizerPolicy rwkv_tokenizer() {
  TokenizerPolicy policy = with_sources({Source::rwkv});
  policy.write_pre = false;
  policy.fallback_template = "rwkv-world";
  policy.special_by_id = {{"eot", 261}};  // two line breaks end what a speaker says
  return policy;
}

}  // namespace qtz
