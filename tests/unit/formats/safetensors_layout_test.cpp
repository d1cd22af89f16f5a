#include "qtz/formats/safetensors_layout.h"

#include <gtest/gtest.h>

#include <fstream>

#include "qtz/formats/safetensors.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace qtz {
namespace {

/// Writes the files, every tensor filled with its number.
void write_files(const SafetensorsLayout& layout, const std::filesystem::path& folder) {
  for (std::uint32_t f = 0; f < layout.files.size(); ++f) {
    std::string bytes(layout.files[f].bytes, '?');
    std::copy_n(reinterpret_cast<const char*>(layout.files[f].header.data()), layout.files[f].header.size(),
                bytes.begin());
    for (std::size_t i = 0; i < layout.places.size(); ++i) {
      if (layout.places[i].file == f)
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(layout.places[i].offset),
                    layout.places[i].bytes, static_cast<char>('a' + i));
    }
    test::write_file(folder / layout.files[f].name, bytes);
  }
  if (!layout.index.empty()) test::write_file(folder / kSafetensorsIndexName, layout.index);
}

const std::vector<SafetensorsTensor> kTensors = {
    {"b.scales", DType::f16, {3}},  {"b.qweight", DType::i32, {2, 5}}, {"a \"quoted\"", DType::bf16, {7, 1}},
    {"shape", DType::i64, {2}},     {"bytes", DType::u8, {3}},         {"none", DType::f32, {0, 4}},
    {"number", DType::f32, Shape{}}};

void expect_read_back(const SafetensorsLayout& layout) {
  const test::ScratchFolder scratch;
  write_files(layout, scratch.path());
  const SafetensorsSource source(scratch.path());
  ASSERT_EQ(source.tensors().size(), kTensors.size());
  EXPECT_TRUE(source.warnings().empty());
  for (std::size_t i = 0; i < kTensors.size(); ++i) {
    const TensorInfo* found = source.find(kTensors[i].name);
    ASSERT_NE(found, nullptr) << kTensors[i].name;
    EXPECT_EQ(found->dtype, kTensors[i].dtype);
    EXPECT_EQ(found->shape, kTensors[i].shape);
    std::vector<std::byte> bytes(found->bytes);
    source.read(*found, 0, bytes);
    EXPECT_EQ(bytes, std::vector<std::byte>(found->bytes, static_cast<std::byte>('a' + i)));
    const std::uint32_t width = traits(found->dtype).block_bytes;
    EXPECT_EQ(layout.places[i].offset % width, 0u) << kTensors[i].name << " is not aligned";
  }
}

TEST(SafetensorsLayout, one_file_is_read_back) {
  const SafetensorsLayout layout = make_safetensors_layout(kTensors, 0);
  ASSERT_EQ(layout.files.size(), 1u);
  EXPECT_EQ(layout.files[0].name, "model.safetensors");
  EXPECT_TRUE(layout.index.empty());
  expect_read_back(layout);
}

TEST(SafetensorsLayout, shards_have_an_index) {
  const SafetensorsLayout layout = make_safetensors_layout(kTensors, 46);
  ASSERT_EQ(layout.files.size(), 2u);
  EXPECT_EQ(layout.files[0].name, "model-00001-of-00002.safetensors");
  EXPECT_EQ(layout.places[0].file, layout.places[1].file);
  EXPECT_NE(layout.index.find("\"total_size\": 83"), std::string::npos) << layout.index;
  expect_read_back(layout);
}

TEST(SafetensorsLayout, a_tensor_larger_than_a_file_has_one_for_itself) {
  const SafetensorsLayout layout = make_safetensors_layout(kTensors, 1);
  EXPECT_EQ(layout.files.size(), 6u) << "a tensor without elements needs none";
  expect_read_back(layout);
}

TEST(SafetensorsLayout, types_of_ggml_are_refused) {
  const std::vector<SafetensorsTensor> tensors = {{"t", DType::q4_0, {32}}};
  test::expect_error(ErrorKind::input_invalid, "safetensors has no type Q4_0",
                     [&] { make_safetensors_layout(tensors, 0); });
}

}  // namespace
}  // namespace qtz
