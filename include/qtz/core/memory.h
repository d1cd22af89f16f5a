// What the process and the machine have of memory.
#pragma once

#include <cstdint>
#include <optional>

namespace qtz {

/// What this process holds in memory now; 0 where the system does not tell.
std::uint64_t resident_bytes();

/// What may still be taken without pushing anything out, by the machine and by the process's control group;
/// nullopt where the system does not tell.
std::optional<std::uint64_t> available_bytes();

/// Gives what the process has freed back to the system, so that resident_bytes() does not have it.
void release_freed_memory() noexcept;

/// Throws resource, naming what is enough, when `needed` with one thread is more than `most`, --max-memory;
/// 0: no limit.
void require_memory(std::uint64_t needed, std::uint64_t most);

}  // namespace qtz
