#include "model/tokenizer/sentencepiece_model.h"

#include <gtest/gtest.h>

#include <limits>

#include "model/tokenizer/protobuf_wire.h"
#include "support/expect_error.h"
#include "unit/model/tokenizer_files.h"

namespace qtz {
namespace {

using test::expect_error;
using test::piece;
using test::Proto;
using test::small_sentencepiece;

class SentencePieceFile : public testing::Test {
 protected:
  SentencePieceModel read(std::string_view bytes) {
    return read_sentencepiece_model(scratch_.add("tokenizer.model", bytes));
  }
  void refuse(std::string_view bytes, std::string_view message) {
    expect_error(ErrorKind::input_invalid, message, [&] { read(bytes); });
  }
  test::ScratchFolder scratch_;
};

TEST_F(SentencePieceFile, gives_pieces_and_settings) {
  Proto model = small_sentencepiece();
  model.bytes(2, Proto().varint(35, 1).text());
  model.bytes(3, Proto().bytes(1, "nmt_nfkc").bytes(2, "map").varint(3, 0).varint(4, 0).text());
  const SentencePieceModel read_back = read(model.text());
  ASSERT_EQ(read_back.pieces.size(), 5U);
  EXPECT_EQ(read_back.pieces[0].type, SentencePieceModel::PieceType::unknown);
  EXPECT_EQ(read_back.pieces[3].text, "a");
  EXPECT_EQ(read_back.pieces[3].score, -1.0F);
  EXPECT_EQ(read_back.algorithm, SentencePieceModel::Algorithm::bpe);
  EXPECT_TRUE(read_back.byte_fallback);
  EXPECT_FALSE(read_back.add_dummy_prefix);
  EXPECT_FALSE(read_back.remove_extra_whitespaces);
  EXPECT_EQ(read_back.precompiled_charsmap, "map");
}

TEST_F(SentencePieceFile, has_the_defaults_of_the_format) {
  const SentencePieceModel model = read(Proto().bytes(1, Proto().bytes(1, "x").text()).text());
  EXPECT_EQ(model.pieces[0].score, 0.0F);
  EXPECT_EQ(model.pieces[0].type, SentencePieceModel::PieceType::normal);
  EXPECT_EQ(model.algorithm, SentencePieceModel::Algorithm::unigram);
  EXPECT_TRUE(model.add_dummy_prefix);
}

TEST_F(SentencePieceFile, skips_fields_it_does_not_know) {
  Proto model = small_sentencepiece();
  model.varint(200, 7)
      .bytes(5, "whatever")
      .real(300, 1)
      .raw(std::string("\x91\x10", 2) + std::string(8, 'x'));
  EXPECT_EQ(read(model.text()).pieces.size(), 5U);
}

TEST_F(SentencePieceFile, is_refused_at_every_truncation_inside_a_field) {
  const std::string whole = small_sentencepiece().text();
  const std::string first = Proto().bytes(1, piece("<unk>", 0, 2)).text();
  for (std::size_t size = 1; size < first.size(); ++size) {
    SCOPED_TRACE(size);
    refuse(whole.substr(0, size), "not a SentencePiece model");
  }
  EXPECT_EQ(read(whole.substr(0, first.size())).pieces.size(), 1U);
}

TEST_F(SentencePieceFile, is_refused_with_numbers_that_are_too_long) {
  refuse(std::string(11, '\x80') + "x", "more than");
  refuse(std::string("\x08", 1) + std::string(10, '\xFF') + "\x01", "more than");
  refuse(std::string("\x08", 1) + std::string(9, '\xFF') + "\x02", "more than 64 bits");
}

TEST_F(SentencePieceFile, is_refused_with_lengths_beyond_the_end) {
  refuse(Proto().raw("\x0A\x7F").text(), "a field of 127 bytes where 0 are left");
  refuse(Proto().raw(std::string("\x0A", 1) + std::string(9, '\xFF') + "\x01").text(),
         "18446744073709551615 bytes");
}

TEST_F(SentencePieceFile, is_refused_with_groups_and_unknown_wire_types) {
  for (const char type : {'\x0B', '\x0C', '\x0E', '\x0F'}) refuse(std::string(1, type), "wire type");
  refuse(std::string(2, '\0'), "field number 0");
}

TEST_F(SentencePieceFile, is_refused_with_pieces_that_make_no_sense) {
  refuse("", "it has no pieces");
  refuse(Proto().bytes(1, piece("\xFF", 0)).text(), "not UTF-8");
  refuse(Proto().bytes(1, piece("x", 0, 9)).text(), "unknown type 9");
  refuse(Proto().bytes(1, piece("x", std::numeric_limits<float>::quiet_NaN())).text(), "not a number");
  refuse(Proto().bytes(1, piece("x", std::numeric_limits<float>::infinity())).text(), "not a number");
  refuse(Proto().bytes(1, piece(std::string(10'000'000, 'x'), 0)).text(), "10000000 bytes");
  refuse(Proto().varint(1, 1).text(), "another type");
  refuse(Proto().bytes(1, Proto().varint(1, 1).text()).text(), "another type");
  refuse(Proto().bytes(2, Proto().varint(3, 8).text()).text(), "unknown SentencePiece algorithm 8");
}

TEST_F(SentencePieceFile, errors_name_the_file_and_the_offset) {
  refuse(Proto().bytes(1, piece("x", 0)).raw("\x0B").text(),
         "tokenizer.model: not a SentencePiece model: wire type 3");
  refuse(Proto().bytes(1, piece("x", 0)).raw("\x0B").text(), "at byte 12");
}

TEST_F(SentencePieceFile, is_told_from_a_list_of_base64_texts) {
  EXPECT_TRUE(looks_like_sentencepiece(scratch_.add("a", small_sentencepiece().text())));
  EXPECT_FALSE(looks_like_sentencepiece(scratch_.add("b", "IQ== 0\nIg== 1\n")));
  EXPECT_TRUE(looks_like_sentencepiece(scratch_.add("c", "")));
}

TEST_F(SentencePieceFile, is_told_from_files_that_nobody_meant) {
  const auto refuse_start = [&](std::string_view bytes, std::string_view message) {
    SCOPED_TRACE(bytes);
    const auto path = scratch_.add("tokenizer.model", bytes);
    expect_error(ErrorKind::input_invalid, message, [&] { looks_like_sentencepiece(path); });
  };
  refuse_start("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n",
               "tokenizer.model is a Git LFS pointer");
  refuse_start("<!DOCTYPE html><html>", "is an HTML or XML page");
  refuse_start("PK\x03\x04rest", "is a ZIP archive");
  refuse_start("{\"model\": 1}", "is a JSON text");
  refuse_start("\x80\x02\x8a", "is a pickle file");
  for (const char* text :
       {"Entry not found", "IQ==", "IQ== ", "IQ== x", "IQ== 0 1\n", "\xEF\xBB\xBFIQ== 0\n"}) {
    refuse_start(text, "neither a SentencePiece model nor a list of base64 texts");
  }
  EXPECT_FALSE(looks_like_sentencepiece(scratch_.add("crlf", "IQ== 0\r\nIg== 1\r\n")));
  EXPECT_FALSE(looks_like_sentencepiece(scratch_.add("one", "IQ== 0")));
}

TEST(WireReader, reads_the_four_kinds) {
  const std::string bytes = Proto()
                                .varint(1, 300)
                                .bytes(2, "hi")
                                .real(3, 1.5F)
                                .raw(
                                    "\x21"
                                    "abcdefgh")
                                .text();
  WireReader reader(bytes);
  EXPECT_EQ(reader.next()->value, 300U);
  EXPECT_EQ(reader.next()->bytes, "hi");
  EXPECT_EQ(reader.next()->as_float(), 1.5F);
  EXPECT_EQ(reader.next()->number, 4U);
  EXPECT_FALSE(reader.next());
}

}  // namespace
}  // namespace qtz
