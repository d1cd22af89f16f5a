// Vocabularies made by hand, one of each kind, and what a text becomes by them.
#include "qtz/model/text_encoder.h"

#include <gtest/gtest.h>

#include <thread>

#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/vocabulary.h"
#include "support/expect_error.h"

namespace qtz {
namespace {

using Ids = std::vector<std::uint32_t>;

/// A vocabulary that grows token by token.
class Made {
 public:
  explicit Made(std::string kind) { keys_.set("tokenizer.ggml.model", std::move(kind)); }

  Made& add(std::string text, float score = 0, TokenType type = TokenType::normal) {
    tokens_.push_back(std::move(text));
    scores_.push_back(score);
    types_.push_back(static_cast<std::int32_t>(type));
    return *this;
  }
  Made& add(std::string text, TokenType type) { return add(std::move(text), 0, type); }
  Made& merge(std::string merge) {
    merges_.push_back(std::move(merge));
    return *this;
  }
  Made& set(const std::string& key, GgufValue value) {
    keys_.set("tokenizer.ggml." + key, std::move(value));
    return *this;
  }

  KvList keys() const {
    KvList out = keys_;
    out.set("tokenizer.ggml.tokens", tokens_);
    out.set("tokenizer.ggml.scores", scores_);
    out.set("tokenizer.ggml.token_type", types_);
    if (!merges_.empty()) out.set("tokenizer.ggml.merges", merges_);
    return out;
  }
  TextEncoder encoder() const { return TextEncoder::from_metadata(keys()); }

