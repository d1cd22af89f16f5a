// A planned folder in the making: everything has its place, and modules come in any order.
#pragma once

#include <filesystem>
#include <vector>

#include "qtz/core/output_folder.h"
#include "qtz/core/progress.h"
#include "qtz/methods/integer_matrix.h"
#include "qtz/pipeline/folder_plan.h"

namespace qtz {

class FolderWriter {
 public:
  /// Reserves the folder with all its files, and writes headers and texts. Throws output.
  FolderWriter(const FolderPlan& plan, const std::filesystem::path& output, const OutputOptions& options);

  /// Tensors that stay as they are, and the files beside them.
  void copy(unsigned threads, Progress& progress, const CancelToken& cancel);
  /// The tensors of module `index`.
  void write(std::size_t index, const IntegerMatrix& matrix);
  /// Checks that the inputs are what they were, then gives the folder its name.
  void commit();

 private:
  const FolderPlan& plan_;
  OutputFolder folder_;
  std::vector<OutputFile*> files_;
};

}  // namespace qtz
