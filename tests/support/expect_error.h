// Expecting an Error of a kind, with a piece of its message or hint, and never a control character in it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "qtz/core/error.h"

namespace qtz::test {

template <typename Call>
void expect_error(ErrorKind kind, std::string_view piece, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "no error; expected one with '" << piece << "'";
  } catch (const Error& error) {
    const std::string text = error.message() + " | " + error.hint();
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << text;
    EXPECT_NE(text.find(piece), std::string::npos) << "expected '" << piece << "' in: " << text;
    const bool clean =
        std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    EXPECT_TRUE(clean) << "control character in the message";
    EXPECT_FALSE(error.message().empty());
  }
}

}  // namespace qtz::test