 private:
  KvList keys_;
  std::vector<std::string> tokens_;
  std::vector<float> scores_;
  std::vector<std::int32_t> types_;
  std::vector<std::string> merges_;
};

/// The bytes 0 to 255, then "ab", "abc", " a", and the end of a text.
Made byte_bpe(const std::string& pre = "gpt-2") {
  Made made("gpt2");
  made.set("pre", pre);
  for (int byte = 0; byte < 256; ++byte)
    made.add(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
  made.add("ab").add("abc").add("\xC4\xA0\x61").add("<|end|>", TokenType::control);
  return made.merge("a b").merge("ab c").merge("\xC4\xA0 a");
}
constexpr std::uint32_t kAb = 256;
constexpr std::uint32_t kAbc = 257;
constexpr std::uint32_t kSpaceA = 258;
constexpr std::uint32_t kEnd = 259;

constexpr EncodeOptions kPlain{.add_special = false, .parse_special = false};
constexpr EncodeOptions kParsed{.add_special = false, .parse_special = true};

TEST(ByteBpe, merges_in_the_order_of_the_list) {
  const TextEncoder encoder = byte_bpe().encoder();
  EXPECT_EQ(encoder.encode("abc", kPlain), (Ids{kAbc}));
  EXPECT_EQ(encoder.encode("cab", kPlain), (Ids{'c', kAb}));
  // "a b" comes before "Ġ a", so the space stays alone.
  EXPECT_EQ(encoder.encode("x abc", kPlain), (Ids{'x', ' ', kAbc}));
  EXPECT_EQ(encoder.encode("x ac", kPlain), (Ids{'x', kSpaceA, 'c'}));
  EXPECT_EQ(encoder.encode("", kPlain), Ids{});
}

TEST(ByteBpe, takes_the_leftmost_of_equal_pairs) {
  Made made = byte_bpe();
  made.add("aa").merge("a a");
  EXPECT_EQ(made.encoder().encode("aaa", kPlain), (Ids{260, 'a'}));
}

TEST(ByteBpe, merges_nothing_across_the_cuts_of_its_pre_tokenizer) {
  Made made = byte_bpe("smollm");
  made.add("12").merge("1 2");
  EXPECT_EQ(made.encoder().encode("12", kPlain), (Ids{'1', '2'}));
}

TEST(ByteBpe, takes_whole_tokens_only_where_the_family_does) {
  const auto with = [](const std::string& pre) {
    Made made = byte_bpe(pre);
    return made.add("xyz").encoder().encode("xyz", kPlain);
  };
  EXPECT_EQ(with("llama-bpe"), (Ids{260}));
  EXPECT_EQ(with("gpt-2"), (Ids{'x', 'y', 'z'}));
}

TEST(ByteBpe, composes_only_where_the_family_does) {
  const std::string decomposed = "e\xCC\x81";
  EXPECT_EQ(byte_bpe("qwen2").encoder().encode(decomposed, kPlain), (Ids{0xC3, 0xA9}));
  EXPECT_EQ(byte_bpe("command-r").encoder().encode(decomposed, kPlain), (Ids{0xC3, 0xA9}));
  EXPECT_EQ(byte_bpe("gpt-2").encoder().encode(decomposed, kPlain), (Ids{'e', 0xCC, 0x81}));
}

TEST(ByteBpe, composes_with_the_vocabulary_of_gpt_neox) {
  Made made("gpt2");
  made.set("pre", "gpt-2").add("<|endoftext|>", TokenType::control).add("<|padding|>", TokenType::control);
  for (int byte = 0; byte < 256; ++byte)
    made.add(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
  made.add("ab").merge("a b");
  EXPECT_EQ(made.encoder().encode("e\xCC\x81", kPlain), (Ids{2 + 0xC3, 2 + 0xA9}));
}

TEST(ByteBpe, puts_marks_in_order_before_it_composes) {
  // The dot below has a lower class than the dot above, wherever it is written.
  const TextEncoder encoder = byte_bpe("qwen2").encoder();
  EXPECT_EQ(encoder.encode("s\xCC\x87\xCC\xA3", kPlain), encoder.encode("\xE1\xB9\xA9", kPlain));
}

TEST(ByteBpe, gives_the_bytes_of_every_text_back) {
  const TextEncoder encoder = byte_bpe().encoder();
  const std::string text = "abc  x\n\t\xC3\xA9\xF0\x9F\x9A\x80 ab";
  EXPECT_EQ(encoder.decode(encoder.encode(text, kPlain)), text);
  EXPECT_EQ(encoder.text_of(kSpaceA), " a");
  EXPECT_EQ(encoder.text_of(0xC3), "\xC3");
}

TEST(SpecialTokens, are_parsed_only_where_asked) {
  const TextEncoder encoder = byte_bpe().encoder();
  EXPECT_EQ(encoder.encode("ab<|end|>ab", kParsed), (Ids{kAb, kEnd, kAb}));
  const Ids as_text = encoder.encode("ab<|end|>ab", kPlain);
  EXPECT_EQ(std::count(as_text.begin(), as_text.end(), kEnd), 0);
  EXPECT_EQ(encoder.decode(as_text), "ab<|end|>ab");
}

TEST(SpecialTokens, hide_what_is_written_within_them) {
  Made made = byte_bpe();
  made.add("end", TokenType::user_defined);
  const TextEncoder encoder = made.encoder();
  EXPECT_EQ(encoder.encode("end", kPlain), (Ids{260}));
  EXPECT_EQ(encoder.encode("<|end|>", kParsed), (Ids{kEnd}));
  const Ids as_text = encoder.encode("<|end|>", kPlain);
  EXPECT_EQ(std::count(as_text.begin(), as_text.end(), 260U), 0);
}

TEST(SpecialTokens, are_the_longest_at_their_place) {
  Made made = byte_bpe();
  made.add("<|end|>>", TokenType::control);
  EXPECT_EQ(made.encoder().encode("<|end|>>>", kParsed), (Ids{260, '>'}));
}

TEST(SpecialTokens, stand_around_a_text_as_the_keys_say) {
  Made made = byte_bpe();
  made.set("bos_token_id", kEnd).set("eos_token_id", kAb);
  EXPECT_EQ(made.encoder().encode("c"), (Ids{'c'}));
  EXPECT_EQ(made.set("add_bos_token", true).encoder().encode("c"), (Ids{kEnd, 'c'}));
  const TextEncoder both = made.set("add_eos_token", true).encoder();
  EXPECT_EQ(both.encode("c"), (Ids{kEnd, 'c', kAb}));
  EXPECT_EQ(both.encode("c", kPlain), (Ids{'c'}));
  EXPECT_TRUE(both.add_bos() && both.add_eos());
  EXPECT_EQ(both.bos(), kEnd);
  EXPECT_EQ(both.decode(both.encode("c")), "cab");  // of the two, only one is special
}

TEST(SpecialTokens, take_spaces_where_the_model_is_known_to) {
  Made made = byte_bpe();
  KvList keys = made.keys();
  const auto encode = [&] { return TextEncoder::from_metadata(keys).encode("c <|end|> \n c", kParsed); };
  EXPECT_EQ(encode(), (Ids{'c', ' ', kEnd, ' ', '\n', ' ', 'c'}));
  keys.set("general.name", "Phi-3 mini");
  EXPECT_EQ(encode(), (Ids{'c', ' ', kEnd, 'c'}));
  keys = made.add("<mask>", TokenType::control).set("mask_token_id", std::uint32_t{260}).keys();
  EXPECT_EQ(TextEncoder::from_metadata(keys).encode("c  <mask> c", kParsed), (Ids{'c', 260, ' ', 'c'}));
}

TEST(SpecialTokens, know_an_added_token_of_phi_3_that_is_written_as_an_ordinary_one) {
  Made made = byte_bpe();
  KvList keys = made.add("</s>").keys();
  const auto encode = [&] { return TextEncoder::from_metadata(keys).encode("c</s> c", kPlain); };
  EXPECT_EQ(encode(), (Ids{'c', '<', '/', 's', '>', ' ', 'c'}));
  keys.set("general.name", "Phi-3 mini");
  EXPECT_EQ(encode(), (Ids{'c', 260, 'c'}));
}

/// "<unk>", "<s>", "</s>", the bytes, then pieces.
Made sentencepiece() {
  Made made("llama");
  made.add("<unk>", TokenType::unknown).add("<s>", TokenType::control).add("</s>", TokenType::control);
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte) {
    made.add(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">", TokenType::byte);
  }
  made.set("bos_token_id", std::uint32_t{1}).set("unknown_token_id", std::uint32_t{0});
  return made.add("\xE2\x96\x81", -1).add("a", -2).add("b", -3).add("ab", -4).add("\xE2\x96\x81\x61", -5);
}
constexpr std::uint32_t kFirstByte = 3;
constexpr std::uint32_t kBlock = 259;
constexpr std::uint32_t kPieceB = 261;
constexpr std::uint32_t kPieceAb = 262;
constexpr std::uint32_t kBlockA = 263;

TEST(SentencePiece, joins_the_pair_of_the_highest_score) {
  const TextEncoder encoder = sentencepiece().encoder();
  EXPECT_EQ(encoder.encode("ab"), (Ids{1, kBlock, kPieceAb}));
  EXPECT_EQ(encoder.encode("a b", kPlain), (Ids{kBlockA, kBlock, kPieceB}));
}

TEST(SentencePiece, gives_a_character_that_is_no_piece_as_its_bytes) {
  const TextEncoder encoder = sentencepiece().encoder();
  EXPECT_EQ(encoder.encode("\xC3\xA9", kPlain), (Ids{kBlock, kFirstByte + 0xC3, kFirstByte + 0xA9}));
  EXPECT_EQ(encoder.decode(encoder.encode("a\xC3\xA9 \nb")), "a\xC3\xA9 \nb");
}

TEST(SentencePiece, puts_no_space_where_the_key_says_so) {
  Made made = sentencepiece();
  const TextEncoder encoder = made.set("add_space_prefix", false).encoder();
  EXPECT_EQ(encoder.encode("ab", kPlain), (Ids{kPieceAb}));
  EXPECT_EQ(encoder.encode(" ab", kPlain), (Ids{kBlock, kPieceAb}));
  EXPECT_EQ(encoder.decode(encoder.encode(" ab", kPlain)), " ab");
}

TEST(SentencePiece, removes_runs_of_spaces_where_the_key_says_so) {
  Made made = sentencepiece();
  EXPECT_EQ(made.encoder().encode(" a  b ", kPlain), (Ids{kBlock, kBlockA, kBlock, kBlock, kPieceB, kBlock}));
  const TextEncoder encoder = made.set("remove_extra_whitespaces", true).encoder();
  EXPECT_EQ(encoder.encode(" a  b ", kPlain), (Ids{kBlockA, kBlock, kPieceB}));
  EXPECT_EQ(encoder.encode("a\xE2\x96\x81", kPlain), (Ids{kBlockA})) << "a space that the text writes so";
  EXPECT_EQ(encoder.encode("   ", kPlain), Ids());
}

TEST(SentencePiece, takes_an_unused_piece_apart_again) {
  Made made = sentencepiece();
  made.set("add_space_prefix", false).add("bb", -1, TokenType::unused).add("bbb", -2);
  const TextEncoder encoder = made.encoder();
  EXPECT_EQ(encoder.encode("bb", kPlain), (Ids{kPieceB, kPieceB}));
  EXPECT_EQ(encoder.encode("bbb", kPlain), (Ids{265}));
}

TEST(SentencePiece, makes_one_token_of_unknown_neighbours_when_there_are_no_bytes) {
  Made made("llama");
  made.add("<unk>", TokenType::unknown).add("\xE2\x96\x81").add("a");
  made.set("add_bos_token", false);
  EXPECT_EQ(made.encoder().encode("xyaz"), (Ids{1, 0, 2, 0}));
}

TEST(SentencePiece, never_makes_a_control_token_of_text) {
  Made made = sentencepiece();
  made.add("<", -9).add("s", -9).add(">", -9).add("<s", -9);
  const Ids ids = made.encoder().encode("<s>", kPlain);
  EXPECT_EQ(ids, (Ids{kBlock, 267, 266}));
  EXPECT_EQ(made.encoder().encode("<s>", kParsed), (Ids{1}));
}

TEST(SentencePiece, knows_user_defined_pieces_by_their_missing_score) {
  Made made = sentencepiece();
  made.set("add_space_prefix", false).add("<b>").add("aa", 0).add("aaa", -1).add("<", -2).add(">", -2);
  made.add("b>", -1).add("<b", -1);
  EXPECT_EQ(made.encoder().encode("a<b>aa", kPlain), (Ids{260, 264, 265}));
  EXPECT_EQ(made.encoder().encode("aaa", kPlain), (Ids{266}));  // "aa" is a merge, and goes on
}

TEST(CharacterBpe, merges_by_the_list_and_falls_back_to_bytes) {
  Made made("gemma4");
  made.add("<bos>", TokenType::control)
      .add("\xE2\x96\x81")
      .add("a")
      .add("b")
      .add("\xE2\x96\x81\x61")
      .add("ab");
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte) {
    made.add(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">", TokenType::byte);
  }
  made.merge("\xE2\x96\x81 a").merge("a b").set("bos_token_id", std::uint32_t{0});
  const TextEncoder encoder = made.encoder();
  EXPECT_EQ(encoder.encode("ab ab"), (Ids{0, 5, 4, 3}));
  EXPECT_EQ(encoder.encode("\n", kPlain), (Ids{6 + '\n'}));
  EXPECT_EQ(encoder.decode(encoder.encode("ab \xC3\xA9")), "ab \xC3\xA9");
}

TEST(CharacterBpe, is_cut_into_words_where_spaces_are_spaces) {
  Made made("gpt2");
  made.add("a").add("b").add("ab").add("<unk>", TokenType::unknown).merge("a b");
  made.set("pre", "whitespace").set("unknown_token_id", std::uint32_t{3});
  EXPECT_EQ(made.encoder().encode("ab  a?! ab", kPlain), (Ids{2, 0, 3, 2}));
  EXPECT_EQ(made.encoder().encode("AB", kPlain), (Ids{3}));
  EXPECT_EQ(made.set("normalizer.lowercase", true).encoder().encode("AB", kPlain), (Ids{2}));
}

TEST(WordPiece, lowers_cleans_and_takes_the_longest_pieces) {
  Made made("bert");
  made.add("[PAD]", TokenType::control).add("[UNK]", TokenType::control).add("[CLS]", TokenType::control);
  made.add("[SEP]", TokenType::control).add("\xE2\x96\x81un").add("able").add("a").add("\xE2\x96\x81!");
  made.add("\xE2\x96\x81\xE6\x88\x91")
      .add(
          "\xE2\x96\x81"
          "e");
  made.set("bos_token_id", std::uint32_t{2}).set("seperator_token_id", std::uint32_t{3});
  made.set("unknown_token_id", std::uint32_t{1});
  const TextEncoder encoder = made.encoder();
  EXPECT_EQ(encoder.encode("Unable!"), (Ids{2, 4, 5, 7, 3}));
  EXPECT_EQ(encoder.encode("una unx !!", kPlain), (Ids{4, 6, 1, 7, 7}));
  EXPECT_EQ(encoder.encode("\xE6\x88\x91\xE6\x88\x91", kPlain), (Ids{8, 8}));
  EXPECT_EQ(encoder.encode("\xC3\x89 e\xCC\x81 \x01", kPlain), (Ids{9, 9}));
  EXPECT_EQ(encoder.encode("un" + std::string(98, 'a'), kPlain).size(), 99U);
  EXPECT_EQ(encoder.encode("un" + std::string(99, 'a'), kPlain), (Ids{1}));  // more than 100 characters
  const TextEncoder exact = made.set("normalizer.lowercase", false).encoder();
  EXPECT_EQ(exact.encode("Unable \xC3\x89", kPlain), (Ids{1, 1}));
}

Made unigram() {
  Made made("t5");
  made.add("<pad>", TokenType::control).add("</s>", TokenType::control).add("<unk>", TokenType::unknown);
  made.add("\xE2\x96\x81", -2).add("a", -3).add("b", -3).add("ab", -7).add("\xE2\x96\x81\x61", -4);
  return made.set("eos_token_id", std::uint32_t{1}).set("unknown_token_id", std::uint32_t{2});
}

TEST(Unigram, takes_the_way_of_the_highest_sum) {
  const TextEncoder encoder = unigram().encoder();
  EXPECT_EQ(encoder.encode("a"), (Ids{7, 1}));                  // -4 against -2 - 3
  EXPECT_EQ(encoder.encode("bab", kPlain), (Ids{3, 5, 4, 5}));  // "a" "b" is -6, "ab" -7
}

TEST(Unigram, removes_spaces_unless_the_key_says_otherwise) {
  Made made = unigram();
  EXPECT_EQ(made.encoder().encode("  b  b ", kPlain), (Ids{3, 5, 3, 5}));
  EXPECT_EQ(made.encoder().encode("  ", kPlain), Ids{});
  const TextEncoder kept = made.set("remove_extra_whitespaces", false).encoder();
  EXPECT_EQ(kept.encode("b  b", kPlain), (Ids{3, 5, 3, 3, 5}));
}

TEST(Unigram, makes_one_token_of_unknown_neighbours) {
  EXPECT_EQ(unigram().encoder().encode("xyb z", kPlain), (Ids{3, 2, 5, 3, 2}));
}

/// T5's scores: "-" before "---" and behind it sum up to the same, but for how a library reads numbers.
TEST(Unigram, tells_equal_sums_apart_as_the_library_does) {
  Made made("t5");
  made.add("<unk>", TokenType::unknown).add("\xE2\x96\x81", -2.0122928619384766F);
  made.add("-", -5.129043102264404F)
      .add("---", -12.130167007446289F)
      .add("\xE2\x96\x81--", -9.931743621826172F);
  const TextEncoder encoder = made.encoder();
  EXPECT_EQ(encoder.encode("----", kPlain), (Ids{1, 2, 3}));
  EXPECT_EQ(encoder.encode("-------", kPlain), (Ids{1, 3, 3, 2}));
  EXPECT_EQ(encoder.encode("----------", kPlain), (Ids{1, 3, 3, 2, 3}));
}

TEST(WordPiece, finds_added_tokens_within_words) {
  Made made("bert");
  made.add("[UNK]", TokenType::control).add("\xE2\x96\x81x").add("\xE2\x96\x81y");
  made.add(
      "\xE2\x96\x81"
      "covid",
      TokenType::user_defined);
  made.set("unknown_token_id", std::uint32_t{0});
  EXPECT_EQ(made.encoder().encode("xCOVIDy", kPlain), (Ids{1, 3, 2}));
}

TEST(Rwkv, takes_the_longest_token_that_fits) {
  Made made("rwkv");
  made.add("<s>", TokenType::control).add("a").add("ab").add("b").add("abcd").add("c").add("\\n");
  made.add("\\xc3").add("\\xa9").add("\\\\");
  const TextEncoder encoder = made.encoder();
  EXPECT_EQ(encoder.encode("abc"), (Ids{2, 5}));
  EXPECT_EQ(encoder.encode("abcd\n\\\xC3\xA9"), (Ids{4, 6, 9, 7, 8}));
  EXPECT_EQ(encoder.text_of(7), "\xC3");
}

TEST(TextEncoder, says_where_a_text_is_not_utf8) {
  const TextEncoder encoder = byte_bpe().encoder();
  const auto expect = [&](std::string_view piece, std::string_view text) {
    test::expect_error(ErrorKind::input_invalid, piece, [&] { encoder.encode(text); });
  };
  expect("byte 0 ", "\xFF");
  expect("byte 3 ", "\xC3\xA9x\xC3");
  expect("byte 2 ", "ab\xED\xA0\x80");  // a surrogate
}

TEST(TextEncoder, names_what_it_does_not_know) {
  test::expect_error(ErrorKind::input_invalid, "kind 'plamo2'", [] { Made("plamo2").add("a").encoder(); });
  test::expect_error(ErrorKind::input_invalid, "gemma4", [] { Made("plamo2").add("a").encoder(); });
  test::expect_error(ErrorKind::input_invalid, "no vocabulary", [] { Made("none").encoder(); });
  test::expect_error(ErrorKind::input_invalid, "no vocabulary", [] { TextEncoder::from_metadata({}); });
  test::expect_error(ErrorKind::input_invalid, "no vocabulary", [] { Made("gpt2").encoder(); });
  test::expect_error(ErrorKind::input_invalid, "'gpt-22'", [] { byte_bpe("gpt-22").encoder(); });
  test::expect_error(ErrorKind::input_invalid, "mean gpt-2?", [] { byte_bpe("gpt-22").encoder(); });
}

TEST(TextEncoder, refuses_keys_that_cannot_be) {
  const auto expect = [](std::string_view piece, const std::string& key, GgufValue value) {
    KvList keys = sentencepiece().keys();
    keys.set("tokenizer.ggml." + key, std::move(value));
    test::expect_error(ErrorKind::input_invalid, piece, [&] { TextEncoder::from_metadata(keys); });
  };
  expect("264", "bos_token_id", std::uint32_t{264});
  expect("bos_token_id", "bos_token_id", "one");
  expect("add_bos_token", "add_bos_token", "yes");
  expect("scores", "scores", std::vector<float>{1});
  expect("token_type", "token_type", std::vector<float>(264));
  expect("tokens", "tokens", std::vector<float>(264));
  Made without = byte_bpe();
  without.set("merges", std::vector<std::string>{"nospace"});
  KvList keys = without.keys();
  keys.set("tokenizer.ggml.merges", std::vector<std::string>{"nospace"});
  test::expect_error(ErrorKind::input_invalid, "'nospace'", [&] { TextEncoder::from_metadata(keys); });
  keys.erase("tokenizer.ggml.merges");
  test::expect_error(ErrorKind::input_invalid, "no merges", [&] { TextEncoder::from_metadata(keys); });
}

TEST(TextEncoder, refuses_a_number_that_is_no_token) {
  test::expect_error(ErrorKind::usage, "has 260", [] { byte_bpe().encoder().text_of(260); });
}

/// Tokens of "a" repeated 1, 2, 4 ... 64 times.
template <typename Add>
void add_doublings(Add add) {
  for (std::size_t length = 2; length <= 64; length *= 2)
    add(std::string(length, 'a'), std::string(length / 2, 'a'));
}

TEST(TextEncoder, cuts_a_word_of_a_megabyte) {
  constexpr std::size_t kLong = 1 << 20;
  const std::string text(kLong, 'a');
  Made bytes = byte_bpe();
  Made pieces = sentencepiece();
  float score = -20;
  add_doublings([&](const std::string& whole, const std::string& half) {
    bytes.add(whole).merge(half + " " + half);
    pieces.add(whole, score -= 1);
  });
  EXPECT_EQ(bytes.encoder().encode(text, kPlain).size(), kLong / 64);
  pieces.set("add_space_prefix", false);
  EXPECT_EQ(pieces.encoder().encode(text, kPlain).size(), kLong / 64);
  EXPECT_EQ(unigram().encoder().encode(text, kPlain).size(), kLong);
  Made longest("rwkv");
  longest.add("a").add("aaaa");
  EXPECT_EQ(longest.encoder().encode(text, kPlain).size(), kLong / 4);
  Made words("bert");
  words.add("[UNK]", TokenType::unknown).add("\xE2\x96\x81\x61").set("unknown_token_id", std::uint32_t{0});
  EXPECT_EQ(words.encoder().encode(text, kPlain), (Ids{0}));
  std::string accented = "a";
  while (accented.size() < kLong) accented += "\xCC\x81\xCC\xA3";  // not in their order
  EXPECT_EQ(words.encoder().encode(accented, kPlain), (Ids{1}));
}

TEST(TextEncoder, is_used_by_many_threads_at_once) {
  const TextEncoder encoder = byte_bpe("llama-bpe").encoder();
  const std::string text = "abc 12345 ab\n\n x abc";
  const Ids wanted = encoder.encode(text);
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  for (Ids& ids : found) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) ids = encoder.encode(text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : found) EXPECT_EQ(ids, wanted);
}

}  // namespace
}  // namespace qtz
