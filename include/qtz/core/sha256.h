// SHA-256, by the system's crypto library.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace qtz {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// Lower-case hexadecimal digest of all updates; the object is then spent.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace qtz
