#include "folder_writer.h"

#include <algorithm>

#include "qtz/core/error.h"
#include "qtz/core/parallel.h"

namespace qtz {
namespace {

constexpr std::uint64_t kPiece = 4 << 20;

}  // namespace

FolderWriter::FolderWriter(const FolderPlan& plan, const std::filesystem::path& output,
                           const OutputOptions& options)
    : plan_(plan), folder_(output, plan.total_bytes, options) {
  for (const SafetensorsLayout::File& file : plan.files.files) {
    files_.push_back(&folder_.add(file.name, file.bytes));
    files_.back()->write(0, file.header);
  }
  for (const auto& [name, text] : plan.texts) folder_.add(name, std::as_bytes(std::span(text)));
}

void FolderWriter::copy(unsigned threads, Progress& progress, const CancelToken& cancel) {
  parallel_for(plan_.tensors.size(), threads, cancel, [&](unsigned, std::uint64_t i) {
    const TensorInfo* const tensor = plan_.copied[i];
    if (tensor == nullptr) return;
    const SafetensorsLayout::Place& place = plan_.files.places[i];
    std::vector<std::byte> piece;
    for (std::uint64_t at = 0; at < tensor->bytes; at += piece.size()) {
      cancel.poll();
      piece.resize(std::min(kPiece, tensor->bytes - at));
      plan_.source->read(*tensor, at, piece);
      files_[place.file]->write(place.offset + at, piece);
      progress.advance(piece.size());
    }
    progress.item_done(tensor->name);
  });
  for (const auto& [name, path] : plan_.side_files) {
    const InputFile file(path);
    OutputFile& copy = folder_.add(name, file.size());
    std::vector<std::byte> piece;
    for (std::uint64_t at = 0; at < file.size(); at += piece.size()) {
      piece.resize(std::min(kPiece, file.size() - at));
      file.read(at, piece);
      copy.write(at, piece);
    }
    file.check_unchanged();
  }
}

void FolderWriter::write(std::size_t index, const IntegerMatrix& matrix) {
  const PlannedModule& planned = plan_.modules[index];
  const auto parts = store_integers(plan_.layout, matrix);
  QTZ_CHECK(parts.size() == planned.tensors);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const SafetensorsLayout::Place& place = plan_.files.places[planned.first_tensor + i];
    QTZ_CHECK(parts[i].size() == place.bytes);
    files_[place.file]->write(place.offset, parts[i]);
  }
}

void FolderWriter::commit() {
  for (const InputFile& file : plan_.source->files()) file.check_unchanged();
  folder_.commit();
}

}  // namespace qtz
