#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "qtz/core/error.h"
#include "qtz/kernels/backend.h"

namespace qtz {
namespace {

/// Sets QTZ_BACKEND for one test.
class BackendVariable {
 public:
  explicit BackendVariable(const char* value) {
    if (const char* before = std::getenv("QTZ_BACKEND")) before_ = before;
    if (value != nullptr) {
      setenv("QTZ_BACKEND", value, 1);
    } else {
      unsetenv("QTZ_BACKEND");
    }
  }
  ~BackendVariable() {
    if (before_.empty()) {
      unsetenv("QTZ_BACKEND");
    } else {
      setenv("QTZ_BACKEND", before_.c_str(), 1);
    }
  }
  BackendVariable(const BackendVariable&) = delete;
  BackendVariable& operator=(const BackendVariable&) = delete;

 private:
  std::string before_;
};

ErrorKind kind_of_selecting(std::string_view name, std::string& hint) {
  try {
    select_backend(name);
  } catch (const Error& error) {
    hint = error.hint();
    return error.kind();
  }
  return ErrorKind::interrupted;
}

TEST(Dispatch, ScalarIsAlwaysThereAndLast) {
  const auto all = list_backends();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().name, "scalar");
  EXPECT_TRUE(all.back().supported);
}

TEST(Dispatch, TheBestSupportedOneIsTheDefault) {
  const BackendVariable none(nullptr);
  for (const Backend& backend : list_backends()) {
    if (!backend.supported) continue;
    EXPECT_EQ(select_backend("").name, backend.name);
    break;
  }
}

TEST(Dispatch, TheEnvironmentOverridesAndTheFlagOverridesIt) {
  const BackendVariable scalar("scalar");
  EXPECT_EQ(select_backend("").name, "scalar");
  const BackendVariable nonsense("nonsense");
  EXPECT_EQ(select_backend("scalar").name, "scalar");
}

TEST(Dispatch, UnknownNamesAreUsageErrorsThatListWhatWorks) {
  std::string hint;
  EXPECT_EQ(kind_of_selecting("mmx", hint), ErrorKind::usage);
  EXPECT_NE(hint.find("scalar"), std::string::npos);
  const BackendVariable nonsense("nonsense");
  EXPECT_EQ(kind_of_selecting("", hint), ErrorKind::usage);
}

TEST(Dispatch, UnsupportedNamesAreUsageErrors) {
  for (const Backend& backend : list_backends()) {
    if (backend.supported) continue;
    std::string hint;
    EXPECT_EQ(kind_of_selecting(backend.name, hint), ErrorKind::usage);
    EXPECT_EQ(hint.find(backend.name), std::string::npos);
    EXPECT_EQ(backend.table, nullptr);
  }
}

}  // namespace
}  // namespace qtz
