#include "model/arch/qkv_blocks.h"

#include "model/tensor_ops.h"
#include "qtz/core/error.h"

namespace qtz::arch {

namespace {

enum class Part { query, key, value };

/// Heads of queries and of keys, and the rows of one head. Configurations are checked before: all are below
/// 2^31, so that their products stay below 2^63.
struct Heads {
  std::uint64_t queries, keys, dim;

  explicit Heads(const ArchBuild& build)
      : queries(build.config.head_count()),
        keys(build.config.kv_head_count()),
        dim(build.config.head_dim()) {}
};

void check_rows(const TensorExpr& input, const Heads& heads, const ArchBuild& build) {
  const std::uint64_t rows = input.shape().rank() == 2 ? input.shape()[0] : 0;
  if (rows != 0 && heads.dim != 0 && rows % heads.dim == 0 &&
      rows / heads.dim == heads.queries + 2 * heads.keys) {
    return;
  }
  throw Error(ErrorKind::input_invalid,
              build.config.where() + ": " + describe(input) + " is not made of " +
                  std::to_string(heads.queries) + " queries, " + std::to_string(heads.keys) + " keys and " +
                  std::to_string(heads.keys) + " values of " + std::to_string(heads.dim) + " rows",
              "check that config.json belongs to these weights");
}

TensorExprPtr rows_of(TensorExprPtr input, Part part, const ArchBuild& build) {
  const Heads heads(build);
  check_rows(*input, heads, build);
  const std::uint64_t queries = heads.queries * heads.dim;
  const std::uint64_t keys = heads.keys * heads.dim;
  if (part == Part::query) return sliced(std::move(input), 0, 0, queries);
  return sliced(std::move(input), 0, part == Part::key ? queries : queries + keys, keys);
}

TensorExprPtr grouped_rows_of(TensorExprPtr input, Part part, const ArchBuild& build) {
  const Heads heads(build);
  check_rows(*input, heads, build);
  const std::uint64_t in_group = heads.queries / heads.keys;
  if (in_group * heads.keys != heads.queries) {
    build.config.refuse("num_key_value_heads", "does not divide the number of attention heads");
  }
  const std::uint64_t cols = input->shape()[1];
  input = reshaped(std::move(input), Shape{heads.keys, in_group + 2, heads.dim, cols});
  const std::uint64_t first = part == Part::query ? 0 : in_group + (part == Part::value ? 1 : 0);
  const std::uint64_t count = part == Part::query ? in_group : 1;
  return reshaped(sliced(std::move(input), 1, first, count), Shape{heads.keys * count * heads.dim, cols});
}

}  // namespace

TensorExprPtr query_part(TensorExprPtr input, const ArchBuild& build) {
  return rows_of(std::move(input), Part::query, build);
}

TensorExprPtr key_part(TensorExprPtr input, const ArchBuild& build) {
  return rows_of(std::move(input), Part::key, build);
}

TensorExprPtr value_part(TensorExprPtr input, const ArchBuild& build) {
  return rows_of(std::move(input), Part::value, build);
}

TensorExprPtr grouped_query_part(TensorExprPtr input, const ArchBuild& build) {
  return grouped_rows_of(std::move(input), Part::query, build);
}

TensorExprPtr grouped_key_part(TensorExprPtr input, const ArchBuild& build) {
  return grouped_rows_of(std::move(input), Part::key, build);
}

TensorExprPtr grouped_value_part(TensorExprPtr input, const ArchBuild& build) {
  return grouped_rows_of(std::move(input), Part::value, build);
}

}  // namespace qtz::arch
